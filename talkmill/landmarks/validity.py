"""Checks whether 68 points look like a face."""

import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float32Array
from talkmill.landmarks.points import INNER, LEFT_SIDE, RIGHT_SIDE, face_size

# Bounds that every good frame of the real clips meets with room; chosen on those clips. On twelve of them the least
# mean confidence of the inner points is 0.64, of the better eye with its brow 0.52.
LEAST_CONFIDENCE = 0.35
SIZE_RATIOS = (0.45, 1.8)
LARGEST_OFFSET = 0.45


def plausible(points: Float32Array, confidence: Float32Array, face_boxes: Float32Array) -> npt.NDArray[np.bool_]:
    """Check points against their own agreement and the detected face.

    Args:
        points: (N, 68, 2) float32 pixels.
        confidence: (N, 68) float32.
        face_boxes: (N, 4) float32 x0, y0, x1, y1 in the same pixels.

    Returns:
        (N,) bool: finite; the inner points are trusted, and so is an eye with its brow, because mouth and nose can look
        sure beside two eyes that are guesses; as large as the face box, and inside it.
    """
    finite = np.isfinite(points).all((1, 2))
    better_side = np.maximum(*(confidence[:, side].mean(1) for side in (RIGHT_SIDE, LEFT_SIDE)))
    trusted = np.minimum(confidence[:, INNER].mean(1), better_side) > LEAST_CONFIDENCE
    sides = (face_boxes[:, 2:] - face_boxes[:, :2]).max(1)
    ratio = face_size(points) / sides
    sized = (ratio > SIZE_RATIOS[0]) & (ratio < SIZE_RATIOS[1])
    centres = (face_boxes[:, :2] + face_boxes[:, 2:]) / 2
    offset = np.abs(points[:, INNER].mean(1) - centres).max(1) / sides
    return np.asarray(finite & trusted & sized & (offset < LARGEST_OFFSET))
