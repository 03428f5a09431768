"""Uploads that nobody can spoil, and lists that harm nobody."""

import hashlib
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.engine import INTAKE, Task
from orchestrator.intake import Intake
from orchestrator.uploads import check_upload, is_whole, upload_key
from talkmill.artifacts.artifact import Artifact
from talkmill.artifacts.local import LocalStore
from talkmill.client.sources import MAX_SOURCES, GivenSource, encode_sources
from talkmill.pipeline.naming import NamedSource
from talkmill.stages.errors import CorruptInputError, InputMissingError, InvalidRequestError

BUCKET = "talkmill-work"
CONTENT = b"a video"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
UPLOAD = Artifact(BUCKET, upload_key("ann", SHA256, "a.mp4"), SHA256, len(CONTENT), "video/mp4")
TASK = Task("0" * 32, INTAKE, "", 0, 0)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    store = LocalStore({BUCKET: tmp_path / "work", "talkmill-datasets": tmp_path / "datasets"})
    store.write(BUCKET, UPLOAD.key, CONTENT)
    return store


@pytest.mark.parametrize(
    "wrong",
    [
        replace(UPLOAD, key=upload_key("ann", "0" * 64, "a.mp4")),
        replace(UPLOAD, key=f"uploads/{SHA256}/a.mp4"),
        replace(UPLOAD, sha256="0" * 64),
        replace(UPLOAD, bucket="talkmill-datasets"),
        replace(UPLOAD, key=f"uploads/{SHA256[:16]}/{SHA256}/../x/a.mp4"),
        replace(UPLOAD, key=upload_key("ann", SHA256, "..")),
        replace(UPLOAD, key=upload_key("ann", SHA256, "")),
        replace(UPLOAD, key="split/lists/other.npz"),
    ],
    ids=["another's key", "no owner", "another's hash", "bucket", "path", "up", "no name", "a result"],
)
def test_a_key_that_does_not_name_its_content_is_refused(wrong: Artifact) -> None:
    check_upload(UPLOAD, "ann", BUCKET, "upload")
    with pytest.raises(InvalidRequestError, match=r"^upload: what CreateUpload gave is wanted"):
        check_upload(wrong, "ann", BUCKET, "upload")


def test_the_upload_of_another_is_not_there() -> None:
    with pytest.raises(InputMissingError, match="you have uploaded no uploads/"):
        check_upload(UPLOAD, "bob", BUCKET, "upload")


def test_a_wrong_announcement_deletes_nothing(store: LocalStore) -> None:
    assert is_whole(store, UPLOAD)
    assert not is_whole(store, replace(UPLOAD, size_bytes=3))
    assert store.read(BUCKET, UPLOAD.key) == CONTENT


def test_what_is_not_its_content_is_deleted_and_can_be_put_again(store: LocalStore) -> None:
    store.write(BUCKET, UPLOAD.key, CONTENT[::-1])
    assert not is_whole(store, UPLOAD)
    assert store.read(BUCKET, UPLOAD.key) is None
    assert not is_whole(store, UPLOAD)


class Ledger:
    """Takes sources in."""

    def __init__(self, source_list: Artifact, wanted: bool = False) -> None:
        self._list, self.taken, self.wanted = source_list, list[NamedSource](), wanted

    def source_list(self, run_id: str) -> Artifact:
        return self._list

    def owner(self, run_id: str) -> str:
        return "ann"

    def wants_list(self, source_list: Artifact) -> bool:
        assert source_list == self._list
        return self.wanted

    def take_in(self, task: Task, position: int, sources: Sequence[NamedSource], last: bool) -> bool:
        self.taken += sources
        return True


def take_in(store: LocalStore, content: bytes, **wrong: Any) -> list[NamedSource]:
    digest = hashlib.sha256(content).hexdigest()
    listed = Artifact(BUCKET, upload_key("ann", digest, "sources.jsonl"), digest, len(content), "application/jsonl")
    store.write(BUCKET, listed.key, content)
    ledger = Ledger(replace(listed, **wrong))
    Intake(ledger, ledger, store, BUCKET).run(TASK)  # type: ignore[arg-type]
    return ledger.taken


