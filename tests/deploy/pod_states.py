"""States of pods and events as clusters report them, for the stand-in cluster."""

from typing import Any

Object = dict[str, Any]
RELEASE = {"app.kubernetes.io/instance": "talkmill"}
IMAGE = "registry.example.com/talkmill/crop:9.9"


def pod(name: str, status: Object, **labels: str) -> Object:
    metadata = {"name": f"talkmill-{name}", "namespace": "talkmill", "labels": RELEASE | labels}
    spec = {
        place: [{"name": one["name"], "image": IMAGE} for one in status.get(f"{place[:-1]}Statuses", [])]
        for place in ("initContainers", "containers")
    }
    return {"kind": "Pod", "metadata": metadata, "spec": spec, "status": {"phase": "Pending", **status}}


def well(name: str) -> Object:
    state = {"name": name, "ready": True, "state": {"running": {}}}
    ready = {"type": "Ready", "status": "True"}
    return pod(name, {"phase": "Running", "conditions": [ready], "containerStatuses": [state]})


def event(reason: str, message: str, of: Object | None = None, kind: str = "Pod", name: str = "") -> Object:
    involved = {"kind": kind, "name": of["metadata"]["name"] if of else name, "namespace": "talkmill"}
    return {
        "kind": "Event", "metadata": {"name": f"e{abs(hash((reason, message, involved['name'])))}", "namespace": "talkmill"},
        "type": "Warning", "reason": reason, "message": message, "involvedObject": involved,
    }  # fmt: skip


def container(name: str, state: Object, **more: Any) -> Object:
    return {"name": name, "ready": False, "restartCount": 0, "state": state, **more}


def bad_image(name: str = "crop") -> list[Object]:
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{IMAGE}"'}}
    one = pod(name, {"containerStatuses": [container(name, waiting, image=IMAGE)]})
    said = f'Failed to pull image "{IMAGE}": rpc error: code = NotFound desc = failed to pull and unpack image "{IMAGE}": not found'
    return [one, event("Failed", said, one), event("Failed", "Error: ErrImagePull", one)]


def too_little_cpu(name: str = "matting", resource: str = "cpu") -> list[Object]:
    said = (
        f"0/3 nodes are available: 3 Insufficient {resource}. preemption: 0/3 nodes are available: 3 No preemption victims "
        "found for incoming pod."
    )
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": said}
    one = pod(name, {"conditions": [condition]})
    return [one, event("FailedScheduling", said, one)]


def missing_secret_variable(name: str = "orchestrator") -> list[Object]:
    waiting = {"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "talkmill-database" not found'}}
    return [pod(name, {"containerStatuses": [container(name, waiting)]})]


def missing_secret_volume(name: str = "orchestrator") -> list[Object]:
    waiting = {"waiting": {"reason": "ContainerCreating"}}
    one = pod(name, {"containerStatuses": [container(name, waiting)]})
    said = 'MountVolume.SetUp failed for volume "tls" : secret "talkmill-orchestrator-tls" not found'
    return [one, event("FailedMount", said, one)]


def crash(name: str = "orchestrator") -> list[Object]:
    before = {"terminated": {"exitCode": 1, "reason": "Error"}}
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container"}}
    return [pod(name, {"containerStatuses": [container(name, waiting, lastState=before, restartCount=4)]})]


def out_of_memory(name: str = "fine-fit") -> list[Object]:
    before = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    running = {"running": {}}
    return [
        pod(
            name,
            {"phase": "Running", "containerStatuses": [container(name, running, lastState=before, restartCount=2)]},
        )
    ]


def no_volume(name: str = "minio-0") -> list[Object]:
    said = "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: not eligible"
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": said}
    return [pod(name, {"conditions": [condition]})]


def waits_for_models(name: str = "split") -> list[Object]:
    return [pod(name, {"initContainerStatuses": [container("models", {"running": {}})]})]


def refused_by_policy() -> list[Object]:
    said = (
        'pods "talkmill-matting-6d5f-" is forbidden: violates PodSecurity "restricted:latest": restricted volume types '
        '(volume "models" uses restricted volume type "hostPath")'
    )
    return [event("FailedCreate", said, kind="ReplicaSet", name="talkmill-matting-6d5f")]
