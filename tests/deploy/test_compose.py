"""The compose project: complete, confined, on loopback, and made of settings that exist."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.compose import secrets
from deploy.images import images
from orchestrator.settings import OrchestratorSettings
from services.download.settings import DownloadSettings
from services.settings import StageServerSettings
from talkmill.pipeline.graph import GRAPH

COMPOSE = Path(__file__).parents[2] / "deploy" / "compose"
NAMES = [entry.name for entry in GRAPH]
SERVERS = {"minio", "postgres", "prometheus", "grafana"}
PASSWORDS = dict.fromkeys(secrets.PASSWORDS, "x")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return configured("compose.yaml")


def configured(*files: str) -> dict[str, Any]:
    if shutil.which("podman") is None:
        pytest.skip("podman is not installed: podman-compose asks for it")
    program = Path(sys.executable).with_name("podman-compose")
    words = [word for file in files for word in ("--file", file)]
    done = subprocess.run(
        [program, *words, "config"], cwd=COMPOSE, env=os.environ | PASSWORDS, capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = yaml.safe_load(done.stdout)["services"]
    return found


def test_every_stage_is_a_service(services: dict[str, Any]) -> None:
    assert set(services) == {*NAMES, *SERVERS, "orchestrator", "model-fetch"}
    tags = {image.stage: image.tag for image in images() if image.extra != "cuda"}
    for name in (*NAMES, "orchestrator"):
        assert services[name]["image"] == tags[name]
    assert services["model-fetch"]["image"] == tags["model_fetch"]


def test_the_orchestrator_calls_every_stage(services: dict[str, Any]) -> None:
    targets = json.loads(services["orchestrator"]["environment"]["TALKMILL_STAGE_TARGETS"])
    assert targets == {name: f"dns:///{name}:50051" for name in NAMES}


def test_every_named_volume_is_declared_and_used(services: dict[str, Any]) -> None:
    project = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
    named = {
        str(volume).partition(":")[0]
        for service in project["services"].values()
        for volume in service.get("volumes", [])
    }
    assert set(project["volumes"]) == {name for name in named if not name.startswith(".")}


def test_a_gpu_is_given_to_the_networks() -> None:
    found = configured("compose.yaml", "compose.gpu.yaml")
    tags = {image.stage: image.tag for image in images() if image.extra == "cuda"}
    for name in NAMES:
        with_gpu = name in tags
        assert (found[name]["image"] == tags.get(name)) == with_gpu
        assert ("deploy" in found[name]) == with_gpu
        provider = found[name]["environment"]["TALKMILL_EXECUTION_PROVIDER"]
        assert provider == ("cuda" if with_gpu else "cpu")


def test_everything_is_confined_and_on_loopback(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        for port in service.get("ports", []):
            assert str(port).startswith("127.0.0.1:"), name


def test_stages_have_no_way_out(services: dict[str, Any]) -> None:
    project = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
    assert project["networks"]["inside"]["internal"] is True
    outside = {name for name in (*NAMES, "model-fetch") if "outside" in services[name]["networks"]}
    assert outside == {"download", "model-fetch"}


def test_every_variable_is_a_setting(services: dict[str, Any]) -> None:
    from tests.helm.test_chart import OPENTELEMETRY, knows

    for name in (*NAMES, "orchestrator"):
        settings = {"orchestrator": OrchestratorSettings, "download": DownloadSettings}.get(name, StageServerSettings)
        for variable in services[name]["environment"]:
            if variable in OPENTELEMETRY:
                continue
            if (name, variable) != ("orchestrator", "TALKMILL_EXECUTION_PROVIDER"):
                assert knows(settings, variable.removeprefix("TALKMILL_")), f"{name}: {variable}"


def test_traces_are_off_unless_the_shell_says_where_to(monkeypatch: pytest.MonkeyPatch) -> None:
    for endpoint in ("", "http://collector:4317"):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        found = configured("compose.yaml")
        told = {name: found[name]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"] for name in (*NAMES, "orchestrator")}
        assert {value or "" for value in told.values()} == {endpoint}


def test_secrets_are_made_once_and_are_private(tmp_path: Path) -> None:
    token = secrets.write(tmp_path)
    before = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    secrets.write(tmp_path)
    assert {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert stat.S_IMODE(token.stat().st_mode) == stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / ".secrets").stat().st_mode) == 0o700
    assert token.read_text() not in (tmp_path / ".secrets/tokens.yaml").read_text()
    assert set(secrets.PASSWORDS) == {line.partition("=")[0] for line in (tmp_path / ".env").read_text().splitlines()}
