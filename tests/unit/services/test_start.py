"""What a stage's server says when it cannot start."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def test_an_execution_provider_that_is_not_installed_ends_the_server_with_one_line(tmp_path: Path) -> None:
    environment = os.environ | {
        "TALKMILL_EXECUTION_PROVIDER": "tensorrt",
        "TALKMILL_SCRATCH": str(tmp_path),
        "TALKMILL_LISTEN__PORT": "0",
        "TALKMILL_LISTEN__METRICS_PORT": "0",
    }
    command = [sys.executable, "-m", "services", "matting"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["event"] == "the server cannot start"
    assert "'tensorrt' is not installed, there is" in last["error"]


@pytest.mark.parametrize("program", [["services", "pack"], ["orchestrator"]])
def test_traces_that_cannot_be_sent_as_asked_end_the_server_with_one_line(tmp_path: Path, program: list[str]) -> None:
    environment = os.environ | {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "TALKMILL_SCRATCH": str(tmp_path),
        "TALKMILL_DATABASE_URL": f"sqlite:///{tmp_path}/orchestrator.sqlite",
    }
    command = [sys.executable, "-m", *program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["event"].endswith("cannot start")
    assert "OTEL_EXPORTER_OTLP_PROTOCOL: traces are sent by grpc alone, not http/protobuf" in last["error"]
