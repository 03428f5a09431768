"""The set as its readers see it: OTAvatar's and PIRender's key scheme is written out here, as their loaders use it."""

import errno
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import cv2
import lmdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkmill.dataset.environment import MAX_READERS, DatasetError, open_environment
from talkmill.dataset.lock import FolderBusyError
from talkmill.dataset.names import LONGEST_NAME, check_name, clip_name, slug, split_of_person
from talkmill.dataset.plain import write_plain
from talkmill.dataset.reader import Dataset, misread_angles, read_clip, read_manifest, size_folder, verify
from talkmill.dataset.writer import DatasetWriter
from talkmill.video.images import encode_image
from tests.sets import SIZE, add, arrays, contents, frames


def test_the_loaders_of_otavatar_and_pirender_read_it(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path, SIZE) as writer:
        add(writer, "person#clip_000", 12)
        add(writer, "other_000", 5, seed=1)
    env = lmdb.open(str(tmp_path), max_readers=32, readonly=True, lock=False, readahead=False, meminit=False)
    with env.begin(write=False) as txn:
        assert int(txn.get(b"length").decode("utf-8")) == 2
        name = "person#clip_000"
        count = int(txn.get(f"{name}-length".encode()).decode("utf-8"))
        assert count == 12
        coeff = np.frombuffer(txn.get(f"{name}-coeff_3dmm".encode()), np.float32).reshape(count, -1)
        assert coeff.shape == (12, 260)
        condition = np.frombuffer(txn.get(f"{name}-condition".encode()), dtype=np.float32).reshape(count, -1)
        assert condition.shape == (12, 7)
        keypoint = np.frombuffer(txn.get(f"{name}-keypoint".encode()), dtype=np.float32).reshape(count, 68, 2)
        assert np.array_equal(keypoint, arrays(12).keypoint)
        for index in range(count):
            image = cv2.imdecode(np.frombuffer(txn.get(f"{name}-{index:07d}".encode()), np.uint8), cv2.IMREAD_COLOR)
            assert image.shape == (SIZE, SIZE, 3)
    env.close()
    assert name.split("#")[0] == "person"


def test_frames_are_nearly_the_pixels() -> None:
    image = np.full((SIZE, SIZE, 3), (200, 40, 90), np.uint8)
    decoded = cv2.imdecode(np.frombuffer(encode_image(image), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(decoded.astype(int) - image).max() <= 2


def test_what_was_written_reads_back(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path, SIZE) as writer:
        add(writer, "clip_000", 450)
    clip = read_clip(tmp_path, "clip_000")
    assert clip.meta == {"person": "a"}
    assert np.array_equal(clip.arrays.coefficients, arrays(450).coefficients)
    assert np.array_equal(clip.arrays.valid, arrays(450).valid)
    verify(tmp_path)


def test_a_set_is_continued(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path, SIZE) as writer:
        add(writer, "a_000")
    with DatasetWriter(tmp_path, SIZE) as writer:
        assert writer.has("a_000", "print0")
        assert not writer.has("a_000", "another")
        add(writer, "b_000", seed=2)
    assert sorted(verify(tmp_path).clips) == ["a_000", "b_000"]


def test_a_clip_is_replaced_whole(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path, SIZE) as writer:
        add(writer, "a_000", 300)
        add(writer, "a_000", 5, seed=3)
    assert read_manifest(tmp_path).clips["a_000"].frame_count == 5
    assert len([key for key in contents(tmp_path) if key.startswith(b"a_000-")]) == 5 + 8
    verify(tmp_path)


def test_removing_a_clip_leaves_the_others(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path, SIZE) as writer:
        add(writer, "a_000", 250)
        add(writer, "a_0001", seed=1)
        writer.remove("a_000")
    assert not [key for key in contents(tmp_path) if key.startswith(b"a_000-")]
    assert list(verify(tmp_path).clips) == ["a_0001"]


def test_a_crash_inside_a_clip_leaves_no_trace(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "clean", SIZE) as writer:
        add(writer, "a_000")

    def dies() -> object:
        yield from frames(420)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), DatasetWriter(tmp_path / "crashed", SIZE) as writer:
        add(writer, "a_000")
        writer.add("b_000", "train", "x", dies(), arrays(500), {})
    assert b"pending" in contents(tmp_path / "crashed")
    with DatasetWriter(tmp_path / "crashed", SIZE):
        pass
    assert contents(tmp_path / "crashed") == contents(tmp_path / "clean")


def test_the_map_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("talkmill.dataset.writer.FIRST_MAP_BYTES", 1 << 16)
    with DatasetWriter(tmp_path, SIZE) as writer:
        add(writer, "a_000", 300)
    verify(tmp_path)


def test_counts_that_differ_are_refused(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path, SIZE) as writer:
        with pytest.raises(ValueError, match="has 3 frames and values for 5"):
            writer.add("a_000", "train", "x", iter(frames(3)), arrays(5), {})
        assert writer.manifest.clips == {}
    assert b"a_000-0000000" not in contents(tmp_path)


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    bad = arrays(3)
    bad.condition[1, 2] = np.nan
    with DatasetWriter(tmp_path, SIZE) as writer, pytest.raises(ValueError, match="condition is not finite"):
        writer.add("a_000", "train", "x", iter(frames(3)), bad, {})


def test_another_size_or_another_tool_is_refused(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "a", SIZE) as writer:
        add(writer, "a_000")
    with pytest.raises(ValueError, match="images of 32 pixels, 64"):
        DatasetWriter(tmp_path / "a", 64)
    (tmp_path / "b").mkdir()
    with lmdb.open(str(tmp_path / "b")) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"length", b"0000001")
    with pytest.raises(ValueError, match="another tool"):
        DatasetWriter(tmp_path / "b", SIZE)


