"""`make deploy`: installs or upgrades the chart by Helm, and where that fails says why before it rolls back.

Helm itself says "context deadline exceeded" and removes the pods that would know more. Needs nothing but Python.
"""

import argparse
import json
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from deploy.causes import Cause, evidence, find_causes, summary
from deploy.kubectl import Kubectl, KubectlError, Object, add_arguments

CHART = "helm/talkmill"
POLL_SECONDS = 20.0
LOG_LINES = 15
_NAMESPACE = "You may not make or change namespaces: CREATE_NAMESPACE=0, in a namespace that is there."
_CLUSTER = 'You may not read what belongs to the whole cluster: SET="--set clusterChecks=false".'
# What Helm says where nothing was made, and what helps.
REFUSALS = (
    (r'cannot (create|patch) resource "namespaces"', _NAMESPACE),
    (r'cannot (get|list) resource "(namespaces|nodes|runtimeclasses|storageclasses)"', _CLUSTER),
    (
        r"another operation .* is in progress",
        "An earlier deploy was cut off: `helm rollback` or `helm uninstall` first.",
    ),
)


@dataclass(frozen=True, slots=True)
class Helm:
    """Helm in a namespace.

    Attributes:
        program: Name or path.
        release: Its name.
        namespace: Where it is.
        context: Of the kubeconfig; its current one when empty.
        timeout: How long to wait, such as `30m`.
    """

    program: str
    release: str
    namespace: str
    context: str
    timeout: str

    def command(self, action: str, *words: str) -> list[str]:
        """Return a command line."""
        context = ["--kube-context", self.context] if self.context else []
        return [self.program, action, self.release, *context, "--namespace", self.namespace, *words]

    def history(self) -> list[Object]:
        """Return the release's revisions, the oldest first; none where there is no release."""
        done = subprocess.run(
            self.command("history", "--output", "json"), capture_output=True, text=True, check=False
        )  # fmt: skip
        revisions: list[Object] = json.loads(done.stdout or "[]") if done.returncode == 0 else []
        return revisions

    def roll_back(self, known: Sequence[Object]) -> str:
        """Return to what was before; says what was done."""
        good = [one["revision"] for one in known if one["status"] in ("deployed", "superseded")]
        if good:
            done = self._run("rollback", str(good[-1]), "--wait", "--timeout", self.timeout)
            return (
                f"Rolled back to revision {good[-1]}." if done else f"The rollback to revision {good[-1]} failed too."
            )
        done = self._run("uninstall", "--wait", "--timeout", self.timeout)
        return "The release was removed again; ROLLBACK=0 leaves it." if done else "The release could not be removed."

    def _run(self, action: str, *words: str) -> bool:
        command = self.command(action, *words)
        print("+", *command, flush=True)
        return subprocess.run(command, check=False).returncode == 0


class Watch:
    """Looks at the pods while Helm waits, and tells of each cause once it has been seen twice."""

    def __init__(self, kubectl: Kubectl, selector: str) -> None:
        """Create it; nothing is asked yet."""
        self._kubectl, self._selector = kubectl, selector
        self._told: set[tuple[str, str]] = set()
        self._before: set[tuple[str, str]] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_again, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _look_again(self) -> None:
        while not self._over.wait(POLL_SECONDS):
            try:
                causes = look(self._kubectl, self._selector)
            except KubectlError as error:
                print(f"waiting; the pods cannot be looked at: {error}", flush=True)
                continue
            now = {(one.subject, one.what) for one in causes}
            news = [one for one in causes if (one.subject, one.what) in (now & self._before) - self._told]
            self._told |= {(one.subject, one.what) for one in news}
            self._before = now
            for line in summary(news):
                print(f"waiting: {line}", flush=True)


def look(kubectl: Kubectl, selector: str) -> list[Cause]:
    """Return why pods of a release are not ready.

    Raises:
        KubectlError: The cluster does not answer.
    """
    return find_causes(kubectl.objects("pods", selector), kubectl.objects("events"), logs_of(kubectl))


def logs_of(kubectl: Kubectl) -> Any:
    """Return a reader of logs."""
    return lambda pod, container, previous: kubectl.last_lines(pod, container, LOG_LINES, previous)


def main(words: Sequence[str]) -> int:
    """Install or upgrade; returns the exit code."""
    chosen = _parser().parse_args(words)
    helm = Helm(chosen.helm, chosen.release, chosen.namespace, chosen.context, chosen.timeout)
    kubectl = Kubectl(chosen.namespace, chosen.context, chosen.kubectl)
    selector = f"app.kubernetes.io/instance={chosen.release}"
    known = helm.history()
    files = [word for file in chosen.values for word in ("--values", file)]
    create = ["--create-namespace"] if chosen.create_namespace else []
    command = helm.command(
        "upgrade", CHART, "--install", *create, *files, *chosen.rest, "--wait", "--timeout", helm.timeout
    )
    print("+", *command, flush=True)
    try:
        with Watch(kubectl, selector):
            code, said = _run(command)
    except KeyboardInterrupt:
        print("Interrupted; nothing was rolled back.", file=sys.stderr)
        return 130
    if code == 0:
        return 0
    if helm.history()[-1:] == known[-1:]:
        hints = [remedy for pattern, remedy in REFUSALS if re.search(pattern, said)]
        print("\n".join(["Nothing was changed.", *hints]), file=sys.stderr, flush=True)
        return code
    lines = _explain(kubectl, selector)
    lines.append(helm.roll_back(known) if chosen.rollback else "Nothing was rolled back (ROLLBACK=0).")
    print("\n".join(lines), file=sys.stderr, flush=True)
    return code


def _explain(kubectl: Kubectl, selector: str) -> list[str]:
    """Print what a rollback would erase, and return the causes."""
    try:
        pods, events = kubectl.objects("pods", selector), kubectl.objects("events")
    except KubectlError as error:
        return [f"Why cannot be said: {error}"]
    logs = logs_of(kubectl)
    for line in evidence(pods, events, logs):
        print(line, flush=True)
    return [
        "talkmill is not ready:",
        *(summary(find_causes(pods, events, logs)) or ["every pod is ready; Helm says why above"]),
    ]


def _run(command: Sequence[str]) -> tuple[int, str]:
    """Run Helm, show its errors as they come, and return them."""
    said = []
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None  # noqa: S101 - asked for above
        for line in process.stderr:
            print(line, end="", file=sys.stderr, flush=True)
            said.append(line)
    return process.returncode, "".join(said)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="deploy.install", description=__doc__)
    add_arguments(parser)
    parser.add_argument("--values", nargs="*", default=[], metavar="FILE")
    parser.add_argument("--timeout", default="30m")
    parser.add_argument("--helm", default="helm")
    parser.add_argument("--no-rollback", dest="rollback", action="store_false")
    parser.add_argument("--no-create-namespace", dest="create_namespace", action="store_false")
    parser.add_argument("rest", nargs="*", help="options of `helm upgrade`, behind --")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
