"""`make connect`: forwards the orchestrator's and the trial store's ports to this machine until Ctrl-C.

A forward ends when its pod does, as in an upgrade: it is started again. Needs nothing but Python.
"""

import argparse
import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from deploy.kubectl import Kubectl, KubectlError, add_arguments

# Name of a Service's port to the port of this machine; the store's addresses are signed for it.
PORTS = {"grpc": 50051, "s3": 9000}
PAUSE_SECONDS = 1.0


def services(kubectl: Kubectl, release: str) -> dict[str, int]:
    """Return the Services that clients call, and their ports.

    Raises:
        KubectlError: The cluster does not answer, or has no such release.
    """
    found = {}
    for component in ("orchestrator", "minio"):
        selector = f"app.kubernetes.io/instance={release},app.kubernetes.io/component={component}"
        for one in kubectl.objects("services", selector):
            for port in one["spec"]["ports"]:
                if port["name"] in PORTS:
                    found[one["metadata"]["name"]] = PORTS[port["name"]]
    if not found:
        raise KubectlError(f"namespace {kubectl.namespace} has no release {release}")
    return found


def forward(kubectl: Kubectl, ports: dict[str, int]) -> None:
    """Keep a forward of each Service going until the process is told to end."""
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        while True:
            for service, port in ports.items():
                old = running.get(service)
                if old is not None and old.poll() is None:
                    continue
                if old is not None:
                    print(f"the forward of {service} ended; it is started again", flush=True)
                running[service] = subprocess.Popen(
                    kubectl.command("port-forward", f"service/{service}", f"{port}:{port}")
                )
            time.sleep(PAUSE_SECONDS)
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.wait()


def main(words: Sequence[str]) -> int:
    """Forward until Ctrl-C; returns the exit code."""
    parser = argparse.ArgumentParser(prog="deploy.connect", description=__doc__)
    add_arguments(parser)
    chosen = parser.parse_args(words)
    kubectl = Kubectl(chosen.namespace, chosen.context, chosen.kubectl)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        ports = services(kubectl, chosen.release)
        print("export TALKMILL_SERVER=127.0.0.1:50051", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            forward(kubectl, ports)
    except KubectlError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