def measured(store: LocalStore, content: bytes) -> tuple[list[NamedSource], int]:
    """Take a list in; returns its sources, and the most bytes that were held meanwhile."""
    tracemalloc.start()
    try:
        return take_in(store, content), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_list_is_read_line_by_line(store: LocalStore) -> None:
    sources = [GivenSource(f"https://example.org/{number}.mp4") for number in range(20_000)]
    content = encode_sources(sources)
    taken, peak = measured(store, content)
    assert [source.uri for source in taken[::5000]] == [source.uri for source in sources[::5000]]
    assert peak < 40 * len(content)


@pytest.mark.parametrize("address", ["https://e.org/{}", "https://e.org/v?{}"], ids=["other names", "one name"])
def test_the_memory_of_a_list_is_bounded_by_its_sources(store: LocalStore, address: str) -> None:
    count = MAX_SOURCES // 20
    content = b"".join(b'{"uri":"%s"}\n' % address.format(number).encode() for number in range(count))
    taken, peak = measured(store, content)
    assert len(taken) == count
    # A whole list in 300 MB.
    assert peak * 20 < 300e6


def test_a_secret_in_the_name_of_an_upload_is_taken_out(store: LocalStore) -> None:
    (taken,) = take_in(store, encode_sources([GivenSource("a.mp4?token=SECRET", UPLOAD)]))
    assert "SECRET" not in repr(taken)
    assert taken.upload == UPLOAD


def test_more_sources_than_a_run_may_have_are_refused(store: LocalStore) -> None:
    line = b'{"uri":"https://e.org/a"}\n'
    assert len(take_in(store, line * MAX_SOURCES)) == 1
    with pytest.raises(InvalidRequestError, match=r"^source_list: more than 100000 sources: split the list"):
        take_in(store, b"\n" + line * (MAX_SOURCES + 1))


@pytest.mark.parametrize("wanted", [False, True])
def test_a_list_is_deleted_when_no_run_wants_it_any_more(wanted: bool, store: LocalStore) -> None:
    content = encode_sources([GivenSource("https://example.org/a.mp4?key=SECRET")])
    digest = hashlib.sha256(content).hexdigest()
    listed = Artifact(BUCKET, upload_key("ann", digest, "sources.jsonl"), digest, len(content), "application/jsonl")
    store.write(BUCKET, listed.key, content)
    ledger = Ledger(listed, wanted)
    Intake(ledger, ledger, store, BUCKET).run(TASK)  # type: ignore[arg-type]
    assert [source.uri for source in ledger.taken] == ["https://example.org/a.mp4?key=SECRET"]
    assert (store.read(BUCKET, listed.key) is not None) == wanted


def test_a_list_that_is_not_what_was_announced_is_refused(store: LocalStore) -> None:
    content = encode_sources([GivenSource("https://example.org/a.mp4")])
    with pytest.raises(CorruptInputError, match="the list of sources"):
        take_in(store, content, size_bytes=len(content) - 1)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"[" * 30_000 + b"]" * 30_000, "source_list.1: "),
        (b'{"uri":[' + b"1.5," * 20_000 + b"1]}", "source_list.1: 80011 bytes; a source has at most 65536"),
        (encode_sources([GivenSource("a.mp4", replace(UPLOAD, key="pack/lists/x"))]), "source_list.upload: "),
        (encode_sources([GivenSource("a.mp4", replace(UPLOAD, bucket="talkmill-datasets"))]), "source_list.upload: "),
    ],
    ids=["deep", "long", "another key", "another bucket"],
)
def test_a_line_that_is_no_source_is_refused(store: LocalStore, line: bytes, told: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{told}"):
        take_in(store, line)
