"""Detects freezes: a stall that was coded as pictures that are all the same."""

import cv2
import numpy as np

from talkmill.arrays import Float32Array, Frame
from talkmill.faces.window import FaceWindow, cell_changes

# No block of the small picture, and no cell of the window around the face, changes by so many levels (mean) from one
# picture to the next. Talkers, coded at CRF 23 to 40, stay below for 0.12 s at most; pictures that were held and coded
# with them go beyond at key frames alone (decision 0062).
LEVELS = 1.0
# Of the small picture, in pixels.
BLOCK = 8
# A key frame refreshes a picture that is held: by so many levels at most.
KEY_LEVELS = 8.0
LEAST_SECONDS = 0.4


class FreezeFinder:
    """Finds stretches of a video in which the whole picture stands still, while its frames stream by.

    The whole picture, so that a portrait on the wall freezes nobody; the face's window, so that one whose face is small
    is not taken for a picture.
    """

    def __init__(self, rate: float) -> None:
        """Create a finder for a video of some frames a second."""
        self._rate = rate
        self._before: tuple[Frame, Frame] | None = None
        self._held: list[bool] = []

    def add(self, image: Frame, small: Frame, box: Float32Array | None, *, key: bool) -> None:
        """Take the next frame.

        Args:
            image: RGB (H, W, 3) uint8.
            small: Its thumbnail.
            box: (4,) x0, y0, x1, y1 in pixels of the largest face; None where none is seen.
            key: Whether it is coded without the frames before.
        """
        self._held.append(self._is_held(image, small, box, KEY_LEVELS if key else LEVELS))
        self._before = image, small

    def _is_held(self, image: Frame, small: Frame, box: Float32Array | None, levels: float) -> bool:
        """Say whether a frame is as the one before, in every block and cell."""
        if self._before is None or self._before[0].shape != image.shape:
            return False
        before, now = (cv2.cvtColor(one, cv2.COLOR_RGB2GRAY) for one in (self._before[1], small))
        height, width = now.shape
        if cell_changes(before, now, (max(1, width // BLOCK), max(1, height // BLOCK))).max() >= levels:
            return False
        if box is None:
            return True
        window = FaceWindow(box, image.shape)
        return bool(cell_changes(window.cut(self._before[0]), window.cut(image)).max() < levels)

    @property
    def freezes(self) -> list[tuple[int, int]]:
        """First frame and the frame after the last of each freeze, the one that is repeated among them."""
        edges = np.flatnonzero(np.diff(np.array(self._held, bool), prepend=False, append=False)).reshape(-1, 2)
        least = LEAST_SECONDS * self._rate
        return [(int(first) - 1, int(end)) for first, end in edges if end - first >= least]
