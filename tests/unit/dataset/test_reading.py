"""A set that is open: what it holds, who may read it at once, what it costs."""

import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, SupportsIndex

import cv2
import lmdb
import numpy as np
import pytest
import torch

import talkmill
from talkmill.dataset import Dataset, UnknownClipError, environment
from talkmill.dataset.environment import DatasetError
from talkmill.dataset.manifest import DamagedEntryError
from talkmill.dataset.reader import read_clip, verify
from talkmill.dataset.writer import DatasetWriter
from tests.sets import SIZE, add, arrays, as_0_1_wrote_it, contents, frames, frames_of

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A set of three clips, written out of order."""
    folder = tmp_path / "lmdb" / str(SIZE)
    with DatasetWriter(folder, SIZE) as writer:
        add(writer, "c_000", 5, seed=3)
        add(writer, "a_000", 10, seed=1)
        add(writer, "b_000", 7, seed=2, split="test")
    return folder


def put(folder: Path, item: bytes, value: bytes) -> None:
    with lmdb.open(str(folder)) as environment, environment.begin(write=True) as transaction:
        transaction.put(item, value)


def put_beside(folder: Path, item: bytes, value: bytes) -> None:
    """Put a value where this process has the set open: LMDB opens once in a process."""
    script = (
        "import lmdb, sys\n"
        "with lmdb.open(sys.argv[1]) as environment, environment.begin(write=True) as transaction:\n"
        f"    transaction.put({item!r}, {value!r})"
    )
    subprocess.run([sys.executable, "-c", script, folder], check=True)


def test_it_is_a_mapping_of_names_in_order_to_clips(folder: Path, tmp_path: Path) -> None:
    for path in (tmp_path, str(tmp_path), tmp_path / "lmdb", folder):
        with talkmill.Dataset(path) as dataset:
            assert list(dataset) == ["a_000", "b_000", "c_000"]
            assert (len(dataset), dataset.size, dataset.train, dataset.test) == (
                3, SIZE, ("a_000", "c_000"), ("b_000",),
            )  # fmt: skip
            assert [clip.entry.frame_count for clip in dataset.values()] == [10, 7, 5]
            assert "a_000" in dataset
            assert "d_000" not in dataset
            assert dataset.get("d_000") is None
            with pytest.raises(UnknownClipError, match=r"^the set has no clip d_000$"):
                dataset["d_000"]


def test_values_and_frames_are_those_that_were_written(folder: Path) -> None:
    with Dataset(folder) as dataset:
        clip = dataset["a_000"]
        for field in ("keypoint", "coefficients", "condition", "identity", "valid", "confidence"):
            assert np.array_equal(getattr(clip.arrays, field), getattr(arrays(10, 1), field))
            assert getattr(clip.arrays, field).flags.writeable
        assert clip.meta == dataset.meta("a_000") == {"person": "a"}
        assert list(dataset.frames("a_000")) == frames(10, 1)
        assert dataset.frame("a_000", 4) == frames(10, 1)[4]
        images = list(dataset.images("a_000"))
        assert len(images) == 10
        for index, (image, frame) in enumerate(zip(images, frames(10, 1), strict=True)):
            truth = cv2.imdecode(np.frombuffer(frame, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
            assert image.shape == (SIZE, SIZE, 3)
            assert np.abs(image.astype(int) - truth).max() <= 2
            assert np.array_equal(image, dataset.image("a_000", index))
        for index in (-1, 10):
            with pytest.raises(IndexError, match="a_000 has 10 frames"):
                dataset.frame("a_000", index)


@pytest.mark.parametrize("index", [np.int64(4), np.uint8(4), np.array(4), torch.tensor(4)])
def test_a_frame_is_found_by_an_integer_of_any_kind(folder: Path, index: SupportsIndex) -> None:
    with Dataset(folder) as dataset:
        assert dataset.frame("a_000", index) == frames(10, 1)[4]
        assert np.array_equal(dataset.image("a_000", index), dataset.image("a_000", 4))


@pytest.mark.parametrize("index", [1.0, "1", np.float32(1), None])
def test_what_is_no_integer_is_no_frame(folder: Path, index: Any) -> None:
    with Dataset(folder) as dataset:
        for read in (dataset.frame, dataset.image):
            with pytest.raises(TypeError):
                read("a_000", index)


def test_a_set_of_0_1_is_read_as_it_is_and_converted_by_a_writer(folder: Path) -> None:
    new = contents(folder)
    as_0_1_wrote_it(folder)
    old = contents(folder)
    assert not [item for item in old if item.startswith(b"clip/")]
    with Dataset(folder) as dataset:
        dataset.verify()
        assert dataset.test == ("b_000",)
        assert list(dataset.frames("b_000")) == frames(7, 2)
        assert dataset["b_000"].entry == pickle.loads(pickle.dumps(dataset))["b_000"].entry  # noqa: S301
    assert contents(folder) == old
    with DatasetWriter(folder, SIZE) as writer:
        assert writer.has("b_000", "print2")
    assert contents(folder) == new
    verify(folder)


def test_a_conversion_is_one_transaction(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_0_1_wrote_it(folder)
    old = contents(folder)
    written: list[set[bytes]] = []
    monkeypatch.setattr(DatasetWriter, "_write", lambda self, values, delete=(): written.append(set(values)))
    with DatasetWriter(folder, SIZE):
        pass
    assert written == [{b"clip/a_000", b"clip/b_000", b"clip/c_000", b"length", b"manifest"}]
    assert contents(folder) == old


def test_a_commit_writes_as_much_into_a_large_set_as_into_a_small_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    write = DatasetWriter._write

    def counted(self: DatasetWriter, values: dict[bytes, bytes], delete: tuple[bytes, ...] = ()) -> None:
        written.append(sum(len(item) + len(value) for item, value in values.items()))
        write(self, values, delete)

    monkeypatch.setattr(DatasetWriter, "_write", counted)
    costs = []
    with DatasetWriter(tmp_path, SIZE) as writer:
        for index in range(60):
            written.clear()
            add(writer, f"a_{index:03}", 2)
            costs.append(sum(written))
        written.clear()
        writer.remove("a_030")
        removing = sum(written)
    # The fingerprint, and so the entry, has one length for all.
    assert len(set(costs)) == 1
    assert removing < 100
    assert len(contents(tmp_path)[b"manifest"]) < 1000


def test_opening_asks_the_manifest_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []
    loads = json.loads
    monkeypatch.setattr("talkmill.dataset.manifest.json.loads", lambda content: asked.append(content) or loads(content))
    with Dataset(folder) as dataset:
        opening = len(asked)
        for name in dataset:
            list(dataset.frames(name))
        assert len(asked) == opening == 1 + len(dataset)


DAMAGE = [
    b"", b"{", b"[]", b"{}", b'{"frame_count": 3}', b"\xff",
    b'{"frame_count": -1, "split": "train", "fingerprint": "x", "checksum": "x"}',
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_is_told_when_its_clip_is_read(folder: Path, damage: bytes) -> None:
    put(folder, b"clip/b_000", damage)
    with Dataset(folder) as dataset:
        assert (list(dataset), len(dataset), dataset.damaged) == (["a_000", "b_000", "c_000"], 3, ("b_000",))
        assert "b_000" in dataset
        assert [dataset.verify_clip(name).entry.frame_count for name in ("a_000", "c_000")] == [10, 5]
        uses: list[Callable[[str], object]] = [
            dataset.__getitem__, dataset.get, dataset.entry, dataset.meta, dataset.frames, dataset.images,
            dataset.verify_clip, lambda name: dataset.image(name, 0),
        ]  # fmt: skip
        for use in uses:
            with pytest.raises(
                DamagedEntryError, match=r"^the entry of clip b_000 is damaged: .*talkmill dataset remove"
            ):
                use("b_000")
        with pytest.raises(DamagedEntryError, match="clip b_000"):
            dict(dataset)
        for process in (pickle.loads(pickle.dumps(dataset)), dataset):  # noqa: S301
            with pytest.raises(DamagedEntryError, match="clip b_000"):
                process.verify()
    with pytest.raises(DamagedEntryError, match=r"^the entry of clip b_000 is damaged"):
        verify(folder)


def test_the_splits_warn_of_a_clip_whose_split_is_not_known(folder: Path) -> None:
    put(folder, b"clip/b_000", b"{")
    with Dataset(folder) as dataset:
        with pytest.warns(UserWarning, match="train leaves out .* clip b_000 is damaged") as warned:
            assert dataset.train == ("a_000", "c_000")
        assert warned[0].filename == __file__
        with pytest.warns(UserWarning, match="test leaves out .* clip b_000 is damaged"):
            assert dataset.test == ()


def test_an_entry_that_is_damaged_after_the_opening_is_told_too(folder: Path) -> None:
    with Dataset(folder) as dataset:
        put_beside(folder, b"clip/b_000", b"{")
        with pytest.raises(DamagedEntryError, match=r"^the entry of clip b_000 is damaged"):
            dataset["b_000"]
        assert dataset["a_000"].entry.frame_count == 10


def test_all_damaged_entries_are_named(folder: Path) -> None:
    for name in (b"a_000", b"b_000"):
        put(folder, b"clip/" + name, b"{")
    for use in (verify, lambda path: DatasetWriter(path, SIZE)):
        with pytest.raises(DamagedEntryError, match=r"^the entries of 2 clips are damaged: a_000, b_000; take"):
            use(folder)


def test_an_error_of_an_entry_reaches_other_processes_as_it_is() -> None:
    error = DamagedEntryError("the entry of clip b_000 is damaged: x")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_writer_changes_nothing_beside_a_damaged_entry_that_stays(folder: Path, damage: bytes) -> None:
    put(folder, b"clip/b_000", damage)
    before = contents(folder)
    for without in ((), ("a_000",)):
        with pytest.raises(DamagedEntryError, match="the entry of clip b_000 is damaged"):
            DatasetWriter(folder, SIZE, without=without)
        assert contents(folder) == before


def test_a_writer_removes_a_damaged_entry_and_all_its_keys(folder: Path, tmp_path: Path) -> None:
    put(folder, b"clip/b_000", b"{")
    with DatasetWriter(folder, SIZE, without=["b_000"]) as writer:
        assert list(writer.manifest.clips) == ["a_000", "c_000"]
    with DatasetWriter(tmp_path / "never", SIZE) as writer:
        add(writer, "c_000", 5, seed=3)
        add(writer, "a_000", 10, seed=1)
    assert contents(folder) == contents(tmp_path / "never")
    with DatasetWriter(folder, SIZE) as writer:
        add(writer, "b_000", 7, seed=2, split="test")
    assert list(verify(folder).clips) == ["a_000", "b_000", "c_000"]


def test_an_entry_of_0_1_that_is_damaged_is_said(folder: Path) -> None:
    as_0_1_wrote_it(folder)
    manifest = json.loads(contents(folder)[b"manifest"])
    manifest["clips"]["b_000"] = 1
    put(folder, b"manifest", json.dumps(manifest).encode())
    for use in (Dataset, lambda path: DatasetWriter(path, SIZE)):
        with pytest.raises(DatasetError, match=r"the entry of clip b_000 is damaged: .*restore the set from a copy"):
            use(folder)


@pytest.mark.parametrize(
    "damage",
    [
        b"{", b"[]", b"{}", b"\xff",
        b'{"schema_version": 2, "size": "32", "layout": {}}',
        b'{"schema_version": 2, "size": null, "layout": {}}',
        b'{"schema_version": 2, "size": true, "layout": {}}',
        b'{"schema_version": 2, "size": 32, "layout": 1}',
        b'{"schema_version": 1, "size": 32, "layout": {}, "clips": {"\\ud800": {}}}',
    ],
)  # fmt: skip
def test_a_damaged_manifest_is_said(folder: Path, damage: bytes) -> None:
    put(folder, b"manifest", damage)
    with pytest.raises(DatasetError, match="the manifest of the set is damaged"):
        Dataset(folder)


def test_a_key_that_names_no_clip_is_said(folder: Path) -> None:
    put(folder, b"clip/\xff", b"{}")
    with pytest.raises(DatasetError, match=r"the key b'clip/\\xff' is damaged: it names no clip"):
        Dataset(folder)


def test_a_length_that_is_no_number_is_said(folder: Path) -> None:
    put(folder, b"length", b"abc")
    with pytest.raises(DatasetError, match="length is b'abc', a number of clips was expected"):
        verify(folder)


def test_a_mark_that_names_no_clip_is_said_by_a_writer(folder: Path) -> None:
    put(folder, b"pending", b"\xff")
    with pytest.raises(DatasetError, match="the key pending is damaged"):
        DatasetWriter(folder, SIZE)
    verify(folder)


def test_a_folder_without_a_set_is_said(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=f"^there is no data set in {tmp_path}$"):
        Dataset(tmp_path)


def test_another_schema_is_refused(folder: Path) -> None:
    put(folder, b"manifest", b'{"schema_version": 3, "size": 32, "layout": {}}')
    with pytest.raises(DatasetError, match="schema version 3, this is 2"):
        Dataset(folder)


def test_a_frame_that_does_not_decode_names_its_clip(folder: Path) -> None:
    put(folder, b"b_000-0000003", b"no JPEG")
    with Dataset(folder) as dataset, pytest.raises(DatasetError, match="b_000: frame 3"):
        list(dataset.images("b_000"))


def test_many_readers_of_one_process_share_the_lmdb(folder: Path) -> None:
    with Dataset(folder) as first, Dataset(folder) as second:
        assert first["a_000"].entry == second["a_000"].entry == read_clip(folder, "a_000").entry
        first.close()
        assert list(second.frames("c_000")) == frames(5, 3)
        with pytest.raises(ValueError, match="was closed"):
            first["a_000"]
        assert first != second
    with DatasetWriter(folder, SIZE):
        pass


def test_threads_share_a_set(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "BYTES_PER_OPENING", 5000)
    wrong: list[object] = []

    def read() -> None:
        for _ in range(20):
            if list(dataset.frames("a_000")) != expected:
                wrong.append("frames")

    expected = frames(10, 1)
    with Dataset(folder) as dataset:
        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_an_unpickled_set_is_looked_for_when_it_is_read(folder: Path) -> None:
    with Dataset(folder) as dataset:
        pickled = pickle.dumps(dataset)
    closed = pickle.dumps(dataset)
    folder.rename(folder.with_name("moved"))
    again = pickle.loads(pickled)  # noqa: S301
    assert again.test == ("b_000",)
    with pytest.raises(DatasetError, match="cannot be read: No such file"):
        again["a_000"]
    folder.with_name("moved").rename(folder)
    again.verify()
    with pytest.raises(ValueError, match="was closed"):
        pickle.loads(closed)["a_000"]  # noqa: S301


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_read_the_set_of_their_parent(folder: Path, method: str) -> None:
    context = multiprocessing.get_context(method)
    with Dataset(folder) as dataset:
        # Read before, so that the LMDB is open when the processes begin, and after.
        assert dataset.frame("a_000", 0) == frames(1, 1)[0]
        answers = context.Queue()
        processes = [context.Process(target=frames_of, args=(dataset, "a_000", answers)) for _ in range(2)]
        for process in processes:
            process.start()
        found = [answers.get(timeout=60) for _ in processes]
        for process in processes:
            process.join()
            assert process.exitcode == 0
        assert list(dataset.frames("a_000")) == frames(10, 1)
    assert len({process for process, _ in found} | {os.getpid()}) == 3
    assert all(content == frames(10, 1) for _, content in found)


def test_a_fork_that_python_does_not_see_opens_the_set_for_itself(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Dataset(folder) as dataset:
        dataset.frame("a_000", 0)
        opened = dataset._opened()
        before = opened.shared.environment
        monkeypatch.setattr("os.getpid", lambda: 1)
        dataset.frame("a_000", 0)
        assert opened.shared.environment is not before


def test_a_set_can_be_read_while_another_process_writes_it(folder: Path) -> None:
    """Clips that stay can be read at every moment; the map of the reader is outgrown meanwhile."""
    script = f"""
