"""Settings that are wrong end a server with one line that names the variable and says what is wanted."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.settings import OrchestratorSettings

MARK = "MaRkEdSeCrEt"


def read(monkeypatch: pytest.MonkeyPatch, **variables: str) -> OrchestratorSettings:
    from talkmill.serving.settings import read_settings

    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return read_settings(OrchestratorSettings)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("TALKMILL_STAGE_TARGETS", "{'matting': 'x'}", "TALKMILL_STAGE_TARGETS: JSON is wanted"),
        ("TALKMILL_STAGE_TARGETS", MARK, "TALKMILL_STAGE_TARGETS: JSON is wanted"),
        ("TALKMILL_STAGE_TARGETS", '{"mating": "x"}', "TALKMILL_STAGE_TARGETS: 'mating' is not a stage; is it matting?"),
        ("TALKMILL_STAGE_TARGETS", '{"": "x"}', "TALKMILL_STAGE_TARGETS: '' is not a stage"),
        ("TALKMILL_STAGE_TARGETS", '{"matting": ""}', "TALKMILL_STAGE_TARGETS: matting: a gRPC target"),
        ("TALKMILL_STAGE_TARGETS", '{"matting": "http://m:1"}', "TALKMILL_STAGE_TARGETS: matting: a gRPC target"),
        ("TALKMILL_STAGE_CONCURRENCY", '{"mating": 2}', "TALKMILL_STAGE_CONCURRENCY: 'mating' is not a stage"),
        ("TALKMILL_STAGE_CONCURRENCY", "4", "TALKMILL_STAGE_CONCURRENCY: Input should be a valid dictionary"),
        ("TALKMILL_STORE", "{", "TALKMILL_STORE: JSON is wanted"),
        ("TALKMILL_STORE__ENDPOINT", f"http://{MARK}@minio:9000", "TALKMILL_STORE__ENDPOINT: host:port is wanted"),
        ("TALKMILL_STORE__ENDPOINT", "minio:9000/bucket", "TALKMILL_STORE__ENDPOINT: host:port is wanted"),
        ("TALKMILL_STORE__ENDPOINT", "", "TALKMILL_STORE__ENDPOINT: String should have at least 1"),
        ("TALKMILL_STORE__PUBLIC_ENDPOINT", "https://minio", "TALKMILL_STORE__PUBLIC_ENDPOINT: host:port is wanted"),
        ("TALKMILL_STORE__WORK_BUCKET", "", "TALKMILL_STORE__WORK_BUCKET: String should match"),
        ("TALKMILL_STORE__DATASET_BUCKET", "My_Bucket", "TALKMILL_STORE__DATASET_BUCKET: String should match"),
        ("TALKMILL_STORE__DATASET_BUCKET", "talkmill-work", "TALKMILL_STORE: the buckets of work, of data sets and of"),
        ("TALKMILL_DATABASE_URL", "", "TALKMILL_DATABASE_URL: postgresql+psycopg://USER:PASSWORD@HOST/NAME"),
        ("TALKMILL_DATABASE_URL", f"mysql://u:{MARK}@h/n", "TALKMILL_DATABASE_URL: postgresql+psycopg://USER:"),
        ("TALKMILL_DATABASE_URL", f"postgresql+asyncpg://u:{MARK}@h/n", "TALKMILL_DATABASE_URL: postgresql+psycopg"),
        ("TALKMILL_DATABASE_URL", f"postgresql://u:a@{MARK}@h/n", "TALKMILL_DATABASE_URL: postgresql+psycopg://USER:"),
        ("TALKMILL_DATABASE_URL", f"postgresql://u:p@h:{MARK}/n", "TALKMILL_DATABASE_URL: postgresql+psycopg://USER:"),
        ("TALKMILL_LISTEN__ADDRESS", "0.0.0.0", "listening on 0.0.0.0 needs TALKMILL_TLS__CERTIFICATE"),
        ("TALKMILL_STAGE_TLS__CERTIFICATE", "a.pem", "TALKMILL_STAGE_TLS: certificate and key come together"),
        ("TALKMILL_TLS__KEY", "a.pem", "TALKMILL_TLS: certificate and key come together"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(name: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit) as caught:
        read(monkeypatch, **{name: value})
    assert str(caught.value).startswith(told)
    assert "\n" not in str(caught.value)
    assert MARK not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgresql+psycopg", "postgresql", "postgres"])
def test_addresses_of_postgres_as_others_write_them_are_taken(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(monkeypatch, TALKMILL_DATABASE_URL=f"{scheme}://u:p%40@h:5432/n?sslmode=require")
    assert found.database_url.get_secret_value() == "postgresql+psycopg://u:p%40@h:5432/n?sslmode=require"


def test_a_target_that_is_left_out_keeps_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(monkeypatch, TALKMILL_STAGE_TARGETS='{"matting": "dns:///m:1"}').stage_targets
    assert found["matting"] == "dns:///m:1"
    assert found["download"] == "dns:///localhost:50052"


@pytest.mark.parametrize("program", [["services", "pack"], ["orchestrator"]])
def test_a_misspelt_variable_is_told_at_the_start(program: list[str], tmp_path: Path) -> None:
    environment = os.environ | {
        "TALKMILL_TOKEN_FILE": MARK,
        "TALKMILL_TLS__CERTIFICATE": str(tmp_path / "absent"),
        "TALKMILL_TLS__KEY": str(tmp_path / "absent"),
        "TALKMILL_SCRATCH": str(tmp_path),
        "TALKMILL_DATABASE_URL": f"sqlite:///{tmp_path}/orchestrator.sqlite",
    }
    command = [sys.executable, "-m", *program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    (warning, end) = [json.loads(line) for line in done.stdout.splitlines() if '"info"' not in line]
    assert (warning["variable"], warning["nearest"]) == ("TALKMILL_TOKEN_FILE", "TALKMILL_TOKENS_FILE")
    assert "TALKMILL_TLS__CERTIFICATE" in end["error"]
    assert MARK not in done.stdout + done.stderr
