"""Models by way of a bucket of a real MinIO."""

import json
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