from pathlib import Path
from talkmill.dataset.writer import DatasetWriter
from tests.sets import SIZE, add
with DatasetWriter(Path({str(folder)!r}), SIZE) as writer:
    print("begun", flush=True)
    for index in range(40):
        add(writer, f"d_{{index % 5:03}}", 100, seed=index)
    writer.remove("b_000")
    add(writer, "c_000", 6, seed=9)
"""
    read = 0
    with Dataset(folder) as dataset:
        with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout.readline() == b"begun\n"
            while process.poll() is None:
                dataset.verify_clip("a_000")
                read += 1
        assert process.returncode == 0
        assert read > 1
        dataset.verify_clip("a_000")
        with pytest.raises(DatasetError, match="clip b_000 was removed after the set was opened"):
            dataset.frame("b_000", 0)
        with pytest.raises(DatasetError, match="clip c_000 was written anew after the set was opened"):
            dataset["c_000"]
    assert len(verify(folder).clips) == 7


def test_a_set_that_was_replaced_is_not_taken_for_the_one_that_was_opened(folder: Path) -> None:
    with Dataset(folder) as dataset:
        folder.rename(folder.with_name("moved"))
        with DatasetWriter(folder, SIZE) as writer:
            add(writer, "a_000", 3)
        with pytest.raises(DatasetError, match="was replaced by another file"):
            dataset.frame("a_000", 0)


def test_a_folder_that_cannot_be_written_can_be_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "lock.mdb").unlink()
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with Dataset(folder) as dataset:
        dataset.verify()
    assert not (folder / "lock.mdb").exists()


def resident(use: Callable[[], object]) -> int:
    """Pages of mapped files that a process gains by doing something."""

    def pages() -> int:
        return int(Path("/proc/self/statm").read_text().split()[2])

    before = pages()
    use()
    return (pages() - before) * os.sysconf("SC_PAGE_SIZE")


def test_memory_stays_flat_over_a_whole_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As large as photographs, and not to be shrunk.
    noise = [np.random.default_rng(seed).bytes(100_000) for seed in range(100)]
    with DatasetWriter(tmp_path, SIZE) as writer:
        for name in ("a_000", "b_000", "c_000"):
            writer.add(name, "train", "x", iter(noise), arrays(100), {})
    monkeypatch.setattr(environment, "BYTES_PER_OPENING", 2 << 20)
    with Dataset(tmp_path) as dataset:
        assert resident(lambda: [frame for name in dataset for frame in dataset.frames(name) if not frame]) < 8 << 20


def test_the_package_imports_what_is_asked_for_alone() -> None:
    script = (
        "import sys, talkmill; assert not {'lmdb', 'numpy'} & set(sys.modules); assert 'Dataset' in dir(talkmill); "
        "talkmill.Dataset; assert 'lmdb' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        talkmill.nothing  # noqa: B018


def test_the_example_reads_a_set_with_pytorch(folder: Path) -> None:
    process = subprocess.run(
        [sys.executable, "examples/read_set.py", folder],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()
    # Of 10 and 5 frames, two and one are not valid.
    assert len(lines) == 2
    assert lines[0] == str({"image": (8, 3, SIZE, SIZE), "condition": (8, 7), "keypoint": (8, 68, 2)})
    assert lines[1] == str({"image": (5, 3, SIZE, SIZE), "condition": (5, 7), "keypoint": (5, 68, 2)})
    assert process.stderr == ""


def test_a_set_of_png_gives_the_pixels_that_were_written(tmp_path: Path) -> None:
    pictures = [np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE, 3), np.uint8) for seed in range(3)]
    with DatasetWriter(tmp_path, SIZE) as writer:
        coded = [cv2.imencode(".png", picture[..., ::-1])[1].tobytes() for picture in pictures]
        writer.add("a_000", "train", "x", iter(coded), arrays(3), {})
    with Dataset(tmp_path) as dataset:
        dataset.verify()
        assert list(dataset.frames("a_000")) == coded
        assert all(np.array_equal(*pair) for pair in zip(dataset.images("a_000"), pictures, strict=True))
        assert "PNG" in dataset.manifest.layout["frame"]
