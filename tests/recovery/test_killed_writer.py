"""A writer that is killed between any two of its transactions leaves a set that the next run makes whole."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import lmdb
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from talkmill.dataset.lists import write_lists
from talkmill.dataset.lock import FolderBusyError, locked
from talkmill.dataset.manifest import stored_manifest
from talkmill.dataset.reader import verify
from talkmill.dataset.writer import DatasetWriter
from tests.sets import SIZE, add, arrays, as_0_1_wrote_it, contents, frames

ROOT = Path(__file__).parents[2]
# Clips of the set: name, frames, seed, split. The later set replaces one, drops one and adds one.
BEFORE = [("a_000", 450, 1, "train"), ("b_000", 450, 2, "test"), ("c_000", 5, 3, "train")]
AFTER = [("a_000", 430, 4, "test"), ("c_000", 5, 3, "train"), ("d_000", 420, 5, "train")]
REMOVED = ["b_000"]
POINTS = [
    "clip is disowned", "keys are removed", "clip is removed", "clip is to be written", "frames are written",
    "clip is written", "list is to be written", "lists are written", "entries are written",
]  # fmt: skip


def bring(folder: Path, clips: list[tuple[str, int, int, str]], removed: list[str]) -> None:
    """What pack does with a folder."""
    with DatasetWriter(folder / str(SIZE), SIZE) as writer:
        for name in removed:
            writer.remove(name)
        for name, count, seed, split in clips:
            if not writer.has(name, f"print{seed}"):
                add(writer, name, count, seed, split)
    write_lists(folder, writer.manifest)


def killed_at(folder: Path, point: str, time: int) -> int:
    """Run the later set into a folder in a process that kills itself when it reaches a point; returns how it ended."""
    script = f"""
import os, signal
from pathlib import Path
from talkmill.dataset import lists, writer
from tests.recovery import test_killed_writer as test

