"""What the pipeline asks of a store, on a folder and on a real MinIO server."""

import hashlib
import os
import re
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
import urllib3

from talkmill.artifacts.artifact import Artifact, sha256_of
from talkmill.artifacts.local import LocalStore
from talkmill.artifacts.s3 import PART_BYTES, S3Store, connect, presign_get, presign_put
from talkmill.artifacts.store import CorruptArtifactError, MissingArtifactError, Store, StoreUnavailableError
from talkmill.serving.settings import StoreSettings

BUCKET = "work-bucket"


def s3_store(settings: StoreSettings, **options: object) -> S3Store:
    client = connect(
        settings.endpoint, settings.access_key, settings.secret_key.get_secret_value(), False, settings.region, None
    )
    return S3Store(client, (BUCKET,), settings.retry_seconds, **options)


@pytest.fixture(params=["folder", "minio"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return LocalStore({BUCKET: tmp_path / "store"})
    store = s3_store(request.getfixturevalue("store_settings"))
    store.ensure_bucket(BUCKET, {})
    return store


@pytest.fixture
def key() -> str:
    return f"{uuid.uuid4().hex}/object.bin"


def a_file(folder: Path, content: bytes = b"content") -> Path:
    path = folder / f"{uuid.uuid4().hex}.bin"
    path.write_bytes(content)
    return path


def test_what_is_put_is_fetched(store: Store, tmp_path: Path, key: str) -> None:
    path = a_file(tmp_path)
    artifact = store.put(path, BUCKET, key, "text/plain")
    assert artifact == Artifact(BUCKET, key, artifact.sha256, 7, "text/plain")
    assert not path.exists()
    assert store.has(artifact)
    assert store.fetch(artifact, tmp_path / "copies").read_bytes() == b"content"
    # A second time, perhaps from the copy.
    assert store.fetch(artifact, tmp_path / "copies").read_bytes() == b"content"


def test_an_empty_object_is_an_object(store: Store, tmp_path: Path, key: str) -> None:
    artifact = store.put(a_file(tmp_path, b""), BUCKET, key, "text/plain")
    assert store.has(artifact)
    assert store.fetch(artifact, tmp_path / "copies").read_bytes() == b""


def test_what_is_not_there_is_said_so(store: Store, tmp_path: Path, key: str) -> None:
    absent = Artifact(BUCKET, key, "0" * 64, 1, "text/plain")
    assert not store.has(absent)
    assert store.read(BUCKET, key) is None
    store.remove_key(absent.bucket, absent.key)
    with pytest.raises(MissingArtifactError) as caught:
        store.fetch(absent, tmp_path / "copies")
    assert caught.value.artifact == absent


def test_small_objects_are_written_over(store: Store, key: str) -> None:
    store.write(BUCKET, key, b"first")
    store.write(BUCKET, key, b"second")
    assert store.read(BUCKET, key) == b"second"


def test_other_content_is_found_out(store: Store, tmp_path: Path, key: str) -> None:
    artifact = store.put(a_file(tmp_path), BUCKET, key, "text/plain")
    for content, told in {
        b"CONTENT": "has the 7 bytes that were announced and another content: sha256 "
        f"{hashlib.sha256(b'CONTENT').hexdigest()[:12]}... in place of {artifact.sha256[:12]}...",
        b"conten": "has 6 bytes, 7 were announced",
        b"content, and more": "has more than the 7 bytes that were announced",
        # More than is read at a time: nothing of it was hashed.
        b"x" * (3 << 20): "has more than the 7 bytes that were announced",
    }.items():
        store.write(BUCKET, key, content)
        assert not store.has(artifact)
        with pytest.raises(CorruptArtifactError, match=re.escape(told)):
            store.fetch(artifact, tmp_path / "copies")


def test_a_removed_object_is_gone(store: Store, tmp_path: Path, key: str) -> None:
    artifact = store.put(a_file(tmp_path), BUCKET, key, "text/plain")
    store.remove_key(artifact.bucket, artifact.key)
    assert not store.has(artifact)


def test_other_buckets_are_refused(store: Store, key: str) -> None:
    with pytest.raises(ValueError, match="bucket"):
        store.read("another-bucket", key)


def test_a_large_file_goes_in_parts(store_settings: StoreSettings, tmp_path: Path, key: str) -> None:
    moved: dict[str, int] = {}
    store = s3_store(store_settings, transferred=lambda way, size: moved.__setitem__(way, size))
    store.ensure_bucket(BUCKET, {})
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.write(os.urandom(1 << 20))
        file.truncate(PART_BYTES + (3 << 20))
    digest = sha256_of(path)
    artifact = store.put(path, BUCKET, key, "application/octet-stream")
    assert artifact.sha256 == digest
    assert sha256_of(store.fetch(artifact, tmp_path)) == digest
    assert moved == {"upload": artifact.size_bytes, "download": artifact.size_bytes}
    # The ETag of an upload in parts counts them.
    assert store._client.stat_object(BUCKET, key).etag.endswith("-2")


def test_an_upload_that_breaks_leaves_nothing(
    store_settings: StoreSettings, tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = s3_store(store_settings)
    store.ensure_bucket(BUCKET, {})
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.truncate(PART_BYTES + 1)

    def broken(*arguments: object, **options: object) -> object:
        raise OSError("the disk broke")

    monkeypatch.setattr(store._client, "_upload_part", broken)
    with pytest.raises(OSError, match="broke"):
        store.put(path, BUCKET, key, "application/octet-stream")
    assert list(store.list_keys(BUCKET, key)) == []
    assert not store._client._list_multipart_uploads(BUCKET, prefix=key).uploads


def test_a_bucket_that_is_missing_is_the_stores_trouble(store_settings: StoreSettings, tmp_path: Path) -> None:
    missing = "talkmill-nobody-made-it"
    client = connect(
        store_settings.endpoint, store_settings.access_key, store_settings.secret_key.get_secret_value(), False,
        store_settings.region, None,
    )  # fmt: skip
    store = S3Store(client, [missing], 1)
    with pytest.raises(StoreUnavailableError, match=f"no bucket {missing}"):
        store.put(a_file(tmp_path), missing, "a", "text/plain")
    with pytest.raises(StoreUnavailableError, match=f"no bucket {missing}"):
        store.write(missing, "a", b"a")
    assert store.read(missing, "a") is None


def test_a_copy_stays_in_the_store(store_settings: StoreSettings, tmp_path: Path, key: str) -> None:
    store = s3_store(store_settings)
    store.ensure_bucket(BUCKET, {})
    artifact = store.put(a_file(tmp_path), BUCKET, key, "text/plain")
    copied = store.copy(artifact, BUCKET, f"copies/{key}")
    assert store.has(copied)
    with pytest.raises(FileNotFoundError):
        store.copy(Artifact(BUCKET, "not/there", "0" * 64, 1, ""), BUCKET, "copies/not/there")


def test_intermediates_expire_and_the_rest_stays(store_settings: StoreSettings) -> None:
    store = s3_store(store_settings)
    store.ensure_bucket(BUCKET, {"": 30})
    store.ensure_bucket(BUCKET, {"": 30})
    (rule,) = store._client.get_bucket_lifecycle(BUCKET).rules
    assert rule.expiration.days == 30


def test_a_store_that_is_away_is_waited_for_and_then_named(tmp_path: Path, free_port: Callable[[], int]) -> None:
    settings = StoreSettings(
        endpoint=f"127.0.0.1:{free_port()}", access_key="name", secret_key="a-secret", retry_seconds=1
    )
    with pytest.raises(StoreUnavailableError) as caught:
        s3_store(settings).read(BUCKET, "key")
    assert "a-secret" not in str(caught.value)


def test_wrong_credentials_are_an_error_that_is_not_tried_again(store_settings: StoreSettings) -> None:
    wrong = store_settings.model_copy(update={"access_key": "nobody"})
    with pytest.raises(PermissionError, match="refuses"):
        s3_store(wrong).read(BUCKET, "key")


@pytest.mark.parametrize("name", ["object.bin", "a name+with 100 %.mp4", "größe~1.mp4"])
def test_presigned_addresses_need_no_credentials(store_settings: StoreSettings, key: str, name: str) -> None:
    store, key = s3_store(store_settings), key.replace("object.bin", name)
    store.ensure_bucket(BUCKET, {})
    uri, headers = presign_put(store._client, BUCKET, key, 60, hashlib.sha256(b"content").hexdigest(), 7)
    assert put(uri, b"content", headers)[0] == 200
    assert store.read(BUCKET, key) == b"content"
    with urllib3.PoolManager() as http:
        assert http.request("GET", presign_get(store._client, BUCKET, key, 60)).data == b"content"
        # One address is for one object and one method.
        assert http.request("GET", uri).status in (400, 403)


def put(uri: str, content: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    with urllib3.PoolManager() as http:
        answer = http.request("PUT", uri, body=content, headers=headers, retries=False)
        return answer.status, answer.data


def test_a_presigned_put_takes_one_content(store_settings: StoreSettings, key: str) -> None:
    """Refused by the store, before anything is written: what is there stays."""
    store = s3_store(store_settings)
    store.ensure_bucket(BUCKET, {})
    uri, headers = presign_put(store._client, BUCKET, key, 60, hashlib.sha256(b"content").hexdigest(), 7)
    assert put(uri, b"CONTENT", headers)[0] == 400, "other bytes"
    assert b"SHA256Mismatch" in put(uri, b"CONTENT", headers)[1], "told so that a client knows to try again"
    assert put(uri, b"content and more", headers | {"content-length": "16"})[0] == 403, "another length"
    other = hashlib.sha256(b"CONTENT").hexdigest()
    assert put(uri, b"CONTENT", headers | {"x-amz-content-sha256": other})[0] == 403, "another hash"
    assert put(uri, b"CONTENT", {"content-length": "7"})[0] == 400, "no hash"
    assert put(uri, b"CONTENT", headers | {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})[0] == 403
    assert put(uri.replace("X-Amz-Expires=60", "X-Amz-Expires=600"), b"content", headers)[0] == 403
    assert store.read(BUCKET, key) is None
    assert put(uri, b"content", headers)[0] == 200
