"""What StableAvatar is given of a clip: masks that lie where the picture has the face."""

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

from talkmill.faces.crop_box import CropBox
from talkmill.layouts.layout import Piece
from talkmill.layouts.options import ExportOptions
from talkmill.layouts.stableavatar import StableAvatar, hull_mask


def test_a_mask_fills_the_hull_to_the_pixel() -> None:
    rows, columns = np.nonzero(hull_mask(np.array([[10.0, 20], [30, 20], [30, 50], [10, 50], [20, 30]]), 64))
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (10, 30, 20, 50)
    assert len(rows) == 21 * 31


def test_a_hull_is_cut_at_the_edge() -> None:
    assert hull_mask(np.array([[-20.0, -20], [99, -20], [99, 99], [-20, 99]]), 64).all()


class Material:
    """A frame of 200x160 with a bright face and a brighter mouth; the set's square is 100 pixels at 60, 30."""

    frame_size = (200, 160)
    clip = SimpleNamespace(size=100)
    geometry = SimpleNamespace(image_from_crop=np.array([[1.0, 0, 60], [0, 1, 30], [0, 0, 1]]))

    def __init__(self, count: int) -> None:
        face = np.array([[90, 50], [130, 50], [130, 110], [90, 110]])
        mouth = np.array([[100, 85], [120, 85], [120, 95], [100, 95]])
        points = np.concatenate([np.resize(face, (48, 2)), np.resize(mouth, (20, 2))]).astype(np.float64)
        self.points = np.tile(points, (count, 1, 1))
        self.frame = np.zeros((160, 200, 3), np.uint8)
        self.frame[50:111, 90:131] = (120, 0, 0)
        self.frame[85:96, 100:121] = (255, 0, 0)

    def squares(self, frames: slice, box: CropBox, size: int) -> Any:
        part = self.frame[box.y0 : box.y0 + box.side, box.x0 : box.x0 + box.side]
        for _ in range(frames.start, frames.stop):
            yield cv2.resize(part, (size, size), interpolation=cv2.INTER_CUBIC)

    def sound(self, frames: slice) -> np.ndarray:
        return np.zeros((frames.stop - frames.start) * 640, np.int16)


def test_masks_lie_on_the_face_and_on_the_lips(tmp_path: Path) -> None:
    piece = Piece("a", "a", "train", "a", Fraction(25), 2, 5)
    (tmp_path / "talking_face_data/square/speech").mkdir(parents=True)
    StableAvatar().write(piece, Material(9), ExportOptions(), tmp_path)  # type: ignore[arg-type]
    clip = tmp_path / "talking_face_data/square/speech/a"
    for number in range(3):
        image, face, lips = (
            cv2.imread(str(clip / name / f"frame_{number}.png"), cv2.IMREAD_UNCHANGED)
            for name in ("images", "face_masks", "lip_masks")
        )
        # OpenCV reads red last. Masks go through the middles of the outermost pixels: half of 5.12 are left out.
        for mask, shown in ((face, image[..., 2] > 60), (lips, image[..., 2] > 187)):
            assert not (mask.astype(bool) & ~shown).any()
            grown = cv2.dilate(mask, np.ones((9, 9), np.uint8)).astype(bool)
            assert not (shown & ~grown).any()
    assert not (clip / "images/frame_3.png").exists()
    assert StableAvatar().lists([piece], ExportOptions(root="/train"), tmp_path) == {
        "talking_face_data/video_square_path.txt": b"/train/talking_face_data/square/speech/a\n",
        "talking_face_data/video_square_path_test.txt": b"",
    }
