"""What a composite keeps of a frame."""

import numpy as np
import pytest

from talkmill.matting.composite import composite_over
from talkmill.matting.foreground import foreground_at


def test_the_old_background_leaves_the_edge() -> None:
    columns = np.rint(np.clip((np.arange(96) - 32) / 32, 0, 1) * 255).astype(np.uint8)
    matte = np.tile(columns, (64, 1))
    alpha = matte / 255
    foreground, background = np.array([180.0, 120, 60]), np.array([0.0, 250, 0])
    frame = np.rint(foreground * alpha[..., None] + background * (1 - alpha[..., None])).astype(np.uint8)
    edge = (alpha > 0.1) & (alpha < 0.9)
    naive = np.abs(frame[edge].astype(float) - foreground).mean()
    estimated = np.abs(foreground_at(frame, matte, *np.nonzero(edge)) - foreground).mean()
    assert estimated < naive / 4


def test_a_solid_matte_keeps_the_frame() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    assert np.array_equal(composite_over(frame, np.full((32, 32), 255, np.uint8), (255, 255, 255)), frame)


def test_nothing_is_all_background() -> None:
    out = composite_over(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8), (1, 2, 3))
    assert (out == [1, 2, 3]).all()


def test_a_matte_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="the matte"):
        composite_over(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5), np.uint8), (255, 255, 255))
