"""A set that is read, written, copied, moved and replaced at once, within one process and its children."""

import multiprocessing
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import lmdb
import pytest

from talkmill.dataset import Dataset
from talkmill.dataset import environment as environment_module
from talkmill.dataset.copying import copy_set
from talkmill.dataset.environment import DatasetError, open_environment
from talkmill.dataset.reader import verify
from talkmill.dataset.writer import DatasetWriter
from tests.sets import SIZE, add, as_0_1_wrote_it, frames


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A set of two clips."""
    folder = tmp_path / "lmdb" / str(SIZE)
    with DatasetWriter(folder, SIZE) as writer:
        add(writer, "a_000", 10, seed=1)
        add(writer, "b_000", 7, seed=2, split="test")
    return folder


def test_a_set_is_read_while_its_own_process_writes_it(folder: Path) -> None:
    with Dataset(folder) as dataset:
        dataset.frame("a_000", 0)
        with DatasetWriter(folder, SIZE) as writer:
            assert dataset.frame("a_000", 0) == frames(1, 1)[0]
            add(writer, "c_000", 3, seed=3)
            assert list(Dataset(folder).frames("c_000")) == frames(3, 3)
            add(writer, "b_000", 2, seed=4)
            with pytest.raises(DatasetError, match="clip b_000 was written anew after the set was opened"):
                dataset["b_000"]
        assert dataset.frame("a_000", 0) == frames(1, 1)[0]
    assert len(verify(folder).clips) == 3


def test_a_new_set_is_read_while_its_own_process_writes_it(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path, SIZE) as writer:
        assert len(Dataset(tmp_path)) == 0
        add(writer, "a_000", 3, seed=3)
        Dataset(tmp_path).verify()


def test_a_set_that_is_begun_has_a_manifest_before_others_see_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[object] = []

    def look() -> None:
        try:
            found.append(len(Dataset(tmp_path)))
        except DatasetError as error:
            found.append(error)

    thread = threading.Thread(target=look)
    write = DatasetWriter._write_entries

    def slowly(self: DatasetWriter) -> None:
        thread.start()
        thread.join(0.2)
        write(self)

    monkeypatch.setattr(DatasetWriter, "_write_entries", slowly)
    with DatasetWriter(tmp_path, SIZE):
        thread.join()
    assert found == [0]


def test_threads_read_while_others_write_and_copy(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The map grows, and readers open the set again, as often as can be.
    monkeypatch.setattr("talkmill.dataset.writer.FIRST_MAP_BYTES", 1 << 16)
    monkeypatch.setattr(environment_module, "BYTES_PER_OPENING", 5000)
    wrong: list[BaseException] = []
    done = threading.Event()

    def read(dataset: Dataset | None) -> None:
        try:
            while not done.is_set():
                assert list((dataset or Dataset(folder)).frames("a_000")) == frames(10, 1)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=read, args=(one,)) for one in (Dataset(folder), None, None)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(15):
            with DatasetWriter(folder, SIZE) as writer:
                add(writer, f"c_{turn:03}", 30, seed=turn)
            copy_to = tmp_path / f"copy{turn}"
            copy_to.mkdir()
            assert len(copy_set(folder, copy_to).clips) == 3 + turn
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_a_set_that_is_open_is_copied(folder: Path, tmp_path: Path) -> None:
    targets = [tmp_path / name for name in ("read", "written")]
    for target in targets:
        target.mkdir()
    with Dataset(folder) as dataset:
        dataset.frame("a_000", 0)
        assert list(copy_set(folder, targets[0]).clips) == ["a_000", "b_000"]
        with DatasetWriter(folder, SIZE):
            assert list(copy_set(folder, targets[1]).clips) == ["a_000", "b_000"]
        dataset.verify()
    for target in targets:
        verify(target)
    with pytest.raises(DatasetError, match=r"cannot be copied to .*/read"):
        copy_set(folder, targets[0])


def in_child(work: Callable[[], object]) -> str:
    """Return what a forked process says, or what it raises."""

    def answer() -> None:
        try:
            receiver_end.send(str(work()))
        except BaseException as error:
            receiver_end.send(f"{type(error).__name__}: {error}")

    context = multiprocessing.get_context("fork")
    end, receiver_end = context.Pipe(duplex=False)
    process = context.Process(target=answer)
    process.start()
    assert end.poll(60)
    process.join()
    return str(end.recv())


def test_a_child_reads_what_its_parent_writes(folder: Path) -> None:
    with Dataset(folder) as dataset, DatasetWriter(folder, SIZE) as writer:
        assert in_child(lambda: dataset.frame("a_000", 0) == frames(1, 1)[0]) == "True"
        assert in_child(lambda: len(verify(folder).clips)) == "2"
        refused = in_child(lambda: add(writer, "c_000"))
        assert refused.startswith(f"DatasetError: {folder} was open for writing when this process was forked")
        assert in_child(writer.close) == "None"
        # Whatever the children did, the parent goes on.
        add(writer, "c_000", 3, seed=3)
    assert len(verify(folder).clips) == 3


def test_a_child_that_drops_the_writer_of_its_parent_reads(folder: Path) -> None:
    writers = [DatasetWriter(folder, SIZE)]

    def dropped() -> int:
        writers.clear()
        return len(verify(folder).clips)

    assert in_child(dropped) == "2"
    add(writers[0], "c_000", 3)
    writers[0].close()
    assert len(verify(folder).clips) == 3


def test_processes_are_forked_while_a_thread_writes(folder: Path) -> None:
    done = threading.Event()

    def write() -> None:
        turn = 0
        while not done.is_set():
            with DatasetWriter(folder, SIZE) as writer:
                add(writer, f"c_{turn % 3:03}", 20, seed=turn)
            turn += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        with Dataset(folder) as dataset:
            answers = {in_child(lambda: dataset.frame("a_000", 0) == frames(1, 1)[0]) for _ in range(10)}
    finally:
        done.set()
        thread.join()
    assert answers == {"True"}
    verify(folder)


def test_a_writer_does_not_stay_locked_by_a_child(folder: Path) -> None:
    context = multiprocessing.get_context("fork")
    with DatasetWriter(folder, SIZE):
        process = context.Process(target=threading.Event().wait, args=(60,))
        process.start()
    try:
        with DatasetWriter(folder, SIZE) as writer:
            add(writer, "c_000", 3)
    finally:
        process.terminate()
        process.join()


def test_a_set_is_opened_by_the_path_of_whoever_reads(folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(folder)
    with Dataset(link) as first, Dataset(folder) as second:
        first.frame("a_000", 0)
        link.unlink()
        first._opened().shared.close()
        second.verify()
        # The file is known to be there still.
        first.verify()
        moved = folder.rename(folder.with_name("moved"))
        with Dataset(moved) as third:
            third.verify()
            second.frame("a_000", 0)
        shutil.rmtree(moved)
        with pytest.raises(DatasetError, match="cannot be read: No such file"):
            second.frame("a_000", 0)


def test_a_file_that_was_replaced_is_another_set(folder: Path, tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "other", SIZE) as writer:
        add(writer, "a_000", 3, seed=8)
    with Dataset(folder) as old:
        old.frame("a_000", 0)
        (tmp_path / "other" / "data.mdb").replace(folder / "data.mdb")
        with Dataset(folder) as new:
            assert list(new.frames("a_000")) == frames(3, 8)
            with pytest.raises(DatasetError, match="was replaced by another file; open the set again"):
                old.frame("a_000", 0)
            assert list(new.frames("a_000")) == frames(3, 8)
        with pytest.raises(DatasetError, match="was replaced"):
            old.frame("a_000", 0)
        with DatasetWriter(folder, SIZE) as writer:
            add(writer, "b_000", 3)


def test_a_set_of_0_1_says_what_a_later_writer_removed(folder: Path) -> None:
    as_0_1_wrote_it(folder)
    with Dataset(folder) as dataset:
        with DatasetWriter(folder, SIZE) as writer:
            writer.remove("b_000")
        dataset.verify_clip("a_000")
        for read in (dataset.__getitem__, dataset.meta, lambda name: dataset.frame(name, 0)):
            with pytest.raises(DatasetError, match="clip b_000 was removed after the set was opened"):
                read("b_000")


def test_a_set_that_is_open_by_other_means_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment_module, "CLOSING_SECONDS", 0.05)
    with lmdb.open(str(folder)), pytest.raises(DatasetError, match="is open in this process by other means"):
        Dataset(folder)


def test_an_lmdb_that_another_thread_is_closing_is_waited_for(folder: Path) -> None:
    other = lmdb.open(str(folder))
    timer = threading.Timer(0.1, other.close)
    timer.start()
    open_environment(folder, readonly=True).close()
    timer.join()


@pytest.fixture
def public() -> Iterator[Path]:
    """A set in a folder that every user may write."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "set"
        with DatasetWriter(folder, SIZE) as writer:
            add(writer, "a_000", 3, seed=3)
        for path in (folder.parent, folder, *folder.iterdir()):
            path.chmod(0o777 if path.is_dir() else 0o666)
        yield folder


