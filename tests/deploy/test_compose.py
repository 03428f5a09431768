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
from orchestrator.settings import OrchestratorSettings, StoreRolesSettings
from orchestrator.store_roles import read_roles
from services.download.settings import DownloadSettings
from services.settings import StageServerSettings
from talkmill.pipeline.graph import GRAPH
from tests.helm.chart import named, objects
from tests.helm.test_chart import OPENTELEMETRY, knows

COMPOSE = Path(__file__).parents[2] / "deploy" / "compose"
NAMES = [entry.name for entry in GRAPH]
SERVERS = {"minio", "postgres", "prometheus", "grafana"}
PASSWORDS = {name: f"value-of-{name}" for name in secrets.PASSWORDS}
ROLES = {**dict.fromkeys(NAMES, "stages"), "pack": "pack", "orchestrator": "orchestrator"}


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
    assert set(services) == {*NAMES, *SERVERS, "orchestrator", "model-fetch", "store-roles"}
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
    for name in (*NAMES, "orchestrator"):
        settings = {"orchestrator": OrchestratorSettings, "download": DownloadSettings}.get(name, StageServerSettings)
        for variable in services[name]["environment"]:
            if variable in OPENTELEMETRY:
                continue
            if (name, variable) != ("orchestrator", "TALKMILL_EXECUTION_PROVIDER"):
                assert knows(settings, variable.removeprefix("TALKMILL_")), f"{name}: {variable}"


def test_each_service_has_the_credential_of_its_role(services: dict[str, Any]) -> None:
    """As in the chart: MinIO and what makes its users have the root credential, and nothing else."""
    for name, role in ROLES.items():
        variables = services[name]["environment"]
        assert variables["TALKMILL_STORE__ACCESS_KEY"] == f"talkmill-{role}"
        assert variables["TALKMILL_STORE__SECRET_KEY"] == PASSWORDS[f"STORE_{role.upper()}_SECRET"]
        assert services[name]["depends_on"]["store-roles"] == {"condition": "service_completed_successfully"}
    for password in secrets.PASSWORDS:
        holders = {name for name, service in services.items() if PASSWORDS[password] in json.dumps(service)}
        expected = {
            "MINIO_PASSWORD": {"minio", "store-roles"},
            "POSTGRES_PASSWORD": {"postgres", "orchestrator"},
            "GRAFANA_PASSWORD": {"grafana"},
        } | {
            f"STORE_{role.upper()}_SECRET": {name for name, one in ROLES.items() if one == role}
            for role in secrets.ROLES
        }
        assert holders == expected[password], password


def test_roles_may_do_what_the_chart_lets_them() -> None:
    rendered = named(objects("minimal"), "ConfigMap", "talkmill-store-policies")["data"]
    assert set(secrets.ROLES) == set(ROLES.values())
    for role in secrets.ROLES:
        policy = json.loads((secrets.POLICIES / f"{role}.json").read_text())
        assert policy == json.loads(rendered[f"{role}.json"]), f"write into {role}.json what the chart says"


def test_the_roles_are_made_of_what_the_services_are_given(services: dict[str, Any], tmp_path: Path) -> None:
    secrets.write(tmp_path)
    passwords = dict(line.split("=", 1) for line in (tmp_path / ".env").read_text().splitlines())
    roles = {role.name: role for role in read_roles(tmp_path / ".secrets/store")}
    assert set(roles) == set(secrets.ROLES)
    for name, role in roles.items():
        assert (role.access_key, role.secret_key) == (f"talkmill-{name}", passwords[f"STORE_{name.upper()}_SECRET"])
    job = services["store-roles"]
    assert job["volumes"][0].startswith("./.secrets/store:") and job["volumes"][0].endswith(":ro")
    assert job["command"][0] == job["volumes"][0].split(":")[1]
    assert knows(StoreRolesSettings, "STORE__ENDPOINT")


def test_passwords_of_an_older_version_stay_and_new_ones_are_added(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MINIO_PASSWORD=old\nMINE=kept\n")
    secrets.write(tmp_path)
    lines = (tmp_path / ".env").read_text().splitlines()
    assert lines[:2] == ["MINIO_PASSWORD=old", "MINE=kept"]
    assert {line.partition("=")[0] for line in lines} == {*secrets.PASSWORDS, "MINE"}


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
    # What lies below is mounted into a container of another user.
    assert stat.S_IMODE((tmp_path / ".secrets").stat().st_mode) == 0o700
    for path in (tmp_path / ".secrets/store").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o755 if path.is_dir() else 0o644)
    assert token.read_text() not in (tmp_path / ".secrets/tokens.yaml").read_text()
    assert set(secrets.PASSWORDS) == {line.partition("=")[0] for line in (tmp_path / ".env").read_text().splitlines()}
