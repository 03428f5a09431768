"""The folder layout: every clip of the set, whatever commands made it."""

import json
import os
import shutil
from pathlib import Path

import cv2
import lmdb
import numpy as np
import pytest
from scipy.io import loadmat

from talkmill.cli import dataset as cli
from talkmill.cli.outcome import EXIT_OK, EXIT_SOME_REJECTED, CommandError
from talkmill.dataset.manifest import DamagedEntryError
from talkmill.dataset.reader import read_clip, read_manifest
from talkmill.layouts import otavatar_processing as export_module
from talkmill.layouts.otavatar_processing import CLIP_FILES
from talkmill.models.repository import ModelRepository
from talkmill.pipeline.finished import ClipGoneError, NoWorkError
from tests.exports import OneHead, export, make_set
from tests.made_up_stages import FRAMES, RATE, SIZE, run_made_up, write_sources
from tests.sets import contents


@pytest.fixture
def heads(tmp_path: Path) -> ModelRepository:
    return OneHead(tmp_path)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A set of four commands."""
    make_set(tmp_path / "set", tmp_path / "in")
    return tmp_path / "set"


def listed(run: Path) -> list[str]:
    return [line for split in ("train", "test") for line in (run / f"lmdb/{split}_list.txt").read_text().split()]


def exported(out: Path, step: str, suffix: str) -> list[str]:
    return sorted(path.stem for path in (out / f"set_{step}").rglob(f"*{suffix}"))


def test_every_clip_of_the_lists_is_exported_whatever_commands_made_the_set(
    run: Path, heads: ModelRepository, tmp_path: Path
) -> None:
    assert len(json.loads((run / "report.json").read_text())["clips"]) == 1
    result = export(run, heads, tmp_path / "out")
    names = listed(run)
    assert len(names) == 4
    assert {"a_000", "b_000", "c_000"} < set(names)
    assert sorted(result.written) == sorted(names)
    for step, suffix in CLIP_FILES:
        assert exported(tmp_path / "out", step, suffix) == sorted(names)
    assert contents(tmp_path / f"out/set_lmdb/{SIZE}") == contents(run / f"lmdb/{SIZE}")
    for split in ("train", "test"):
        assert (tmp_path / f"out/set_lmdb/{split}_list.txt").read_bytes() == (
            run / f"lmdb/{split}_list.txt"
        ).read_bytes()


def test_a_file_of_the_users_is_never_written_over(run: Path, heads: ModelRepository, tmp_path: Path) -> None:
    out = tmp_path / "out"
    mine = out / "set_kp/train/b_000.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    result = export(run, heads, out)
    assert [name for name, _ in result.failed] == ["b_000"]
    assert f"{mine} is there and was not written by this export" in result.failed[0][1]
    assert mine.read_text() == "mine"
    assert not list(out.rglob("b_000.mat"))
    mine.unlink()
    assert export(run, heads, out).written == ("b_000",)


def test_values_are_those_of_the_set(run: Path, heads: ModelRepository, tmp_path: Path) -> None:
    """As prepare_lmdb.py reads them: what it makes of the folders is what the set holds."""
    export(run, heads, tmp_path / "out")
    for name in listed(run):
        arrays = read_clip(run / f"lmdb/{SIZE}", name).arrays
        assert not arrays.valid.all()
        keypoint = np.loadtxt(tmp_path / f"out/set_kp/train/{name}.txt").astype(np.float32)
        assert keypoint.tobytes() == arrays.keypoint.tobytes()
        coarse = loadmat(tmp_path / f"out/set_3dmm/train/{name}.mat")
        columns = np.concatenate([coarse["coeff"], coarse["transform_params"][:, 2:5]], 1)
        assert columns.astype(np.float32).tobytes() == arrays.coefficients.tobytes()
        fine = loadmat(tmp_path / f"out/set_inv_render/train/{name}.mat")
        condition = np.hstack([-fine["euler"], fine["trans"], np.repeat(fine["focal"], FRAMES, 0)])
        assert condition.tobytes() == arrays.condition.tobytes()
        assert fine["id"].tobytes() == arrays.identity.tobytes()
        assert fine["exp"].shape == (FRAMES, 79)


def test_videos_have_the_frames_rate_and_colours_of_the_clip(run: Path, heads: ModelRepository, tmp_path: Path) -> None:
    export(run, heads, tmp_path / "out")
    for step in ("split", "matting_raw", "matting", "inv_debug"):
        video = cv2.VideoCapture(str(tmp_path / f"out/set_{step}/train/a_000.mp4"))
        assert (video.get(cv2.CAP_PROP_FRAME_COUNT), video.get(cv2.CAP_PROP_FPS)) == (FRAMES, RATE)
        video.release()
    stored = contents(run / f"lmdb/{SIZE}")[b"a_000-0000000"]
    truth = cv2.imdecode(np.frombuffer(stored, np.uint8), cv2.IMREAD_COLOR)
    _, found = cv2.VideoCapture(str(tmp_path / "out/set_matting/train/a_000.mp4")).read()
    middles = np.s_[3::8, 3::8]
    assert np.abs(found[middles].astype(int) - truth[middles]).mean() < 4


def test_a_second_export_writes_nothing_anew(run: Path, heads: ModelRepository, tmp_path: Path) -> None:
    export(run, heads, tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.m*") if path.is_file()}
    result = export(run, heads, tmp_path / "out")
    assert (result.written, sorted(result.kept)) == ((), sorted(listed(run)))
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.m*") if path.is_file()} == before


def test_a_file_that_was_deleted_comes_back(run: Path, heads: ModelRepository, tmp_path: Path) -> None:
    export(run, heads, tmp_path / "out")
    (tmp_path / "out/set_kp/train/a_000.txt").unlink()
    assert export(run, heads, tmp_path / "out").written == ("a_000",)
    assert (tmp_path / "out/set_kp/train/a_000.txt").is_file()


def test_clips_that_left_the_set_leave_the_export(run: Path, heads: ModelRepository, tmp_path: Path) -> None:
    """So do those whose place in the lists changed; a file of the user's stays, and is told of."""
    export(run, heads, tmp_path / "out")
    mine = tmp_path / "out/set_kp/train/mine.txt"
    mine.write_text("1")
    (a,) = write_sources(tmp_path / "in", "a.mp4")
    shutil.rmtree(run)
    run_made_up(run, a)
    result = export(run, heads, tmp_path / "out")
    assert result.kept == ("a_000",)
    assert result.strangers == (mine,)
    assert exported(tmp_path / "out", "matting", ".mp4") == ["a_000"]
    assert exported(tmp_path / "out", "kp", ".txt") == ["a_000", "mine"]


