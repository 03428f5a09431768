"""Temporal smoothing of a matte where the picture stands still."""

import cv2
import numpy as np

from talkmill.arrays import Float32Array

# Exponential smoothing: the weight of the new matte over the change of the frame in 8-bit levels. Chosen by eye: 2 are
# noise, 10 an edge that moves. What flicker it leaves is in docs/measurements.md.
GAINS = (0.25, 1.0)
LEVELS = (2.0, 10.0)
WINDOW = (5, 5)


class MotionGate:
    """Averages mattes of one clip over time, in order, as far as their frames do not move."""

    def __init__(self) -> None:
        self._smoothed: Float32Array | None = None
        self._previous: Float32Array | None = None

    def smooth(self, alpha: Float32Array, guide: Float32Array) -> Float32Array:
        """Take the next matte.

        Args:
            alpha: (h, w) float32.
            guide: Luma of its frame in [0, 1], (h, w) float32.

        Returns:
            (h, w) float32: a quarter of the way from the mean so far to the new matte where the frame changed by less
            than 2 levels, the new matte where it changed by more than 10. Nothing of a moving edge stays behind.
        """
        if self._smoothed is None or self._previous is None or self._smoothed.shape != alpha.shape:
            self._smoothed = alpha
        else:
            change = cv2.blur(np.abs(guide - self._previous), WINDOW) * np.float32(255)
            share = np.clip((change - LEVELS[0]) / (LEVELS[1] - LEVELS[0]), 0, 1)
            gain = GAINS[0] + (GAINS[1] - GAINS[0]) * share
            self._smoothed = (self._smoothed + gain * (alpha - self._smoothed)).astype(np.float32)
        self._previous = guide
        return self._smoothed