@pytest.mark.parametrize(("free", "number"), [(0, errno.ENOSPC), (1 << 40, errno.EIO)])
def test_a_full_disk_is_told_from_a_broken_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, number: int
) -> None:
    def breaks_writing(write: bool = False) -> object:
        if not write:
            return environment.begin()
        raise lmdb.Error("mdb_txn_commit: Input/output error")

    with DatasetWriter(tmp_path, SIZE) as writer:
        monkeypatch.setattr("shutil.disk_usage", lambda path: shutil._ntuple_diskusage(1 << 40, 0, free))
        environment = writer._environment
        monkeypatch.setattr(writer, "_environment", SimpleNamespace(begin=breaks_writing, sync=bool))
        with pytest.raises(OSError) as caught:
            add(writer, "a_000")
    assert caught.value.errno == number


def test_what_is_no_lmdb_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"x" * 10_000)
    with pytest.raises(ValueError, match="move it away"):
        DatasetWriter(tmp_path, SIZE)
    with pytest.raises(DatasetError, match="is no LMDB that can be read"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("damage", ["frame", "value", "missing", "length"])
def test_damage_is_found(tmp_path: Path, damage: str) -> None:
    with DatasetWriter(tmp_path, SIZE) as writer:
        add(writer, "a_000")
    with lmdb.open(str(tmp_path)) as environment, environment.begin(write=True) as transaction:
        if damage == "frame":
            transaction.put(b"a_000-0000004", frames(1, seed=9)[0])
        elif damage == "value":
            transaction.put(b"a_000-condition", arrays(10, seed=9).condition.tobytes())
        elif damage == "missing":
            transaction.delete(b"a_000-keypoint")
        else:
            transaction.put(b"length", b"0000007")
    with pytest.raises(DatasetError, match=r"checksum|no key|length says"):
        verify(tmp_path)


def test_lists_that_differ_are_found(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "32", SIZE) as writer:
        add(writer, "a_000", split="test")
    (tmp_path / "train_list.txt").write_text("")
    (tmp_path / "test_list.txt").write_text("a_000\n")
    verify(size_folder(tmp_path))
    (tmp_path / "test_list.txt").write_text("b_000\n")
    with pytest.raises(DatasetError, match="test_list"):
        verify(size_folder(tmp_path))


@given(st.text(max_size=300), st.integers(0, 999), st.one_of(st.none(), st.text(min_size=1, max_size=50)))
def test_any_text_becomes_a_name_that_is_a_key(text: str, index: int, person: str | None) -> None:
    name = clip_name(slug(text), index, person)
    check_name(name)
    assert "-" not in name
    assert len(slug(text)) <= LONGEST_NAME


def test_names_that_users_know_stay() -> None:
    assert clip_name("RD_Radio11", 0, None) == "RD_Radio11_000"
    assert slug("Ünïcödé näme") == "Unicode_name"
    assert slug("视频") != slug("影片")
    with pytest.raises(ValueError, match="is not of"):
        check_name("a-b")


def test_a_persons_split_never_changes() -> None:
    people = [f"person{index}" for index in range(2000)]
    splits = [split_of_person(person) for person in people]
    assert splits == [split_of_person(person) for person in people]
    assert 0.07 < splits.count("test") / len(splits) < 0.13


def test_a_second_writer_is_refused_and_told_who_writes(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path, SIZE) as writer:
        with pytest.raises(FolderBusyError, match=rf"another writer \(pid {os.getpid()} on .*, since .*\) works in"):
            DatasetWriter(tmp_path, SIZE)
        add(writer, "a_000")
    with DatasetWriter(tmp_path, SIZE) as writer:
        assert list(writer.manifest.clips) == ["a_000"]


def test_a_set_with_the_other_sign_is_told_apart(tmp_path: Path) -> None:
    """talkmill 0.1 wrote the versions of the stages into `-meta`; its fine_fit was version 2."""
    with DatasetWriter(tmp_path, SIZE) as writer:
        for name, version in (("old_000", "2"), ("new_000", "3")):
            writer.add(name, "train", "x", iter(frames(3)), arrays(3), {"stages": {"fine_fit": version, "pack": "3"}})
    with Dataset(tmp_path) as dataset:
        assert [name for name in dataset if misread_angles(dataset.meta(name))] == ["old_000"]
    with pytest.raises(DatasetError, match=r"1 of 2 clips were made by talkmill 0\.1: .* the other sign"):
        verify(tmp_path)
    assert len(read_manifest(tmp_path).clips) == 2


def test_an_empty_folder_has_no_set(tmp_path: Path) -> None:
    with pytest.raises(DatasetError):
        open_environment(tmp_path, readonly=True, lock=False)


def test_the_table_of_readers_has_its_place_on_the_disk(tmp_path: Path) -> None:
    """LMDB writes it through a map: a hole in it ends the process on a full disk."""
    write_plain(tmp_path / "plain", [[("a", b"1")]], 1, 1)
    with DatasetWriter(tmp_path, 64):
        pass
    for file in (tmp_path / "lock.mdb", tmp_path / "plain/lock.mdb"):
        told = file.stat()
        assert told.st_blocks * 512 >= told.st_size >= 64 * MAX_READERS


def test_a_full_disk_is_told_before_lmdb_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("talkmill.dataset.environment.LOCK_BYTES", 1 << 62)
    monkeypatch.setattr("talkmill.dataset.environment.bytes", lambda count: b"as much as fits", raising=False)
    with pytest.raises(OSError, match=r"No space left on device: .*lock\.mdb"):
        write_plain(tmp_path / "plain", [], 0, 0)
    assert not list((tmp_path / "plain").iterdir())