def artifact(run: Path, name: str, kind: str) -> Path:
    return run / "work" / read_clip(run / f"lmdb/{SIZE}", name).meta["made_from"][kind]["key"]


def test_a_clip_whose_files_are_gone_is_told_and_the_others_go_on(
    run: Path, heads: ModelRepository, tmp_path: Path
) -> None:
    artifact(run, "a_000", "alpha").unlink()
    damaged = artifact(run, "c_000", "landmarks")
    damaged.write_bytes(damaged.read_bytes()[::-1])
    result = export(run, heads, tmp_path / "out")
    assert len(result.written) == len(listed(run)) - 2
    failed = dict(result.failed)
    assert failed.keys() == {"a_000", "c_000"}
    assert "alpha.mkv is not there any more; run its source again" in failed["a_000"]
    assert f"is damaged; delete {damaged.parent}" in failed["c_000"]
    for step, suffix in CLIP_FILES:
        assert exported(tmp_path / "out", step, suffix) == sorted(result.written)


def test_the_command_says_what_was_exported_and_its_exit_code_too(
    run: Path,
    heads: ModelRepository,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(cli, "open_models", lambda settings, console: heads)
    assert cli.export_dataset(run, tmp_path / "out", name="set") == EXIT_OK
    assert f"4 clips in {tmp_path / 'out'}\n" in capsys.readouterr().out
    assert cli.export_dataset(run, tmp_path / "out", name="set") == EXIT_OK
    assert "4 clips in" in (told := capsys.readouterr().out) and "4 of them written before" in told
    artifact(run, "a_000", "video").unlink()
    assert cli.export_dataset(run, tmp_path / "again", name="set") == EXIT_SOME_REJECTED
    told = capsys.readouterr()
    assert "3 clips in" in told.out
    assert "a_000 was not exported" in told.err
    shutil.rmtree(run / "work")
    with pytest.raises(CommandError, match="no `work` folder"):
        cli.export_dataset(run, tmp_path / "out", name="set")


def test_what_is_told_to_do_helps(run: Path, heads: ModelRepository, tmp_path: Path) -> None:
    artifact(run, "a_000", "alpha").unlink()
    shutil.rmtree(artifact(run, "c_000", "landmarks").parent)
    assert export(run, heads, tmp_path / "out").failed
    run_made_up(run, tmp_path / "in/a.mp4", tmp_path / "in/c.mp4")
    result = export(run, heads, tmp_path / "out")
    assert sorted(result.written) == ["a_000", "c_000"]
    assert not result.failed


def test_a_set_without_its_work_is_told_before_anything_is_written(
    run: Path, heads: ModelRepository, tmp_path: Path
) -> None:
    shutil.rmtree(run / "work")
    with pytest.raises(
        NoWorkError, match=r"no `work` folder, as `talkmill fetch` leaves it.*can be trained on as it is"
    ):
        export(run, heads, tmp_path / "out")
    (run / "work").mkdir()
    with pytest.raises(ClipGoneError, match="nothing was written"):
        export(run, heads, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_set_in_a_folder_that_is_read_only_is_exported_and_not_written_into(
    run: Path, heads: ModelRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The superuser may write everywhere, so what the system answers is put into its mouth."""
    folder = run / f"lmdb/{SIZE}"
    for file in [path for path in folder.iterdir() if path.name != "data.mdb"]:
        file.unlink()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert export(run, heads, tmp_path / "out").written
    assert [path.name for path in folder.iterdir()] == ["data.mdb"]


def test_the_set_is_copied_as_it_was_while_somebody_writes_into_it(
    run: Path, heads: ModelRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clip that comes after the copy is in neither the lists nor the folders."""
    from talkmill.layouts import otavatar_processing as module

    (d,) = write_sources(tmp_path / "more", "d.mp4")
    copy_set = module.copy_set

    def copy_and_go_on(folder: Path, target: Path) -> object:
        manifest = copy_set(folder, target)
        run_made_up(run, d)
        return manifest

    before = sorted(listed(run))
    monkeypatch.setattr(module, "copy_set", copy_and_go_on)
    result = export(run, heads, tmp_path / "out")
    assert sorted(result.written) == before
    assert "d_000" in listed(run)
    assert sorted(read_manifest(tmp_path / f"out/set_lmdb/{SIZE}").clips) == before


def test_a_set_that_a_killed_writer_left_is_exported_with_its_database(
    run: Path, heads: ModelRepository, tmp_path: Path
) -> None:
    """talkmill 0.1 could leave a clip both in the manifest and marked for removal: the copy leaves it out."""
    with (
        lmdb.open(str(run / f"lmdb/{SIZE}")) as environment,
        environment.begin(write=True) as transaction,
    ):
        transaction.put(b"pending", b"a_000")
    for _ in range(2):
        result = export(run, heads, tmp_path / "out")
        assert not result.failed
        database = tmp_path / f"out/set_lmdb/{SIZE}"
        assert "a_000" not in read_manifest(database).clips
        assert len(read_manifest(database).clips) == len(result.written) + len(result.kept)
    assert not list((tmp_path / "out").glob(".set-*"))


def test_a_run_that_commits_while_the_set_is_copied_takes_nothing_from_the_export(
    run: Path, heads: ModelRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = export_module.copy_set
    (late,) = write_sources(tmp_path / "late", "late.mp4")

    def copied(folder: Path, target: Path) -> object:
        run_made_up(run, late)
        return copy(folder, target)

    monkeypatch.setattr(export_module, "copy_set", copied)
    result = export(run, heads, tmp_path / "out")
    names = list(read_manifest(tmp_path / f"out/set_lmdb/{SIZE}").clips)
    assert "late_000" in names
    assert sorted(names) == sorted(result.written)


def test_a_set_with_a_damaged_entry_is_refused_before_anything_is_written(
    run: Path, heads: ModelRepository, tmp_path: Path
) -> None:
    export(run, heads, tmp_path / "out")
    before = sorted(path for path in (tmp_path / "out").rglob("*"))
    with lmdb.open(str(run / f"lmdb/{SIZE}")) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"clip/b_000", b"{")
    for out in (tmp_path / "out", tmp_path / "new"):
        with pytest.raises(DamagedEntryError, match="the entry of clip b_000 is damaged"):
            export(run, heads, out)
    assert sorted(path for path in (tmp_path / "out").rglob("*")) == before
    assert not (tmp_path / "new").exists()
