"""Temporal smoothing of a matte where the picture stands still."""

from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float32Array

ScalarT = TypeVar("ScalarT", np.uint8, np.float32)

# Exponential smoothing: the weight of the new matte over the change of the frame in 8-bit levels. Chosen by eye: 2 are
# noise, 10 an edge that moves. What flicker it leaves is in docs/measurements.md.
GAINS = (0.25, 1.0)
LEVELS = (2.0, 10.0)
WINDOW = (5, 5)
# The weight grows as well with how far the new matte is from the mean so far: what appears without a change of the
# frame is taken in the end.
JUMPS = (0.15, 0.5)


class MotionGate:
    """Averages mattes of one clip over time, in order, as far as their frames do not move."""

    def __init__(self) -> None:
        self._smoothed: Float32Array | None = None
        self._previous: Float32Array | None = None

    def smooth(self, alpha: Float32Array, picture: Float32Array) -> Float32Array:
        """Take the next matte.

        Args:
            alpha: (h, w) float32.
            picture: Its frame, RGB in [0, 1], (h, w, 3) float32.

        Returns:
            (h, w) float32: a quarter of the way from the mean so far to the new matte where no channel of the frame
            changed by 2 levels, the new matte where one changed by more than 10. Nothing of a moving edge stays behind.
        """
        if self._smoothed is None or self._previous is None:
            self._smoothed = alpha
        else:
            change = cv2.blur(largest_change(picture, self._previous), WINDOW) * np.float32(255)
            share = np.clip((change - LEVELS[0]) / (LEVELS[1] - LEVELS[0]), 0, 1)
            step = alpha - self._smoothed
            jump = np.clip((np.abs(cv2.blur(step, WINDOW)) - JUMPS[0]) / (JUMPS[1] - JUMPS[0]), 0, 1)
            gain = np.maximum(GAINS[0] + (GAINS[1] - GAINS[0]) * share, jump)
            self._smoothed = (self._smoothed + gain * step).astype(np.float32)
        self._previous = picture
        return self._smoothed


def largest_change(picture: npt.NDArray[ScalarT], other: npt.NDArray[ScalarT]) -> npt.NDArray[ScalarT]:
    """Return the largest change of a channel at each pixel between two RGB pictures, (H, W, 3) to (H, W)."""
    red, green, blue = cv2.split(cv2.absdiff(picture, other))
    return np.asarray(cv2.max(cv2.max(red, green), blue))
