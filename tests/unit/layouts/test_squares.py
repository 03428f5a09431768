"""The squares of a clip with its own background."""

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from talkmill.layouts.adnerf import square_around_axis
from talkmill.layouts.layout import Piece, UnsuitableClipError
from talkmill.layouts.options import ExportOptions
from talkmill.layouts.pictures import picture_of
from talkmill.layouts.squares import square_of


def material(side: float) -> SimpleNamespace:
    """A clip of 100 by 80 pixels with a face in its middle."""
    box = (50 - side / 2, 40 - side / 2, 50 + side / 2, 40 + side / 2)
    return SimpleNamespace(frame_size=(100, 80), boxes=np.tile(np.float64(box), (5, 1)))


def crop_at(x: float, y: float, side: int = 40) -> SimpleNamespace:
    """A clip of 100 by 80 pixels whose crop, as large as in the frame, has its middle at x and y."""
    corner = (x - side / 2, y - side / 2)
    image_from_crop = np.array([[1, 0, corner[0]], [0, 1, corner[1]], [0, 0, 1]], np.float64)
    return SimpleNamespace(
        frame_size=(100, 80),
        geometry=SimpleNamespace(image_from_crop=image_from_crop),
        clip=SimpleNamespace(size=side),
    )


def test_a_square_stays_in_the_frame() -> None:
    found = square_of(material(20), slice(0, 5), 0.5)  # type: ignore[arg-type]
    assert (found.x0, found.y0, found.side) == (30, 20, 40)
    found = square_of(material(60), slice(0, 5), 0.5)  # type: ignore[arg-type]
    assert (found.x0, found.y0, found.side) == (10, 0, 80)


def test_a_square_without_a_pixel_makes_a_clip_unsuitable() -> None:
    with pytest.raises(UnsuitableClipError, match=r"its square is 0\.4 pixels wide"):
        square_of(material(0.2), slice(0, 5), 0.5)  # type: ignore[arg-type]


def test_a_video_has_no_square_of_one_pixel() -> None:
    piece = Piece("a", "a", "train", "a", Fraction(25), 0, 5)
    with pytest.raises(UnsuitableClipError, match=r"its square is 1 pixel wide"):
        picture_of(piece, material(0.6), ExportOptions(face_share=0.5))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("x", "y", "wanted"), [(50, 40, (30, 20, 40)), (10, 40, (0, 30, 20)), (50, 70, (40, 60, 20)), (99, 40, (98, 39, 2))]
)
def test_a_square_around_the_axis_keeps_its_middle(x: float, y: float, wanted: tuple[int, int, int]) -> None:
    found = square_around_axis(crop_at(x, y))  # type: ignore[arg-type]
    assert (found.x0, found.y0, found.side) == wanted


@pytest.mark.parametrize(("x", "y"), [(100, 40), (0, 40), (50, -3), (50, 300)])
def test_a_square_around_an_axis_that_misses_the_frame_makes_a_clip_unsuitable(x: float, y: float) -> None:
    with pytest.raises(UnsuitableClipError, match=r"the middle of its square, .* lies outside of the frame"):
        square_around_axis(crop_at(x, y))  # type: ignore[arg-type]
