"""What the readers of AD-NeRF's heirs assert, said again in our own words, of what the sample's set is exported to."""

import csv
import json
import wave
from pathlib import Path

import cv2
import numpy as np
import pytest

from talkmill.landmarks.points import INNER
from talkmill.models.repository import ModelRepository
from talkmill.morphable.model import MorphableModel
from talkmill.sample import FRAME_COUNT
from talkmill.stages.records import ClipFaceMesh, FineFit
from tests.e2e.test_layouts import NAME, decord_reads, export, sound_of
from tests.fixture_types import Cli


@pytest.fixture(scope="module")
def clip(talkmill: Cli, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("adnerf")
    export(talkmill, dataset, out, "adnerf", "--least-seconds", "3")
    assert (out / "train.txt").read_text() == f"{NAME}\n"
    assert talkmill("check", out, "--layout", "adnerf").returncode == 0
    return out / NAME


def cameras(clip: Path) -> tuple[float, tuple[float, float], dict[int, np.ndarray]]:
    """Focal length, principal point, and camera to world of every frame."""
    splits = [json.loads((clip / f"transforms_{split}.json").read_text()) for split in ("train", "val")]
    assert [len(split["frames"]) for split in splits] == [FRAME_COUNT * 10 // 11, FRAME_COUNT - FRAME_COUNT * 10 // 11]
    rows = [row for split in splits for row in split["frames"]]
    assert [row["img_id"] for row in rows] == [row["aud_id"] for row in rows] == list(range(FRAME_COUNT))
    (focal, *_), (centre, *_) = (
        [split["focal_len"] for split in splits],
        [(split["cx"], split["cy"]) for split in splits],
    )
    return focal, centre, {row["img_id"]: np.array(row["transform_matrix"]) for row in rows}


def test_nerf_dataset(clip: Path) -> None:
    """provider.py of RAD-NeRF 0de5ed2, ER-NeRF 0cf72d8, SyncTalk d2427a3."""
    _, centre, matrices = cameras(clip)
    width, height = (int(side) * 2 for side in centre)
    assert sorted(path.name for path in clip.glob("*.json")) == ["transforms_train.json", "transforms_val.json"]
    background = cv2.imread(str(clip / "bc.jpg"), cv2.IMREAD_UNCHANGED)
    with (clip / "au.csv").open() as rows:
        blink = [float(row[" AU45_r"]) for row in csv.DictReader(rows)]
    shapes = np.load(clip / "bs.npy")
    assert len(blink) == len(shapes) == len(matrices)
    assert np.hstack((shapes[:, 0:5], shapes[:, 8:10])).shape[1] == 7
    # The sample is a photograph that talks: it never blinks.
    assert min(blink) >= 0 and max(blink) < 1 and np.ptp(blink) > 0
    for number in matrices:
        picture = cv2.imread(str(clip / f"gt_imgs/{number}.jpg"), cv2.IMREAD_UNCHANGED)
        torso = cv2.imread(str(clip / f"torso_imgs/{number}.png"), cv2.IMREAD_UNCHANGED)
        whole = cv2.imread(str(clip / f"ori_imgs/{number}.jpg"))
        face = (255 - cv2.imread(str(clip / f"parsing/{number}_face.png"))[:, :, 1]) / 255.0
        assert picture.shape == background.shape == whole.shape == (height, width, 3) and torso.shape == (
            height,
            width,
            4,
        )
        assert face.max() == 1 and 0.05 < face.mean() < 0.5
        points = np.loadtxt(clip / f"ori_imgs/{number}.lms")
        assert points.shape == (68, 2)
        x0, y0, x1, y1 = *points.min(0).astype(int), *points.max(0).astype(int)
        assert 0 <= x0 < x1 < width and 0 <= y0 < y1 < height
        # The middle of the face is that of the frame; the torso has none.
        middle = np.s_[(3 * y0 + y1) // 4 : (y0 + 3 * y1) // 4, (3 * x0 + x1) // 4 : (x0 + 3 * x1) // 4]
        assert np.abs(picture.astype(int) - whole)[middle].max() < 16
        assert not torso[y0 : (2 * y0 + y1) // 3, x0:x1, 3].any()


def test_gaussian_cameras(clip: Path) -> None:
    """dataset_readers.py of TalkingGaussian 9bd34f7, InsTaG 42f68f8."""
    with (clip / "au.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert np.isfinite([[float(row[f" AU{unit:02}_r"]) for unit in (1, 4, 5, 6, 7, 25, 45)] for row in rows]).all()
    shares = []
    for number in range(FRAME_COUNT):
        blue, green, red = np.moveaxis(cv2.imread(str(clip / f"parsing/{number}.png")).astype(float), -1, 0)
        teeth = np.load(clip / f"teeth_mask/{number}.npy")
        face = (blue > 254) * (red == 0) * (green == 0) ^ teeth
        mouth = (red == 100) * (green == 100) * (blue == 100) + teeth
        assert face.shape == mouth.shape == blue.shape and face.dtype == mouth.dtype == bool
        assert not (face & mouth).any() and 0.1 < face.mean() < 0.7
        shares.append(mouth.mean())
    # The sample's mouth opens and shuts.
    opened = [float(row[" AU25_r"]) for row in rows]
    assert np.corrcoef(shares, opened)[0, 1] > 0.9 and max(opened) > 1


def test_the_head_lies_where_the_landmarks_are(clip: Path, dataset: Path, models: ModelRepository) -> None:
    """A pinhole of its own: camera to world, x right, y up, looking down -z; pixels are counted from the corner."""
    focal, centre, matrices = cameras(clip)
    (fit_file,) = (dataset / "work/fine_fit").glob("*/fit.npz")
    fit = FineFit.load(fit_file)
    head = MorphableModel.load(models.ensure("makehuman-head", "morphable").path)
    squared = []
    for number, matrix in matrices.items():
        vertices = head.shape(fit.id[: head.identity.shape[2]], fit.exp[number, : head.expression.shape[2]])
        metres = np.c_[head.landmark_rows(vertices) / 10, np.ones(68)]
        x, y, z, _ = np.linalg.inv(matrix) @ metres.T
        assert (z < -0.3).all()
        corner = np.stack([centre[0] + focal * x / -z, centre[1] - focal * y / -z], axis=1)
        points = np.loadtxt(clip / f"ori_imgs/{number}.lms")
        squared.append(((corner - 0.5 - points)[INNER] ** 2).sum(1).mean())
    assert np.sqrt(np.mean(squared)) * 512 / (2 * centre[0]) < 2


def test_video_and_sound_have_the_frames_of_the_cameras(clip: Path) -> None:
    count, width, height = decord_reads(clip / f"{NAME}.mp4")
    assert (count, width, height) == (FRAME_COUNT, 512, 512)
    with wave.open(str(clip / "aud.wav")) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (16000, 1, 2)
        assert sound.getnframes() == count * 640 <= len(sound_of(clip / f"{NAME}.mp4")) + 1024


def test_lids_are_those_of_the_mesh(clip: Path, dataset: Path) -> None:
    """Not those of the fitted head, which is smooth in time."""
    (mesh_file,) = (dataset / "work/landmarks").glob("*/face_mesh.npz")
    opening = ClipFaceMesh.load(mesh_file).eye_opening
    right = np.load(clip / "bs.npy")[:, 9]
    open_frames = right > 0
    assert np.corrcoef(opening[open_frames, 0], right[open_frames])[0, 1] == pytest.approx(-1)
