"""kubectl, and what it says of a release. Needs nothing but Python: who deploys has no environment of the project."""

import argparse
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which release of which cluster is meant."""
    parser.add_argument("--release", default="talkmill")
    parser.add_argument("--namespace", default="talkmill")
    parser.add_argument("--context", default="")
    parser.add_argument("--kubectl", default="kubectl")


class KubectlError(RuntimeError):
    """kubectl is missing, or the cluster does not answer; the message says which."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """A namespace of a cluster.

    Attributes:
        namespace: Of the release.
        context: Of the kubeconfig; its current one when empty.
        program: Name or path.
    """

    namespace: str
    context: str = ""
    program: str = "kubectl"

    def command(self, *words: str) -> list[str]:
        """Return a command line."""
        context = ["--context", self.context] if self.context else []
        return [self.program, *context, "--namespace", self.namespace, *words]

    def text(self, *words: str) -> str:
        """Run it and return its output.

        Raises:
            KubectlError: It failed.
        """
        try:
            done = subprocess.run(self.command(*words), capture_output=True, text=True, check=False, timeout=60)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise KubectlError(f"{self.program}: {error}") from error
        if done.returncode:
            raise KubectlError(done.stderr.strip() or f"{self.program} ended with {done.returncode}")
        return done.stdout

    def objects(self, kinds: str, selector: str = "") -> list[Object]:
        """Return objects, such as those of `pods`.

        Raises:
            KubectlError: They cannot be read.
        """
        chosen = ["--selector", selector] if selector else []
        items: list[Object] = json.loads(self.text("get", kinds, *chosen, "--output", "json"))["items"]
        return items

    def last_lines(self, pod: str, container: str, count: int, previous: bool = False) -> Sequence[str]:
        """Return the last lines that a container logged; none where there is no log."""
        words = ["logs", pod, "--container", container, f"--tail={count}", *(["--previous"] if previous else [])]
        try:
            return [line for line in self.text(*words).splitlines() if line.strip()]
        except KubectlError:
            return []