def as_nobody(work: Callable[[], object]) -> str:
    """Let a child do it that is bound by permissions: root is not."""

    def bound() -> object:
        if os.getuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        return work()

    return in_child(bound)


def copied(folder: Path) -> int:
    target = folder.parent / "copy"
    target.mkdir()
    return len(copy_set(folder, target).clips)


def test_a_set_whose_table_of_readers_is_read_only_is_read_and_copied(public: Path) -> None:
    (public / "lock.mdb").chmod(0o444)
    assert as_nobody(lambda: len(verify(public).clips)) == "1"
    assert as_nobody(lambda: copied(public)) == "1"
    said = as_nobody(lambda: DatasetWriter(public, SIZE))
    assert said == f"DatasetError: {public / 'lock.mdb'} cannot be written: permission denied"


def test_a_set_that_must_not_be_read_is_said(public: Path) -> None:
    (public / "data.mdb").chmod(0o000)
    said = f"DatasetError: {public / 'data.mdb'} cannot be read: permission denied"
    assert as_nobody(lambda: Dataset(public)) == said
    assert as_nobody(lambda: copied(public)) == said


def test_a_folder_that_must_not_be_written_is_said_by_a_writer(public: Path) -> None:
    (public / ".talkmill.lock").unlink()
    public.chmod(0o555)
    said = f"DatasetError: {public / '.talkmill.lock'} cannot be written: Permission denied"
    assert as_nobody(lambda: DatasetWriter(public, SIZE)) == said
    assert as_nobody(lambda: len(verify(public).clips)) == "1"
