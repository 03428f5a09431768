"""Why the pods of a release are not ready, out of what a cluster says of them: `make deploy` prints it.

Knows the states that Kubernetes gives to pods and its events. It asks nobody: objects and logs are given.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
# Pod, container, whether of its earlier start: the last lines of its log.
Logs = Callable[[str, str, bool], Sequence[str]]

PULL = frozenset(["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"])
CONFIG = frozenset(["CreateContainerConfigError", "CreateContainerError"])
LINE = 300
REMEDIES = {
    "image": "Push the images (`make images push REGISTRY=...`), deploy with that REGISTRY; image.tag, pullSecrets.",
    "room": "Ask for less (resources.requests of the values), or add nodes.",
    "gpu": "No free GPU: add nodes, or set fewer replicas; is the device plugin installed?",
    "placement": "Nodes have taints or labels that the values do not name: tolerations, nodeSelector, affinity.",
    "secret": "Make the Secret or ConfigMap in this namespace, with the keys that the chart's README names.",
    "volume": "Look at the volume claim: storageClassName, access mode and size must suit the cluster.",
    "memory": "Raise resources.limits.memory of this part.",
    "quota": "A quota or a policy of the namespace refuses the pods: change it, or the values that it names.",
    "crash": "Its log says why; the last line is above.",
    "waits": "It waits for something; its last line is above. docs/operations.md has a runbook.",
}


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something is not ready.

    Attributes:
        subject: The pod, or what makes pods.
        what: Kubernetes' own word, such as `ErrImagePull`.
        why: In the cluster's words.
        kind: Key of REMEDIES.
    """

    subject: str
    what: str
    why: str
    kind: str


def find_causes(pods: Iterable[Object], events: Sequence[Object], logs: Logs) -> list[Cause]:
    """Return why pods are not ready, and why pods were not made.

    Args:
        pods: Of the release.
        events: Of the namespace.
        logs: Reads the log of a container.
    """
    found = []
    for pod in pods:
        if not _is_well(pod):
            found.append(_of_pod(pod, _warnings(events, "Pod", pod["metadata"]["name"]), logs))
    makers = ("ReplicaSet", "StatefulSet", "Job")
    for event in events:
        if event.get("reason") == "FailedCreate" and event["involvedObject"].get("kind") in makers:
            found.append(Cause(event["involvedObject"]["name"], "FailedCreate", _short(event["message"]), "quota"))
    return list(dict.fromkeys(found))


def summary(causes: Sequence[Cause], most: int = 3) -> list[str]:
    """Return two lines for each kind of cause, that of most pods first.

    Args:
        causes: What was found.
        most: How many kinds are told.
    """
    kinds: dict[tuple[str, str], list[Cause]] = {}
    for cause in causes:
        kinds.setdefault((cause.what, cause.kind), []).append(cause)
    # What waits for others, such as a stage for its models, is rarely the cause.
    ordered = sorted(kinds.items(), key=lambda item: (item[0][1] == "waits", -len(item[1])))
    lines = []
    for (what, kind), same in ordered[:most]:
        more = f" and {len(same) - 1} more" if len(same) > 1 else ""
        lines += [f"{same[0].subject}{more}: {what}: {same[0].why}", f"  {REMEDIES[kind]}"]
    if len(ordered) > most:
        lines.append(f"{len(ordered) - most} more kinds of trouble are above.")
    return lines


def _is_well(pod: Object) -> bool:
    status = pod.get("status", {})
    if pod["metadata"].get("deletionTimestamp") or status.get("phase") == "Succeeded":
        return True
    ready = [one for one in status.get("conditions", []) if one["type"] == "Ready"]
    return bool(ready) and ready[0]["status"] == "True"


def _containers(status: Object) -> tuple[Object, ...]:
    """Return what a pod's status says of its containers, those that begin first."""
    return (*status.get("initContainerStatuses", []), *status.get("containerStatuses", []))


def _of_pod(pod: Object, warnings: Sequence[Object], logs: Logs) -> Cause:
    name, status = pod["metadata"]["name"], pod.get("status", {})
    for one in _containers(status):
        cause = _of_container(name, one, warnings, logs)
        if cause is not None:
            return cause
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            why = _short(condition.get("message", ""))
            return Cause(name, condition.get("reason", "Unschedulable"), why, _kind_of_place(why))
    for event in warnings:
        if event.get("reason") in ("FailedMount", "FailedAttachVolume"):
            why = _short(event["message"])
            return Cause(name, event["reason"], why, "secret" if "not found" in why else "volume")
    if status.get("phase") == "Failed":
        return Cause(name, status.get("reason", "Failed"), _short(status.get("message", "it ended")), "crash")
    return Cause(name, "NotReady", *_waiting(name, status, logs))


