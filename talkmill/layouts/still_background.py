"""The background of a clip whose camera stands still: each pixel from the frame in which the person is farthest off.

Source: ashawkey/RAD-NeRF 0de5ed2, data_utils/process.py, `extract_background`, which looks at every 20th frame.
"""

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

from talkmill.arrays import Float32Array, Frame

# In pixels of 512: nearer to the person than this a pixel is not known, in no frame.
LEAST_DISTANCE = 5
# What is covered less is taken for background: a thread of hair is still seen here.
COVERED = 8


class StillBackground:
    """Collects the frames of a clip, one at a time."""

    def __init__(self, size: int) -> None:
        """Begin.

        Args:
            size: Side of the squares.
        """
        self._distance: Float32Array = np.zeros((size, size), np.float32)
        self._picture: Frame = np.zeros((size, size, 3), np.uint8)

    def add(self, frame: Frame, alpha: npt.NDArray[np.uint8]) -> None:
        """Take a frame into account.

        Args:
            frame: RGB (S, S, 3).
            alpha: (S, S).
        """
        empty = (alpha < COVERED).astype(np.uint8)
        distance = cv2.distanceTransform(empty, cv2.DIST_L2, cv2.DIST_MASK_5)
        farther = distance > self._distance
        self._distance[farther], self._picture[farther] = distance[farther], frame[farther]

    def picture(self) -> Frame | None:
        """Return the background, RGB (S, S, 3); pixels that were never seen take the nearest one that was.

        None where no pixel was ever seen.
        """
        unknown = self._distance <= LEAST_DISTANCE * len(self._distance) / 512
        if unknown.all():
            return None
        rows, columns = distance_transform_edt(unknown, return_distances=False, return_indices=True)
        return np.asarray(self._picture[rows, columns])
