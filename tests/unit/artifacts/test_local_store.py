from pathlib import Path

import pytest

from talkmill.artifacts.local import LocalStore
from talkmill.artifacts.store import CorruptArtifactError


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore({"work": tmp_path / "work"})


def put(store: LocalStore, tmp_path: Path, content: bytes = b"content") -> object:
    file = tmp_path / "file"
    file.write_bytes(content)
    return store.put(file, "work", "stage/digest/file.bin", "application/octet-stream")


def test_what_was_put_is_fetched(store: LocalStore, tmp_path: Path) -> None:
    artifact = put(store, tmp_path)
    assert store.fetch(artifact).read_bytes() == b"content"
    assert store.has(artifact)


def test_put_moves_the_file(store: LocalStore, tmp_path: Path) -> None:
    put(store, tmp_path)
    assert not (tmp_path / "file").exists()


def test_a_changed_object_is_refused(store: LocalStore, tmp_path: Path) -> None:
    artifact = put(store, tmp_path)
    store.fetch(artifact).write_bytes(b"CONTENT")
    fresh = LocalStore({"work": tmp_path / "work"})
    assert not fresh.has(artifact)
    with pytest.raises(CorruptArtifactError, match="is not what its manifest says"):
        fresh.fetch(artifact)


def test_a_truncated_object_is_refused(store: LocalStore, tmp_path: Path) -> None:
    artifact = put(store, tmp_path)
    store.fetch(artifact).write_bytes(b"con")
    assert not store.has(artifact)
    with pytest.raises(CorruptArtifactError):
        store.fetch(artifact)


@pytest.mark.parametrize("key", ["../outside", "a/../../outside", "/etc/passwd", "a\\b", ""])
def test_keys_stay_inside_their_bucket(store: LocalStore, key: str) -> None:
    with pytest.raises(ValueError, match="not a plain relative path"):
        store.write("work", key, b"")


def test_a_small_object_appears_whole(store: LocalStore, tmp_path: Path) -> None:
    assert store.read("work", "a/manifest.json") is None
    store.write("work", "a/manifest.json", b"{}")
    assert store.read("work", "a/manifest.json") == b"{}"
    assert [path.name for path in (tmp_path / "work/a").iterdir()] == ["manifest.json"]
