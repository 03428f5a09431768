"""The chart's policies at a real MinIO: what each credential may do, and what it may not."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.cluster import free_port
from orchestrator import server, store_roles
from talkmill.artifacts.s3 import S3Store
from talkmill.serving.settings import StoreSettings
from talkmill.serving.stores import store_client
from tests.helm.chart import named, objects
from tests.servers import is_ready, running_minio, running_process, store_environment, wait_until

ROLES = ("models", "orchestrator", "pack", "stages")
WORK, SETS, MODELS = "talkmill-work", "talkmill-datasets", "talkmill-models"
SET = "runs/r1/pack/abc/data.mdb"


def role_folder(folder: Path) -> Path:
    """The volume of the Job: the rendered policies, and a credential for each role."""
    policies = named(objects("minimal"), "ConfigMap", "talkmill-store-policies")["data"]
    for role in ROLES:
        (folder / role).mkdir(parents=True)
        (folder / role / "policy.json").write_text(policies[f"{role}.json"])
        (folder / role / "access-key").write_text(f"talkmill-{role}")
        (folder / role / "secret-key").write_text(f"secret-of-{role}-0123456789")
    return folder


def of_role(settings: StoreSettings, role: str, secret: str = "") -> StoreSettings:
    change = {"access_key": f"talkmill-{role}", "secret_key": secret or f"secret-of-{role}-0123456789"}
    return StoreSettings.model_validate(settings.model_dump() | change | {"retry_seconds": 0})


def store_of(settings: StoreSettings) -> S3Store:
    return S3Store(store_client(settings), [WORK, SETS, MODELS], 0)


@pytest.fixture(scope="module")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreSettings]:
    folder = tmp_path_factory.mktemp("roles")
    with running_minio(folder / "minio") as settings:
        store_roles.make_users(settings, store_roles.read_roles(role_folder(folder / "roles")))
        # As at a first start: nobody but those whom it belongs to makes a bucket.
        server._buckets(store_of(of_role(settings, "orchestrator")), of_role(settings, "orchestrator"))
        store_of(of_role(settings, "models")).ensure_bucket(MODELS, {})
        root = store_of(settings)
        for bucket, key in ((WORK, "split/a"), (WORK, "uploads/s/v.mp4"), (SETS, SET), (MODELS, "m/model.json")):
            root.write(bucket, key, b"before")
        yield settings


@pytest.fixture(scope="module")
def role(minio: StoreSettings) -> Callable[[str], S3Store]:
    return lambda name: store_of(of_role(minio, name))


def job(settings: StoreSettings, folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "orchestrator.store_roles", str(folder), *words]
    environment = os.environ | store_environment(settings)
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def may(call: Callable[[], object]) -> bool:
    try:
        call()
    except PermissionError:
        return False
    return True


# bucket, key, who reads it, who writes it, who removes it.
RULES = [
    (WORK, "split/a", {"orchestrator", "pack", "stages"}, {"orchestrator", "stages"}, {"orchestrator"}),
    (WORK, "uploads/s/v.mp4", {"orchestrator", "pack", "stages"}, {"orchestrator"}, {"orchestrator"}),
    (SETS, SET, {"orchestrator", "pack"}, {"pack"}, {"orchestrator"}),
    (SETS, "runs/r1/report.json", {"orchestrator"}, {"orchestrator"}, {"orchestrator"}),
    (MODELS, "m/model.json", {"models", "stages"}, {"models"}, set()),
]


@pytest.mark.parametrize(("bucket", "key", "readers", "writers", "removers"), RULES)
def test_each_role_may_do_what_it_needs_and_no_more(
    minio: StoreSettings, role: Callable[[str], S3Store], bucket: str, key: str,
    readers: set[str], writers: set[str], removers: set[str],
) -> None:  # fmt: skip
    store_of(minio).write(bucket, key, b"before")
    assert {name for name in ROLES if may(lambda name=name: role(name).read(bucket, key))} == readers
    assert {name for name in ROLES if may(lambda name=name: role(name).write(bucket, key, b"after"))} == writers
    for name in ROLES:
        store_of(minio).write(bucket, key, b"before")
        assert may(lambda name=name: role(name).remove_key(bucket, key)) == (name in removers), name


def test_what_is_not_there_is_missing_and_not_forbidden(role: Callable[[str], S3Store]) -> None:
    """The pipeline asks for manifests that may not be there."""
    for name, bucket in (
        ("stages", WORK), ("pack", WORK), ("orchestrator", WORK), ("orchestrator", SETS), ("models", MODELS),
        ("stages", MODELS),
    ):  # fmt: skip
        assert role(name).read(bucket, "runs/r1/pack/nothing") is None
    assert role("pack").read(SETS, "runs/r1/pack/nothing") is None


def test_large_files_go_in_parts_with_the_credential_of_their_role(
    role: Callable[[str], S3Store], tmp_path: Path
) -> None:
    for name, bucket, key in (("stages", WORK, "crop/large"), ("pack", SETS, "runs/r2/pack/d/data.mdb")):
        path = tmp_path / name
        with path.open("wb") as file:
            file.truncate(65 << 20)
        artifact = role(name).put(path, bucket, key, "application/octet-stream")
        assert role("orchestrator").has(artifact)


def test_the_orchestrator_copies_previews_beside_the_set(role: Callable[[str], S3Store], tmp_path: Path) -> None:
    path = tmp_path / "preview.jpg"
    path.write_bytes(b"picture")
    artifact = role("stages").put(path, WORK, "fine_fit/p/preview.jpg", "image/jpeg")
    copy = role("orchestrator").copy(artifact, SETS, "runs/r1/preview/a.jpg")
    assert role("orchestrator").has(copy)


def test_the_job_says_again_what_a_role_may_do(minio: StoreSettings, tmp_path: Path) -> None:
    """Another secret and another policy take the place of the old ones."""
    folder = role_folder(tmp_path / "roles")
    (folder / "models" / "secret-key").write_text("another-secret-0123456789")
    nothing = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": [f"arn:aws:s3:::{MODELS}"]}]}  # fmt: skip
    (folder / "models" / "policy.json").write_text(json.dumps(nothing))
    assert job(minio, folder).returncode == 0
    again = store_of(of_role(minio, "models", "another-secret-0123456789"))
    assert not may(lambda: again.read(MODELS, "m/model.json"))
    assert not may(lambda: store_of(of_role(minio, "models")).read(MODELS, "m/model.json"))
    folder = role_folder(tmp_path / "before")
    assert job(minio, folder).returncode == 0
    assert may(lambda: store_of(of_role(minio, "models")).read(MODELS, "m/model.json"))


def test_a_store_that_does_not_answer_is_waited_for_and_then_named(tmp_path: Path) -> None:
    nowhere = StoreSettings(endpoint="127.0.0.1:1", access_key="talkmill", secret_key="secret")
    done = job(nowhere, role_folder(tmp_path), "--patience", "1")
    assert done.returncode == 1
    first, last = done.stdout.splitlines()
    assert "trying again" in first
    assert "the store's users are not made\"" in last
    assert "127.0.0.1" in last


def test_a_stage_is_not_ready_before_the_store_knows_its_credential(tmp_path: Path) -> None:
    """In an upgrade that changes credentials, new pods start before the Job has told the store."""
    port = free_port()
    with running_minio(tmp_path / "minio") as settings:
        environment = store_environment(of_role(settings, "pack")) | {
            "TALKMILL_LISTEN__PORT": str(port), "TALKMILL_LISTEN__METRICS_PORT": "0",
            "TALKMILL_SCRATCH": str(tmp_path / "scratch"),
        }  # fmt: skip
        log = tmp_path / "log"
        with running_process(["services", "pack"], log, environment) as process:
            wait_until(lambda: log.read_text().count("refuses the credential; trying again") >= 2, 60, "it is refused")
            assert not is_ready(port)
            store_roles.make_users(settings, store_roles.read_roles(role_folder(tmp_path / "roles")))
            wait_until(lambda: is_ready(port), 30, "the stage is ready")
            process.terminate()
            assert process.wait(30) == 0
        environment |= store_environment(of_role(settings, "pack", "not-what-the-store-knows"))
        with running_process(["services", "pack"], log, environment) as process:
            wait_until(lambda: "refuses the credential; trying again" in log.read_text(), 60, "it is refused")
            process.terminate()
            assert process.wait(30) == 0, "it ends when it is told, ready or not"
            assert not is_ready(port)


def test_the_orchestrator_waits_for_a_credential_that_the_store_does_not_know_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "REFUSED_SECONDS", 0.05)
    with running_minio(tmp_path / "minio") as settings:
        own = of_role(settings, "orchestrator")
        with pytest.raises(OSError, match=f"{settings.endpoint}: .*refuses: AccessDenied"):
            server._buckets(store_of(own), own)
        patient = own.model_copy(update={"retry_seconds": 30.0})
        refused = 0

        class Store(S3Store):
            def ensure_bucket(self, bucket: str, expire_days: dict[str, int]) -> None:
                nonlocal refused
                try:
                    super().ensure_bucket(bucket, expire_days)
                except PermissionError:
                    refused += 1
                    if refused == 2:
                        store_roles.make_users(settings, store_roles.read_roles(role_folder(tmp_path / "roles")))
                    raise

        server._buckets(Store(store_client(own), [WORK, SETS], 0), patient)
        assert refused == 2
        assert may(lambda: store_of(own).read(SETS, "runs/x"))
