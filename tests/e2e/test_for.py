"""`talkmill run --for`: sets that are for some layouts, of a real clip."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from talkmill.dataset import Dataset
from talkmill.sample import FRAME_COUNT
from tests.fixture_types import Cli, Sample

NAME = "sample_000"


@pytest.fixture(scope="module")
def for_latentsync(talkmill: Cli, sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("for") / "out"
    result = talkmill("run", sample[0], "--for", "latentsync", "--out", folder, "--person", "EileenCollins")
    assert result.returncode == 0, result.stderr
    told = " ".join(result.stderr.split())
    assert f"talkmill export {folder} --layout latentsync --out {folder}/layouts/latentsync" in told
    assert "look before you train" not in told, "there is no preview"
    return folder


def stages_of(folder: Path) -> set[str]:
    return {path.name for path in (folder / "work").iterdir()} - {"pack", "scratch"}


def exported(talkmill: Cli, folder: Path, layout: str) -> Path:
    out = folder / "layouts" / layout
    result = talkmill("export", folder, "--layout", layout, "--out", out)
    assert result.returncode == 0, result.stderr
    return out


def test_a_set_for_latentsync_is_made_without_matte_and_fit(talkmill: Cli, for_latentsync: Path) -> None:
    assert stages_of(for_latentsync) == {"download", "split", "crop", "landmarks"}
    assert talkmill("dataset", "verify", for_latentsync).stdout == "1 clip, 100 frames: whole\n"
    shown = talkmill("dataset", "inspect", for_latentsync)
    assert shown.returncode == 0
    (row,) = [line.replace("\u2502", "|").split("|") for line in shown.stdout.splitlines() if NAME in line]
    assert [cell.strip() for cell in row[1:-1]] == [NAME, "train", "100", "100.0%", "-", "-", "EileenCollins"]
    out = exported(talkmill, for_latentsync, "latentsync")
    checked = talkmill("check", out)
    assert checked.returncode == 0, checked.stderr
    assert "nothing that latentsync would trip over" in " ".join(checked.stdout.split())


def test_its_landmarks_are_those_of_a_full_set(for_latentsync: Path, dataset: Path) -> None:
    """They are measured before the person's own background: by a fraction of a pixel they lie elsewhere."""
    with Dataset(for_latentsync) as less, Dataset(dataset) as full:
        one, other = less[NAME].arrays, full[NAME].arrays
        image = less.image(NAME, 0)
    apart = np.linalg.norm(one.keypoint - other.keypoint, axis=-1)
    assert len(apart) == FRAME_COUNT
    assert apart.mean() < 1.5, "pixels at 512"
    corner = image[:40, :40].astype(int)
    assert np.abs(corner - 255).mean() > 20, "no white behind the person"


def test_an_export_that_needs_more_says_how_to_have_it(talkmill: Cli, for_latentsync: Path, tmp_path: Path) -> None:
    result = talkmill("export", for_latentsync, "--layout", "gagavatar", "--out", tmp_path / "out")
    assert result.returncode == 1
    told = " ".join(result.stderr.split())
    assert "made without alpha, which the layout gagavatar needs" in told
    assert f"`talkmill run ... --for gagavatar --out {for_latentsync}`" in told


def test_a_set_for_two_layouts_has_the_matte_that_one_needs(talkmill: Cli, sample: Sample, tmp_path: Path) -> None:
    words = ("run", sample[0], "--range", "0-2.4", "--out", tmp_path, "--matting", "draft")
    result = talkmill(*words, "--for", "latentsync, gagavatar")
    assert result.returncode == 0, result.stderr
    assert stages_of(tmp_path) == {"download", "split", "matting", "crop", "landmarks"}
    assert talkmill("dataset", "verify", tmp_path).returncode == 0
    exported(talkmill, tmp_path, "latentsync")
    heads = exported(talkmill, tmp_path, "gagavatar")
    assert json.loads((heads / "dataset.json").read_text())["train"]
    # More layouts, no more work: all that they are made of is there.
    again = talkmill(*words, "--for", "musetalk", "--for", "wav2lip,latentsync")
    assert "0 new results" in again.stderr
    told = " ".join(again.stderr.split())
    assert "musetalk takes 6.4 s at least, and no clip of this command is longer than 2.40 s" in told
    exported(talkmill, tmp_path, "wav2lip")


@pytest.mark.parametrize("words", [("--for", "lipsink"), ("--for", "latentsync,"), ("--for", "")])
def test_a_layout_that_there_is_not_is_told_before_any_work(
    talkmill: Cli, sample: Sample, tmp_path: Path, words: tuple[str, ...]
) -> None:
    result = talkmill("run", sample[0], "--out", tmp_path / "out", *words)
    assert result.returncode == 1
    assert "--for there is no layout" in result.stderr
    assert not (tmp_path / "out").exists()


def test_faces_of_the_export_are_upright_and_have_their_own_background(talkmill: Cli, for_latentsync: Path) -> None:
    video = cv2.VideoCapture(str(exported(talkmill, for_latentsync, "latentsync") / f"train/{NAME}.mp4"))
    frame = video.read()[1].astype(int)
    assert frame.shape == (512, 512, 3)
    assert (frame > 250).all(-1).mean() < 0.2, "no flat white"
