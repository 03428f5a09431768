"""A smaller picture has the means of the larger one."""

import numpy as np
import pytest

from talkmill.geometry.shrink import shrink


@pytest.mark.parametrize(("shape", "size"), [((90, 120, 3), (30, 30)), ((97, 131), (17, 11)), ((40, 50, 3), (50, 40))])
def test_each_pixel_is_the_mean_of_what_it_covers(shape: tuple[int, ...], size: tuple[int, int]) -> None:
    """A ramp keeps its ends and its slope."""
    height, width = shape[:2]
    ramp = np.add.outer(np.linspace(0, 120, height), np.linspace(0, 120, width))
    image = np.rint(ramp if len(shape) == 2 else np.repeat(ramp[..., None], 3, 2)).astype(np.uint8)
    small = shrink(image, size)
    assert small.shape == (size[1], size[0], *shape[2:])
    rows, columns = (
        120 * ((np.arange(count) + 0.5) / count * length - 0.5) / (length - 1)
        for count, length in ((size[1], height), (size[0], width))
    )
    # Rows and columns at the end may be left out: less than one pixel of the result each way.
    step = 120 / size[0] + 120 / size[1]
    wanted = np.add.outer(rows, columns)
    assert np.abs((small if small.ndim == 2 else small[..., 0]) - wanted).max() < step
