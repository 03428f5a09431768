import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from talkmill.artifacts.local import LocalStore
from talkmill.artifacts.store import CorruptArtifactError, MissingArtifactError


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
    with pytest.raises(CorruptArtifactError, match="another content"):
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


def test_an_object_may_be_dropped_and_made_again_while_others_look_at_it(store: LocalStore, tmp_path: Path) -> None:
    """Whoever looks finds it whole, or finds nothing: no other error, whatever comes in between."""
    artifact = put(store, tmp_path)
    ended = threading.Event()

    def drop_and_make(number: int) -> None:
        while not ended.is_set():
            store.remove_key("work", artifact.key)
            path = tmp_path / f"again-{number}"
            path.write_bytes(b"content")
            assert store.put(path, "work", artifact.key, artifact.media_type) == artifact

    def look() -> int:
        found = 0
        while not ended.is_set():
            assert store.read("work", artifact.key) in (b"content", None)
            store.has(artifact)
            with contextlib.suppress(MissingArtifactError):
                found += store.fetch(artifact).name != ""
        return found

    with ThreadPoolExecutor(5) as pool:
        makers, lookers = [pool.submit(drop_and_make, n) for n in range(2)], [pool.submit(look) for _ in range(3)]
        time.sleep(1)
        ended.set()
    assert all(maker.result() is None for maker in makers)
    assert sum(looker.result() for looker in lookers) > 0
