"""Colours between pixels, against SciPy."""

import numpy as np
from scipy.ndimage import map_coordinates

from talkmill.fitting.sampling import sampled, sampled_with_slopes


def test_colours_are_bilinear_and_slopes_are_central_differences() -> None:
    random = np.random.default_rng(0)
    side = 64
    images = random.integers(0, 256, (2, side, side, 3), np.uint8)
    # Pixels of the 512 image: an eighth of a pixel here; the last ones lie beyond the edge.
    offset = random.uniform(-230, 230, (2, 2, 500)).astype(np.float32)
    offset[:, :, 490:] *= 2

    def expected(shift: tuple[int, int]) -> np.ndarray:
        places = (offset.astype(np.float64) / 8 + (side - 1) / 2).clip(0, side - 1) + np.reshape(shift, (2, 1))
        found = [
            [map_coordinates(image[..., c] / 255, place[::-1], order=1, mode="nearest") for c in range(3)]
            for image, place in zip(images, places, strict=True)
        ]
        return np.array(found)

    colours, slopes = sampled_with_slopes(images, offset)
    assert np.abs(sampled(images, offset) - expected((0, 0))).max() < 1e-5
    assert np.abs(colours - expected((0, 0))).max() < 1e-5
    right, down = expected((1, 0)) - expected((-1, 0)), expected((0, 1)) - expected((0, -1))
    assert np.abs(slopes - np.stack([right, down], axis=2) / 2 / 8).max() < 1e-5
