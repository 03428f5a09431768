"""What a run leaves in its folder, whatever was run, or killed, in it before."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from talkmill.dataset.lock import FolderBusyError, locked
from talkmill.dataset.reader import read_manifest, verify
from talkmill.stage.errors import InvalidRequestError, NotWritableError
from tests.made_up_stages import SIZE, made_up_stages, run_made_up, write_sources
from tests.unit.dataset.test_dataset import contents

ROOT = Path(__file__).parents[3]


def set_of(folder: Path) -> dict[bytes, bytes]:
    verify(folder / "lmdb" / str(SIZE))
    return contents(folder / "lmdb" / str(SIZE))


def run_killed_in_pack(folder: Path, point: str, *inputs: Path) -> int:
    """Run files in a process that is killed where pack reaches a point."""
    script = f"""
import os, signal
from pathlib import Path
from talkmill.dataset import lists, writer
from tests.made_up_stages import run_made_up

def reached(found):
    if found == {point!r}:
        os.kill(os.getpid(), signal.SIGKILL)
writer.reached = lists.reached = reached
run_made_up(Path({str(folder)!r}), *map(Path, {[str(path) for path in inputs]!r}))
"""
    return subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode


@pytest.mark.parametrize("point", ["clip is to be written", "clip is written", "list is to be written"])
def test_a_run_after_one_that_was_killed_in_pack_finds_the_set_and_not_its_memory(tmp_path: Path, point: str) -> None:
    """A; B killed in pack; A again: all of A is there, and the lists are those of the set."""
    a, b, c = write_sources(tmp_path / "in", "a.mp4", "b.mp4", "c.mp4")
    run_made_up(tmp_path / "out", a, b)
    before = set_of(tmp_path / "out")
    assert run_killed_in_pack(tmp_path / "out", point, c) == -signal.SIGKILL
    summary = run_made_up(tmp_path / "out", a, b)
    assert summary.packed == ("a_000", "b_000")
    after = set_of(tmp_path / "out")
    assert before.keys() <= after.keys()
    run_made_up(tmp_path / "out", c)
    run_made_up(tmp_path / "calm", a, b)
    run_made_up(tmp_path / "calm", c)
    assert set_of(tmp_path / "out") == set_of(tmp_path / "calm")
    assert (tmp_path / "out/lmdb/train_list.txt").read_text().split() == ["a_000", "b_000", "c_000"]


def test_the_set_in_the_folder_is_asked_and_no_record_of_it(tmp_path: Path) -> None:
    (a,) = write_sources(tmp_path / "in", "a.mp4")
    run_made_up(tmp_path / "out", a)
    whole = set_of(tmp_path / "out")
    for name in ("data.mdb", "lock.mdb"):
        (tmp_path / "out/lmdb" / str(SIZE) / name).unlink()
    assert run_made_up(tmp_path / "out", a).packed == ("a_000",)
    assert set_of(tmp_path / "out") == whole
    assert not list((tmp_path / "out/work/pack").glob("*/manifest.json"))


def test_a_second_run_of_the_same_does_nothing(tmp_path: Path) -> None:
    (a,) = write_sources(tmp_path / "in", "a.mp4")
    assert run_made_up(tmp_path / "out", a).executed == len(made_up_stages(tmp_path))
    assert run_made_up(tmp_path / "out", a).executed == 0


def test_a_run_in_a_folder_that_another_works_in_ends_and_harms_nothing(tmp_path: Path) -> None:
    (a,) = write_sources(tmp_path / "in", "a.mp4")
    with locked(tmp_path / "out", "run"):
        (tmp_path / "out/work/scratch").mkdir(parents=True)
        with pytest.raises(FolderBusyError, match=rf"another run \(pid {os.getpid()} on .* works in .*out; wait"):
            run_made_up(tmp_path / "out", a)
        assert (tmp_path / "out/work/scratch").is_dir()
    assert run_made_up(tmp_path / "out", a).packed == ("a_000",)


def test_a_set_that_is_cut_short_is_told_before_any_work(tmp_path: Path) -> None:
    (a,) = write_sources(tmp_path / "in", "a.mp4")
    run_made_up(tmp_path / "out", a)
    database = tmp_path / "out/lmdb" / str(SIZE) / "data.mdb"
    os.truncate(database, database.stat().st_size // 2)
    events: list[object] = []
    with pytest.raises(NotWritableError, match=r"data\.mdb is cut short"):
        run_made_up(tmp_path / "out", a, emit=events.append)
    assert not events


def test_what_people_do_to_sound_and_preview_does_not_reach_the_store(tmp_path: Path) -> None:
    (a,) = write_sources(tmp_path / "in", "a.mp4")
    run_made_up(tmp_path / "out", a)
    shown = [tmp_path / "out/audio/a_000.wav", tmp_path / "out/preview/a_000.jpg"]
    kept = {path: path.read_bytes() for path in (tmp_path / "out/work").rglob("*") if path.is_file()}
    for path in shown:
        with path.open("r+b") as file:
            file.write(b"scribble")
    assert {path: path.read_bytes() for path in kept} == kept
    whole = [path.read_bytes() for path in shown]
    run_made_up(tmp_path / "out", a)
    assert [path.read_bytes() for path in shown] != whole


def test_pack_refuses_two_clips_of_one_name(tmp_path: Path) -> None:
    from orchestrator.folders import WORK_BUCKET, open_store
    from services.pack.messages import PackedClip, PackInputs, PackParameters, encode_clips
    from talkmill.artifacts.artifact import Artifact, sha256_of
    from talkmill.stage.execution import execute

    nothing = Artifact(WORK_BUCKET, "x", "0" * 64, 1, "t")
    clip = PackedClip("a_000", "train", nothing, nothing, nothing, nothing)
    listed = tmp_path / "clips.jsonl"
    listed.write_bytes(encode_clips([clip, clip]))
    assert sha256_of(listed)
    store = open_store(tmp_path)
    inputs = PackInputs(store.put(listed, WORK_BUCKET, "clips.jsonl", "application/jsonl"), (), PackParameters(SIZE))
    with pytest.raises(InvalidRequestError, match="1 names stand for two clips each, such as a_000"):
        execute(made_up_stages(tmp_path)["pack"], inputs, store, WORK_BUCKET, tmp_path / "scratch")


def test_two_runs_with_the_same_names_keep_both(tmp_path: Path) -> None:
    (a,) = write_sources(tmp_path / "in", "a.mp4")
    run_made_up(tmp_path / "out", a)
    other = tmp_path / "other/a.mp4"
    other.parent.mkdir()
    other.write_bytes(b"another video" * 100)
    run_made_up(tmp_path / "out", other)
    run_made_up(tmp_path / "out", a, other)
    names = list(read_manifest(tmp_path / "out/lmdb" / str(SIZE)).clips)
    assert len(names) == 2 and "a_000" in names
