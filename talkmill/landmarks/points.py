"""The 68 iBUG points: which is which, and simple measures of them."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]

COUNT = 68
CONTOUR_COUNT = 17
CONTOUR, INNER = slice(0, CONTOUR_COUNT), slice(CONTOUR_COUNT, COUNT)
BROWS, NOSE = slice(17, 27), slice(27, 36)
RIGHT_EYE, LEFT_EYE = slice(36, 42), slice(42, 48)
# An eye with its brow: what a head that turns away hides first.
RIGHT_SIDE, LEFT_SIDE = np.r_[17:22, RIGHT_EYE], np.r_[22:27, LEFT_EYE]
MOUTH = slice(48, 68)
OUTER_EYE_CORNERS = (36, 45)
# In the middle of the inner lips.
UPPER_LIP, LOWER_LIP = 62, 66
# The same points in a mirrored face.
MIRROR = np.array(
    [*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31]
    + [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
    + [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]
)


def outer_eye_distance(points: FloatArray) -> npt.NDArray[np.float64]:
    """Return the distance of the outer eye corners, (..., 68, 2) to (...)."""
    right, left = (points[..., index, :].astype(np.float64) for index in OUTER_EYE_CORNERS)
    return np.asarray(np.linalg.norm(left - right, axis=-1))


def lips_apart(points: FloatArray) -> npt.NDArray[np.float64]:
    """Return the gap of the inner lips over the distance of the outer eye corners, (..., 68, 2) to (...)."""
    gap = np.linalg.norm((points[..., LOWER_LIP, :] - points[..., UPPER_LIP, :]).astype(np.float64), axis=-1)
    return np.asarray(gap / np.maximum(outer_eye_distance(points), 1))


def roll(points: FloatArray) -> float:
    """Return the angle of the line through the eyes in radians, clockwise in the image, for (68, 2)."""
    between = points[LEFT_EYE].mean(0) - points[RIGHT_EYE].mean(0)
    return float(np.arctan2(between[1], between[0]))


def face_size(points: FloatArray) -> npt.NDArray[np.float64]:
    """Return the larger side of the points' box, which does not shrink in profile; (..., 68, 2) to (...)."""
    return np.asarray((points.max(-2) - points.min(-2)).max(-1).astype(np.float64))


def eyes_and_mouth(points: FloatArray) -> FloatArray:
    """Return the middles of the right eye, the left eye and the mouth, (..., 68, 2) to (..., 3, 2)."""
    return np.stack([points[..., part, :].mean(-2) for part in (RIGHT_EYE, LEFT_EYE, MOUTH)], axis=-2)
