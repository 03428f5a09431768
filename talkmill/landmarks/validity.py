"""Checks whether 68 points look like a face."""

import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float32Array
from talkmill.landmarks.points import INNER, face_size

# Bounds that every good frame of the real clips meets with room; chosen on those clips.
LEAST_CONFIDENCE = 0.25
SIZE_RATIOS = (0.45, 1.8)
LARGEST_OFFSET = 0.45


def plausible(points: Float32Array, confidence: Float32Array, face_boxes: Float32Array) -> npt.NDArray[np.bool_]:
    """Check points against their own agreement and the detected face.

    Args:
        points: (N, 68, 2) float32 pixels.
        confidence: (N, 68) float32.
        face_boxes: (N, 4) float32 x0, y0, x1, y1 in the same pixels.

    Returns:
        (N,) bool: finite, the crops agree on the inner points, as large as the face box, and inside it.
    """
    finite = np.isfinite(points).all((1, 2))
    agreed = confidence[:, INNER].mean(1) > LEAST_CONFIDENCE
    sides = (face_boxes[:, 2:] - face_boxes[:, :2]).max(1)
    ratio = face_size(points) / sides
    sized = (ratio > SIZE_RATIOS[0]) & (ratio < SIZE_RATIOS[1])
    centres = (face_boxes[:, :2] + face_boxes[:, 2:]) / 2
    offset = np.abs(points[:, INNER].mean(1) - centres).max(1) / sides
    return np.asarray(finite & agreed & sized & (offset < LARGEST_OFFSET))