left = {time}
def reached(point):
    global left
    if point == {point!r}:
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
writer.reached = lists.reached = reached
test.bring(Path({str(folder)!r}), test.AFTER, test.REMOVED)
"""
    return subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode


@pytest.mark.parametrize("point", POINTS)
def test_a_run_after_a_kill_at_any_point_makes_the_set_whole(tmp_path: Path, point: str) -> None:
    bring(tmp_path / "calm", BEFORE, [])
    bring(tmp_path / "calm", AFTER, REMOVED)
    kills = 0
    while True:
        folder = tmp_path / f"killed{kills}"
        bring(folder, BEFORE, [])
        if point == "entries are written":
            as_0_1_wrote_it(folder / str(SIZE))
        ended = killed_at(folder, point, kills + 1)
        if ended == 0:
            break
        assert ended == -signal.SIGKILL
        kills += 1
        bring(folder, AFTER, REMOVED)
        verify(folder / str(SIZE))
        assert contents(folder / str(SIZE)) == contents(tmp_path / "calm" / str(SIZE))
        for name in ("train_list.txt", "test_list.txt"):
            assert (folder / name).read_text() == (tmp_path / "calm" / name).read_text()
    assert kills


def test_the_points_are_those_of_the_code() -> None:
    named = {
        line.split('"')[1]
        for path in (ROOT / "talkmill/dataset").glob("*.py")
        for line in path.read_text().splitlines()
        if line.strip().startswith('reached("')
    }
    assert named == set(POINTS)


class Writer(RuleBasedStateMachine):
    """Any order of adding, replacing and removing, cut off before any of its transactions."""

    names = st.sampled_from(["a_000", "a_0001", "b_000"])

    @initialize()
    def begin(self) -> None:
        import tempfile

        self.holder = tempfile.TemporaryDirectory()
        self.folder = Path(self.holder.name)
        self.writer = DatasetWriter(self.folder, SIZE)

    @rule(name=names, count=st.integers(1, 5), seed=st.integers(0, 3), cut=st.integers(0, 6))
    def add(self, name: str, count: int, seed: int, cut: int) -> None:
        self.cut_after(cut, lambda: add(self.writer, name, count, seed))

    @rule(name=names, cut=st.integers(0, 6))
    def remove(self, name: str, cut: int) -> None:
        self.cut_after(cut, lambda: self.writer.remove(name))

    @rule()
    def reopen(self) -> None:
        any_clip = bool(self.writer.manifest.clips)
        self.writer.close()
        if any_clip:
            verify(self.folder)
        self.writer = DatasetWriter(self.folder, SIZE)

    def cut_after(self, transactions: int, work: object) -> None:
        """Do some work whose process ends before its transaction number so-and-so; 0 for one that does not end."""
        write, left = self.writer._write, transactions

        def counted(values: object, delete: object = ()) -> None:
            nonlocal left
            left -= 1
            if not left:
                raise KeyboardInterrupt
            write(values, delete)

        self.writer._write = counted
        try:
            work()
        except KeyboardInterrupt:
            self.writer.close()
            self.writer = DatasetWriter(self.folder, SIZE)
        finally:
            self.writer.__dict__.pop("_write", None)

    @invariant()
    def no_entry_may_lose_its_keys(self) -> None:
        with self.writer._environment.begin() as transaction:
            pending = transaction.get(b"pending")
            stored = stored_manifest(transaction)
        assert pending is None or stored is None or bytes(pending).decode() not in stored.clips

    @invariant()
    def the_file_is_as_long_as_its_pages(self) -> None:
        environment = self.writer._environment
        wanted = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
        assert (self.folder / "data.mdb").stat().st_size >= wanted or wanted <= 2 * environment.stat()["psize"]

    def teardown(self) -> None:
        if hasattr(self, "writer"):
            self.writer.close()
            self.holder.cleanup()


Writer.TestCase.settings = settings(max_examples=40, stateful_step_count=12, deadline=None)
TestWriter = Writer.TestCase


def test_a_set_that_0_1_damaged_is_healed(tmp_path: Path) -> None:
    """Killed between the two transactions of its remove(), it left an entry whose keys are marked for removal."""
    with DatasetWriter(tmp_path, SIZE) as writer:
        add(writer, "a_000", seed=1)
        add(writer, "b_000", seed=2)
    with lmdb.open(str(tmp_path)) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"pending", b"a_000")
    with DatasetWriter(tmp_path, SIZE) as writer:
        assert list(writer.manifest.clips) == ["b_000"]
        add(writer, "a_000", seed=1)
    verify(tmp_path)


def test_a_clip_without_keys_is_packed_again(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path, SIZE) as writer:
        add(writer, "a_000")
    with lmdb.open(str(tmp_path)) as environment, environment.begin(write=True) as transaction:
        for key in [bytes(key) for key, _ in transaction.cursor() if bytes(key).startswith(b"a_000-")]:
            transaction.delete(key)
    with DatasetWriter(tmp_path, SIZE) as writer:
        assert not writer.has("a_000", "print0")


def test_a_clip_that_fails_leaves_nothing_and_harms_no_other(tmp_path: Path) -> None:
    def breaks() -> object:
        yield from frames(420)
        raise RuntimeError("a damaged artifact")

    with DatasetWriter(tmp_path, SIZE) as writer:
        with pytest.raises(RuntimeError):
            writer.add("a_000", "train", "x", breaks(), arrays(500), {})
        add(writer, "b_000")
    assert not [key for key in contents(tmp_path) if key.startswith(b"a_000")]
    assert list(verify(tmp_path).clips) == ["b_000"]


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    script = f"""
from pathlib import Path
from talkmill.dataset.lock import locked
with locked(Path({str(tmp_path)!r}), "run"):
    print("locked", flush=True)
    input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"locked\n"
        with pytest.raises(FolderBusyError, match=rf"another run \(pid {process.pid} on"), locked(tmp_path, "run"):
            pass
        process.kill()
    with locked(tmp_path, "run"):
        pass


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_short_is_refused_and_kills_nobody(tmp_path: Path, share: float) -> None:
    with DatasetWriter(tmp_path, SIZE) as writer:
        add(writer, "a_000", 300)
    path = tmp_path / "data.mdb"
    whole = path.stat().st_size
    script = f"""
from pathlib import Path
from talkmill.dataset.environment import DatasetError
from talkmill.dataset.reader import verify
from talkmill.dataset.writer import DatasetWriter
folder = Path({str(tmp_path)!r})
for use in (verify, lambda folder: DatasetWriter(folder, {SIZE}).close()):
    try:
        use(folder)
        print("read")
    except DatasetError as error:
        print(error)
"""
    # Whole pages and pieces of one.
    for size in {int(whole * share), int(whole * share) // 4096 * 4096, whole - 1}:
        content = path.read_bytes()
        os.truncate(path, size)
        process = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
        assert process.returncode == 0, (size, process.returncode, process.stderr)
        if size:
            said = process.stdout.splitlines()
            assert all("is cut short" in line or "is no LMDB" in line for line in said), (size, said)
            assert len(said) == 2
        path.write_bytes(content)
    verify(tmp_path)
