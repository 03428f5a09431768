"""`make connect`: the ports of a release on this machine, through the end of their pods. kubectl is made up."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deploy import connect
from deploy.kubectl import Kubectl, KubectlError
from tests.helm.chart import objects
from tests.servers import wait_until

ROOT = Path(__file__).parents[2]
# Answers with the Services of the chart; a forward ends at once the first time, and is kept the second time.
KUBECTL = """#!/bin/sh
echo "$@" >> {folder}/asked
case "$*" in
  *"get services"*component=orchestrator*) cat {folder}/orchestrator ;;
  *"get services"*component=minio*) cat {folder}/minio ;;
  *port-forward*) name=$(echo "$*" | sed 's/.*service.\\([a-z-]*\\).*/\\1/'); test -f {folder}/$name.once || {{ touch {folder}/$name.once; exit 1; }}
     exec sleep 600 ;;
esac
"""


@pytest.fixture
def kubectl(tmp_path: Path) -> Path:
    services = [one for one in objects("minimal") if one["kind"] == "Service"]
    for component in ("orchestrator", "minio"):
        items = [one for one in services if one["metadata"]["labels"]["app.kubernetes.io/component"] == component]
        (tmp_path / component).write_text(json.dumps({"items": items}))
    program = tmp_path / "kubectl"
    program.write_text(KUBECTL.format(folder=tmp_path))
    program.chmod(0o755)
    return program


def asked(kubectl: Path) -> list[str]:
    file = kubectl.parent / "asked"
    return file.read_text().splitlines() if file.exists() else []


def test_forwards_are_started_again_and_end_with_the_command(kubectl: Path) -> None:
    process = subprocess.Popen(
        ["make", "connect", f"KUBECTL={kubectl}", "NAMESPACE=there", "CONTEXT=here", f"PYTHON={sys.executable}"],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        forwards = "--context here --namespace there port-forward service/talkmill-"
        wait_until(lambda: len([one for one in asked(kubectl) if "port-forward" in one]) == 4, 30, "forwards are back")
        said = [one for one in asked(kubectl) if "port-forward" in one]
        assert sorted(said) == sorted(2 * [f"{forwards}orchestrator 50051:50051", f"{forwards}minio 9000:9000"])
    finally:
        os.killpg(process.pid, signal.SIGINT)
        output = process.communicate(timeout=30)[0]
    assert "export TALKMILL_SERVER=127.0.0.1:50051" in output
    assert "the forward of talkmill-minio ended; it is started again" in output


def test_a_release_that_is_not_there_is_named(kubectl: Path) -> None:
    for component in ("orchestrator", "minio"):
        (kubectl.parent / component).write_text('{"items": []}')
    with pytest.raises(KubectlError, match="namespace there has no release ours"):
        connect.services(Kubectl("there", "", str(kubectl)), "ours")


def test_a_kubectl_that_is_missing_is_named() -> None:
    with pytest.raises(KubectlError, match="no-such-kubectl"):
        connect.services(Kubectl("there", "", "no-such-kubectl"), "ours")
