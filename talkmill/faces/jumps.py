"""Detects jump cuts: the same person before the same background, but a moment is missing."""

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import percentile_filter

from talkmill.arrays import BoolArray, Float32Array, Frame
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
# Levels that are added to the changes of a cell, so that nothing moving by nothing is no jump.
FLOOR_LEVELS = 0.3
# The frame before is shown again where the mean change is so small a share of the usual one (of the upper quarter of so
# many steps) and fewer levels.
REPEATED_SHARE = 0.2
REPEATED_AMONG = 25
REPEATED_LEVELS = 0.15
# A change is compared with as many before it, and after it.
NEIGHBOURS = 3
FEWEST_NEIGHBOURS = 2
# Share of the cells that may stay calm at a jump: where nothing but mouth, eyes or a hand moves, more do.
CALM_SHARE = 0.85
# At a jump the other cells change so many times as much as in any of the neighbours: decision 0062.
JUMP_RATIO = 2.4
# The window stays where it is until the face has moved by this many sides, or has grown by this ratio.
WINDOW_SHIFT = 0.25
WINDOW_GROWTH = 1.25


class JumpCutFinder:
    """Finds jump cuts in the frames of a video while they stream by.

    Motion goes on: from frame to frame a head changes the picture about as much as it did in the frames before. At a
    jump cut hair, contour, shoulders and features all change at once, several times as much as just before and just
    after. A blink, a word or a hand changes few cells; a flash is as large a change on its way back.
    """

    def __init__(self) -> None:
        self._window: _Window | None = None
        self._shape: tuple[int, ...] = ()
        self._patch: Frame | None = None
        self._changes: list[Float32Array | None] = []

    def add(self, image: Frame, box: Float32Array | None) -> None:
        """Take the next frame.

        Args:
            image: RGB (H, W, 3) uint8.
            box: (4,) x0, y0, x1, y1 in pixels of the largest face; None where none is seen.
        """
        if image.shape != self._shape:
            self._window, self._patch, self._shape = None, None, image.shape
        patch = self._window.cut(image) if self._window is not None else None
        if self._patch is not None and patch is not None:
            self._changes.append(_cells(self._patch, patch))
        else:
            self._changes.append(None)
        if box is not None and (self._window is None or not self._window.holds(box)):
            self._window = _Window(box, image.shape)
            patch = self._window.cut(image)
        self._patch = patch

    @property
    def cuts(self) -> list[int]:
        """Numbers of the frames that begin after a jump, rising."""
        frames = np.array([frame for frame, change in enumerate(self._changes) if change is not None], np.int64)
        if not frames.size:
            return []
        changes = np.stack([change for change in self._changes if change is not None])
        means = changes.mean(1)
        usual = percentile_filter(means, 75, REPEATED_AMONG, mode="nearest")
        new = means >= np.minimum(REPEATED_LEVELS, REPEATED_SHARE * usual)
        frames, changes = frames[new], changes[new]
        # The frames before and after a change of format, or before the first face, have nothing in common.
        missing = np.array([frame for frame, change in enumerate(self._changes) if change is None])
        section = np.searchsorted(missing, frames)
        return [int(frame) for frame in frames[_jumps(changes, section)]]


class _Window:
    """The part of a picture around a face, and the scale at which it is compared."""

    def __init__(self, box: Float32Array, shape: tuple[int, ...]) -> None:
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


def _cells(before: Frame, after: Frame) -> Float32Array:
    """Return the mean change of each cell in levels, (CELLS * CELLS,) float32."""
    change = cv2.absdiff(before, after).astype(np.float32)
    return np.asarray(cv2.resize(change, (CELLS, CELLS), interpolation=cv2.INTER_AREA).ravel(), np.float32)


def _jumps(changes: Float32Array, section: npt.NDArray[np.int64]) -> BoolArray:
    """Say which changes are jumps.

    Args:
        changes: (N, CELLS * CELLS) of each step between pictures that differ.
        section: (N,) steps with another number are no neighbours.
    """
    count = len(changes)
    usual = np.zeros_like(changes)
    neighbours = np.zeros((2, count), np.int64)
    for distance in range(1, NEIGHBOURS + 1):
        together = section[distance:] == section[:-distance]
        before, after = changes[:-distance] * together[:, None], changes[distance:] * together[:, None]
        usual[distance:] = np.maximum(usual[distance:], before)
        usual[:-distance] = np.maximum(usual[:-distance], after)
        neighbours[0, distance:] += together
        neighbours[1, :-distance] += together
    ratios = np.quantile((changes + FLOOR_LEVELS) / (usual + FLOOR_LEVELS), CALM_SHARE, axis=1)
    jumps: BoolArray = (ratios > JUMP_RATIO) & (neighbours >= FEWEST_NEIGHBOURS).all(0)
    return jumps
