"""The square of a clip with its own background."""

from types import SimpleNamespace

import numpy as np
import pytest

from talkmill.layouts.layout import UnsuitableClipError
from talkmill.layouts.squares import square_of


def material(side: float) -> SimpleNamespace:
    """A clip of 100 by 80 pixels with a face in its middle."""
    box = (50 - side / 2, 40 - side / 2, 50 + side / 2, 40 + side / 2)
    return SimpleNamespace(frame_size=(100, 80), boxes=np.tile(np.float64(box), (5, 1)))


def test_a_square_stays_in_the_frame() -> None:
    found = square_of(material(20), slice(0, 5), 0.5)  # type: ignore[arg-type]
    assert (found.x0, found.y0, found.side) == (30, 20, 40)
    found = square_of(material(60), slice(0, 5), 0.5)  # type: ignore[arg-type]
    assert (found.x0, found.y0, found.side) == (10, 0, 80)


def test_a_square_without_a_pixel_makes_a_clip_unsuitable() -> None:
    with pytest.raises(UnsuitableClipError, match=r"its square is 0\.4 pixels wide"):
        square_of(material(0.2), slice(0, 5), 0.5)  # type: ignore[arg-type]
