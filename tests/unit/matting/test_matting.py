import numpy as np
import pytest

from talkmill.matting.composite import composite_over, foreground_at
from talkmill.matting.guided_filter import fit_guided_filter, grey


def test_the_guided_filter_snaps_a_blurred_matte_to_the_edge() -> None:
    frame = np.zeros((60, 80, 3), np.uint8)
    frame[:, 40:] = 255
    blurred = np.tile(np.clip((np.arange(80) - 30) / 20, 0, 1), (60, 1)).astype(np.float32)
    refined = fit_guided_filter(grey(frame), blurred, 8, 1e-4).at(grey(frame))
    steps = [float(matte[30, 41] - matte[30, 38]) for matte in (blurred, refined)]
    # The ramp is 20 pixels wide, the filter's window 17: the edge cannot be sharper than their overlap allows.
    assert steps[1] > 2.5 * steps[0]


def test_coefficients_apply_at_any_size() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    model = fit_guided_filter(grey(frame), np.full((40, 60), 0.7, np.float32), 4, 1e-3)
    large = np.repeat(np.repeat(frame, 3, 0), 3, 1)
    assert model.at(grey(large)).shape == (120, 180)
    assert np.allclose(model.at(grey(large)), 0.7, atol=1e-3)


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
