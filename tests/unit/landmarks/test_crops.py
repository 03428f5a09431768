"""Crops for landmark nets show what lies where their transform says, at every scale."""

import numpy as np
import pytest

from talkmill.geometry.pyramid import Pyramid
from talkmill.landmarks.crops import batch_of, crop_of, crop_transform

# A picture whose levels say where each pixel is: red grows to the right, green downwards.
WIDTH, HEIGHT = 223, 181
X, Y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
PLACES = np.stack([X, Y, np.full_like(X, 90)], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("side", [20, 60, 100, 130])
@pytest.mark.parametrize("angle", [0.0, 0.4, -2.0])
def test_a_crop_shows_what_lies_there(side: float, angle: float) -> None:
    centre, pixels = np.array([111.3, 90.6]), 40
    crop = crop_of(Pyramid(PLACES), crop_transform(centre, side, angle, pixels), pixels)
    across, down = np.meshgrid(np.arange(pixels) - (pixels - 1) / 2, np.arange(pixels) - (pixels - 1) / 2)
    x = centre[0] + side / pixels * (np.cos(angle) * across - np.sin(angle) * down)
    y = centre[1] + side / pixels * (np.sin(angle) * across + np.cos(angle) * down)
    inside = (x > 4) & (x < WIDTH - 5) & (y > 4) & (y < HEIGHT - 5)
    assert np.abs(crop[..., 0] - x)[inside].max() <= 1
    assert np.abs(crop[..., 1] - y)[inside].max() <= 1


@pytest.mark.parametrize("side", [30, 90, 400])
def test_outside_the_frame_it_is_black(side: float) -> None:
    crop = crop_of(Pyramid(PLACES), crop_transform(np.array([0.0, 90.0]), side, 0.0, 40), 40)
    assert not crop[:, :18].any()
    assert (crop[20, 22:26, 2] > 80).all()


@pytest.mark.parametrize("centre", [(-300.0, -300.0), (900.0, 40.0)])
@pytest.mark.parametrize("side", [30, 300])
def test_a_crop_beside_the_frame_is_black(centre: tuple[float, float], side: float) -> None:
    assert not crop_of(Pyramid(PLACES), crop_transform(np.array(centre), side, 0.0, 40), 40).any()


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 500)])
def test_a_frame_of_few_pixels_is_sampled(shape: tuple[int, int]) -> None:
    frame = np.full((*shape, 3), 200, np.uint8)
    crop = crop_of(Pyramid(frame), crop_transform(np.array([0.0, 0.0]), 1024, 0.0, 112), 112)
    assert crop.shape == (112, 112, 3)


def test_fine_stripes_become_their_mean() -> None:
    stripes = np.repeat(np.where(np.arange(400) % 2, 255, 0)[None, :, None], 400, 0).repeat(3, 2).astype(np.uint8)
    crop = crop_of(Pyramid(stripes), crop_transform(np.array([200.0, 200.0]), 300, 0.3, 60), 60)
    assert crop.min() >= 125
    assert crop.max() <= 130


def test_a_batch_is_planar_scaled_and_mirrored() -> None:
    transforms = [crop_transform(np.array([100.0, 90.0]), side, 0.0, 32) for side in (30, 80)]
    batch = batch_of(Pyramid(PLACES), transforms, 32, mirrored=True, white=1.0)
    assert batch.shape == (4, 3, 32, 32)
    assert batch.dtype == np.float32
    for index, transform in enumerate(transforms):
        np.testing.assert_allclose(
            batch[index], crop_of(Pyramid(PLACES), transform, 32).transpose(2, 0, 1) / 255, atol=1e-6
        )
    np.testing.assert_array_equal(batch[2:], batch[:2, :, :, ::-1])
    assert batch_of(Pyramid(PLACES), transforms, 32, mirrored=False).max() > 90
