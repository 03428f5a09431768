"""What Wav2Lip is given of a clip: the box of a face, and no frame that was not measured."""

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from talkmill.layouts.layout import Piece
from talkmill.layouts.options import ExportOptions
from talkmill.layouts.wav2lip import Wav2Lip, face_region
from talkmill.region import Region


def points_within(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    """68 points that fill a box; the chin is the lowest."""
    points = np.random.default_rng(0).uniform((x0, y0), (x1, y1), (68, 2))
    points[0], points[16], points[19], points[8] = (x0, y0 + 5), (x1, y0 + 5), ((x0 + x1) / 2, y0), ((x0 + x1) / 2, y1)
    return points


@pytest.mark.parametrize(
    ("box", "wanted"),
    [
        ((20, 10, 80, 90), Region(20, 10, 60, 80)),  # the points lie well inside
        ((35, 25, 65, 60), Region(30, 20, 40, 63)),  # they lie outside: 5 % of 60 rows below the chin
        ((30, 20, 70, 82), Region(30, 20, 40, 63)),  # the chin lies two rows above the edge, and needs three of 62
    ],
)
def test_a_box_holds_the_points_and_what_is_below_the_chin(box: tuple[int, ...], wanted: Region) -> None:
    assert face_region(np.float32(box), points_within(30, 20, 70, 80), (200, 200)) == wanted


def test_a_box_stays_inside_the_frame() -> None:
    region = face_region(np.float32([-9, -9, 70, 99]), points_within(5, 5, 60, 99), (64, 100))
    assert region == Region(0, 0, 64, 100)


class Material:
    """A clip of frames whose colour is their number; some were not measured."""

    frame_size = (64, 64)

    def __init__(self, lost: set[int], unseen: set[int], count: int) -> None:
        self.boxes = np.tile(np.float32([10, 10, 50, 50]), (count, 1))
        points = np.tile(points_within(15, 15, 45, 45), (count, 1, 1)).astype(np.float32)
        self.valid = np.array([number not in lost for number in range(count)])
        self.landmarks = SimpleNamespace(raw_points=points)
        self.geometry = SimpleNamespace(
            image_from_crop=np.eye(3), valid=np.array([number not in unseen for number in range(count)])
        )

    def frames(self, frames: slice) -> Any:
        return (np.full((64, 64, 3), (number, 0, 0), np.uint8) for number in range(frames.start, frames.stop))

    def sound(self, frames: slice) -> np.ndarray:
        return np.zeros((frames.stop - frames.start) * 640, np.int16)


def write(folder: Path, material: Material, first: int, end: int) -> tuple[dict[int, np.ndarray], bytes]:
    layout, options = Wav2Lip(), ExportOptions()
    piece = Piece("clip", "clip", "train", "ann", Fraction(25), first, end)
    (folder / "data/ann").mkdir(parents=True)
    layout.write(piece, material, options, folder)  # type: ignore[arg-type]
    faces = {int(path.stem): cv2.imread(str(path)) for path in (folder / "data/ann/clip").glob("*.jpg")}
    return faces, layout.lists([piece], options, folder)["filelists/train.txt"]


def test_a_frame_that_was_not_measured_is_absent(tmp_path: Path) -> None:
    faces, listed = write(tmp_path, Material({105}, {110}, 140), 100, 140)
    assert sorted(faces) == [number for number in range(40) if number not in (5, 10)]
    # Numbers count from the piece's first frame, and OpenCV reads blue first.
    assert all(abs(int(face[20, 20, 2]) - 100 - number) < 4 for number, face in faces.items())
    assert listed == b"ann/clip\n"


@pytest.mark.parametrize(
    "lost",
    [
        set(range(0, 140, 5)),  # no five in a row
        set(range(115, 140)),  # fifteen are left
    ],
)
def test_a_clip_that_would_never_be_drawn_is_not_listed(tmp_path: Path, lost: set[int]) -> None:
    _, listed = write(tmp_path, Material(lost, set(), 140), 100, 140)
    assert listed == b""


def test_clips_for_testing_are_evaluated_on_while_training(tmp_path: Path) -> None:
    layout, options = Wav2Lip(), ExportOptions()
    piece = Piece("clip", "clip", "test", "ann", Fraction(25), 0, 40)
    (tmp_path / "data/ann").mkdir(parents=True)
    layout.write(piece, Material(set(), set(), 40), options, tmp_path)  # type: ignore[arg-type]
    lists = layout.lists([piece], options, tmp_path)
    assert lists["filelists/val.txt"] == lists["filelists/test.txt"] == b"ann/clip\n"
    assert lists["filelists/train.txt"] == b""
