"""The part of a picture around a face, small and grey: what changes there from one picture to the next."""

import cv2
import numpy as np

from talkmill.arrays import Float32Array, Frame
from talkmill.geometry.boxes import mean_sides
from talkmill.geometry.shrink import shrink

# What is compared: a window around the face, in sides of the face from its centre: left, up, right, down.
WINDOW = (1.4, 1.1, 1.4, 1.5)
# A face has this many pixels in a comparison; what is smaller is not enlarged.
FACE_PIXELS = 64
# Noise of coding, sensor and scaling goes.
BLUR_SIGMA = 1.2
# The window is compared in this many cells a side.
CELLS = 9
# The window stays where it is until the face has moved by this many sides, or has grown by this ratio.
WINDOW_SHIFT = 0.25
WINDOW_GROWTH = 1.25


class FaceWindow:
    """The part of a picture around a face, and the scale at which it is compared."""

    def __init__(self, box: Float32Array, shape: tuple[int, ...]) -> None:
        """Choose the window of a face.

        Args:
            box: (4,) x0, y0, x1, y1 in pixels.
            shape: Of the pictures that it is cut from.
        """
        self._centre, self._side = (box[:2] + box[2:]) / 2, float(mean_sides(box))
        left, up, right, down = np.array(WINDOW) * max(self._side, 1.0)
        (x, y), (height, width) = self._centre, shape[:2]
        # A detector may place a box beyond the edge: the window has one row and one column at least.
        x0, y0 = int(np.clip(x - left, 0, width - 1)), int(np.clip(y - up, 0, height - 1))
        x1, y1 = int(np.clip(x + right, x0 + 1, width)), int(np.clip(y + down, y0 + 1, height))
        self._part = slice(y0, y1), slice(x0, x1)
        scale = min(1.0, FACE_PIXELS / max(self._side, 1.0))
        self._size = max(CELLS, round((x1 - x0) * scale)), max(CELLS, round((y1 - y0) * scale))

    def holds(self, box: Float32Array) -> bool:
        """Say whether a face is still about where the window was made for."""
        moved = float(np.abs((box[:2] + box[2:]) / 2 - self._centre).max())
        growth = float(mean_sides(box)) / max(self._side, 1.0)
        return moved < WINDOW_SHIFT * self._side and 1 / WINDOW_GROWTH < growth < WINDOW_GROWTH

    def cut(self, image: Frame) -> Frame:
        """Return the window of a picture, grey and small."""
        small = shrink(image[self._part], self._size)
        return np.asarray(cv2.GaussianBlur(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), (0, 0), BLUR_SIGMA), np.uint8)


def cell_changes(before: Frame, after: Frame, cells: tuple[int, int] = (CELLS, CELLS)) -> Float32Array:
    """Return the mean change of each cell between two grey pictures of one size, in levels.

    Args:
        before: (H, W) uint8.
        after: (H, W) uint8.
        cells: Columns and rows of cells.

    Returns:
        (columns * rows,) float32, row by row.
    """
    change = cv2.absdiff(before, after).astype(np.float32)
    return np.asarray(cv2.resize(change, cells, interpolation=cv2.INTER_AREA).ravel(), np.float32)