def _of_container(pod: str, one: Object, warnings: Sequence[Object], logs: Logs) -> Cause | None:
    state, before = one.get("state", {}), one.get("lastState", {}).get("terminated", {})
    waiting, ended = state.get("waiting", {}), state.get("terminated", {})
    reason, message = waiting.get("reason", ""), _short(waiting.get("message", ""))
    if reason in PULL:
        # The state says "Back-off pulling image" after a while; what the registry said is in an event.
        told = [event["message"] for event in warnings if "pull image" in event.get("message", "")]
        return Cause(pod, reason, _short(told[-1]) if told else message or one.get("image", ""), "image")
    if reason in CONFIG:
        return Cause(
            pod, reason, message, "secret" if "not found" in message or "couldn't find key" in message else "crash"
        )
    failed = ended if ended.get("exitCode") else before if before.get("exitCode") else {}
    if failed and not one.get("ready"):
        if failed.get("reason") == "OOMKilled":
            return Cause(pod, "OOMKilled", f"container {one['name']} used more memory than its limit", "memory")
        lines = logs(pod, one["name"], failed is before)
        why = _event_of(lines[-1]) if lines else failed.get("message") or "it logged nothing"
        return Cause(
            pod, reason or "Error", _short(f"container {one['name']} ended with {failed['exitCode']}: {why}"), "crash"
        )
    return None


def _waiting(pod: str, status: Object, logs: Logs) -> tuple[str, str]:
    """Return the last line of the container that is at work and not ready."""
    for one in _containers(status):
        if "running" in one.get("state", {}) and not one.get("ready"):
            lines = logs(pod, one["name"], False)
            if lines:
                return _short(f"container {one['name']}: {_event_of(lines[-1])}"), "waits"
    return f"phase {status.get('phase', 'unknown')}", "waits"


def _kind_of_place(why: str) -> str:
    if "PersistentVolumeClaim" in why or "volume" in why:
        return "volume"
    if "Insufficient" in why:
        return "room" if "Insufficient cpu" in why or "Insufficient memory" in why else "gpu"
    return "placement"


def _warnings(events: Sequence[Object], kind: str, name: str) -> list[Object]:
    return [
        event
        for event in events
        if event.get("type") == "Warning"
        and event["involvedObject"].get("kind") == kind
        and event["involvedObject"].get("name") == name
    ]


def _event_of(line: str) -> str:
    """Return what a line of a log says; ours are JSON."""
    try:
        entry = json.loads(line)
        return " ".join(str(entry[key]) for key in ("event", "error") if key in entry) or line
    except (ValueError, TypeError):
        return line


def _short(text: str) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= LINE else line[: LINE - 3] + "..."


def evidence(pods: Iterable[Object], events: Iterable[Object], logs: Logs) -> Iterator[str]:
    """Yield everything that a rollback would erase: pods, warnings, and the logs of what is not ready.

    Args:
        pods: Of the release.
        events: Of the namespace.
        logs: Reads the log of a container.
    """
    yield "Pods:"
    sick = []
    for pod in pods:
        status = pod.get("status", {})
        statuses = _containers(status)
        states = [
            f"{one['name']}={inner.get('reason', state)}"
            for one in statuses
            for state, inner in one.get("state", {}).items()
        ]
        yield f"  {pod['metadata']['name']}: {status.get('phase', 'unknown')} {' '.join(states)}"
        if not _is_well(pod):
            sick.append((pod["metadata"]["name"], statuses))
    yield "Warnings:"
    for event in events:
        if event.get("type") == "Warning":
            involved = event["involvedObject"]
            yield f"  {involved.get('kind')} {involved.get('name')}: {event.get('reason')}: {_short(event['message'])}"
    for name, statuses in sick:
        for one in statuses:
            for previous in (True, False):
                lines = logs(name, one["name"], previous) if not previous or one.get("restartCount") else []
                if lines:
                    when = ", before it was started again" if previous else ""
                    yield f"Log of {name}, container {one['name']}{when}:"
                    yield from (f"  {line[:LINE]}" for line in lines)
