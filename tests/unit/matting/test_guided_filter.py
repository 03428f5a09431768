"""The guided filter against its equations, and at edges that only colour shows."""

import cv2
import numpy as np

from talkmill.matting.grid import Grid
from talkmill.matting.guided_filter import fit_guided_filter, in_unit_range
from talkmill.region import Region


def test_it_solves_the_equations_of_the_paper() -> None:
    random = np.random.default_rng(0)
    # A grey ramp with a little colour: the covariance is nearly singular.
    guide = np.linspace(0, 1, 20)[None, :, None] + 0.02 * random.standard_normal((16, 20, 3))
    matte, radius, epsilon = random.random((16, 20)), 3, 1e-4
    padded, values = (
        np.pad(image, ((radius, radius), (radius, radius)) + ((0, 0),) * (image.ndim - 2), mode="symmetric")
        for image in (guide, matte)
    )
    found = np.zeros((16, 20, 4))
    for y, x in np.ndindex(16, 20):
        window = padded[y : y + 7, x : x + 7].reshape(-1, 3)
        alphas = values[y : y + 7, x : x + 7].ravel()
        centred = window - window.mean(0)
        covariance = centred.T @ centred / len(window)
        slopes = np.linalg.solve(covariance + epsilon * np.eye(3), centred.T @ alphas / len(window))
        found[y, x] = *slopes, alphas.mean() - slopes @ window.mean(0)
    wide = np.pad(found, ((radius, radius), (radius, radius), (0, 0)), mode="symmetric")
    means = np.lib.stride_tricks.sliding_window_view(wide, (7, 7), axis=(0, 1)).mean((-1, -2))
    expected = (means[..., :3] * guide).sum(-1) + means[..., 3]
    small = guide.astype(np.float32)
    model = fit_guided_filter(small, matte.astype(np.float32), radius, epsilon)
    # float32 keeps four digits of the slopes here.
    assert np.abs(model.at(small) - expected).max() < 2e-3


def test_a_blurred_matte_snaps_to_an_edge_of_equal_luma() -> None:
    picture = np.empty((60, 80, 3), np.uint8)
    picture[:, :40], picture[:, 40:] = (200, 60, 60), (60, 131, 60)
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    assert luma.max() - luma.min() <= 1
    blurred = np.tile(np.clip((np.arange(80) - 30) / 20, 0, 1), (60, 1)).astype(np.float32)
    guide = in_unit_range(picture)
    refined = fit_guided_filter(guide, blurred, 8, 1e-4).at(guide)
    steps = [float(matte[30, 41] - matte[30, 38]) for matte in (blurred, refined)]
    # The ramp is 20 pixels wide, the filter's window 17: the edge cannot be sharper than their overlap allows.
    assert steps[1] > 2.5 * steps[0]


def test_coefficients_apply_at_the_size_of_the_frame() -> None:
    random = np.random.default_rng(0)
    small = random.integers(0, 256, (40, 60, 3), np.uint8)
    guide = in_unit_range(small)
    model = fit_guided_filter(guide, random.random((40, 60)).astype(np.float32), 4, 1e-3)
    frame = np.zeros((200, 300, 3), np.uint8)
    frame[50:170, 100:280] = np.repeat(np.repeat(small, 3, 0), 3, 1)
    grid = Grid(Region(100, 50, 180, 120), 60, 40)
    found = model.in_part(frame[50:170, 100:280], Region(100, 50, 180, 120), grid)
    # The middle of every 3 x 3 block is the centre of a small pixel.
    assert np.abs(found[1::3, 1::3] - model.at(guide)).max() < 1e-4
