"""Measures of boxes."""

import numpy as np

from talkmill.arrays import Float32Array


def mean_sides(boxes: Float32Array) -> Float32Array:
    """Return the geometric mean of width and height, of boxes (..., 4) x0, y0, x1, y1 to (...)."""
    extent = boxes[..., 2:] - boxes[..., :2]
    sides: Float32Array = np.sqrt(extent[..., 0] * extent[..., 1])
    return sides
