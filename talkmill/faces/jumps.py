"""Detects jump cuts: the same person before the same background, but a moment is missing."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import percentile_filter

from talkmill.arrays import BoolArray, Float32Array, Float64Array, Frame
from talkmill.faces.window import FaceWindow, cell_changes

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
# Steps are about so many a second: between more pictures motion is less, and what coding changes is not.
STEPS_A_SECOND = 30
# A key frame refreshes the whole picture at once, the more the fewer bits a video has. A jump that falls on one changes
# the window by so many levels (then the encoder put the key frame there), or so many times as much as most of the key
# frames around; where there are too few of those, by a higher ratio.
KEY_JUMP_LEVELS = 10.0
KEYS_AROUND, FEWEST_KEYS = 8, 3
# Where more steps than this share have key frames, none is told from the others.
MOST_KEYS = 0.25
KEY_SHARE, KEY_RATIO = 0.8, 1.6
LONE_KEY_RATIO = 8.0


@dataclass(frozen=True, slots=True)
class _Step:
    """What changes from one picture to the next that is compared.

    Attributes:
        frame: The picture before which most changes.
        cells: (CELLS * CELLS,) mean change of each, in levels.
        key: Whether there is a key frame between them.
    """

    frame: int
    cells: Float32Array
    key: bool


class JumpCutFinder:
    """Finds jump cuts in the frames of a video while they stream by.

    Motion goes on: from frame to frame a head changes the picture about as much as it did in the frames before. At a
    jump cut hair, contour, shoulders and features all change at once, several times as much as just before and just
    after. A blink, a word or a hand changes few cells; a flash is as large a change on its way back.
    """

    def __init__(self, rate: float) -> None:
        """Create a finder.

        Args:
            rate: Frames a second.
        """
        self._stride = max(1, round(rate / STEPS_A_SECOND))
        self._window: FaceWindow | None = None
        self._shape: tuple[int, ...] = ()
        self._count = 0
        # Patches since the last step, and whether each is of a key frame.
        self._patches: list[Frame] = []
        self._keys: list[bool] = []
        # None where a frame has nothing in common with the one before: another format, or the first face.
        self._steps: list[_Step | None] = []

    def add(self, image: Frame, box: Float32Array | None, *, key: bool) -> None:
        """Take the next frame.

        Args:
            image: RGB (H, W, 3) uint8.
            box: (4,) x0, y0, x1, y1 in pixels of the largest face; None where none is seen.
            key: Whether it is coded without the frames before.
        """
        self._count += 1
        if image.shape != self._shape:
            self._window, self._shape = None, image.shape
        if self._window is not None:
            self._patches.append(self._window.cut(image))
            self._keys.append(key)
            if len(self._patches) <= self._stride:
                return
            self._steps.append(self._step())
        else:
            self._steps.append(None)
        if box is not None and (self._window is None or not self._window.holds(box)):
            self._window = FaceWindow(box, image.shape)
            self._patches = [self._window.cut(image)]
        self._patches, self._keys = self._patches[-1:], [key]

    def _step(self) -> _Step:
        changes = [cv2.norm(self._patches[i], self._patches[i + 1], cv2.NORM_L1) for i in range(self._stride)]
        frame = self._count - self._stride + int(np.argmax(changes))
        return _Step(frame, cell_changes(self._patches[0], self._patches[-1]), any(self._keys[1:]))

    @property
    def cuts(self) -> list[int]:
        """Numbers of the frames that begin after a jump, rising."""
        sections = np.cumsum([step is None for step in self._steps])
        pairs = [(step, section) for step, section in zip(self._steps, sections, strict=True) if step is not None]
        if not pairs:
            return []
        steps, section = [step for step, _ in pairs], np.array([section for _, section in pairs])
        changes, keys = np.stack([step.cells for step in steps]), _key_frames(steps)
        means = changes.mean(1)
        usual = percentile_filter(means, 75, REPEATED_AMONG, mode="nearest")
        new = means >= np.minimum(REPEATED_LEVELS, REPEATED_SHARE * usual)
        ratios = _ratios(changes[new], section[new], keys[new])
        jumps = ratios > _limits(ratios, means[new], keys[new])
        frames = np.array([step.frame for step in steps])[new]
        return [int(frame) for frame in frames[jumps]]


def _key_frames(steps: Sequence[_Step]) -> BoolArray:
    """Say at which steps there is a key frame among frames that are none; nowhere where many are."""
    keys = np.array([step.key for step in steps])
    return keys if keys.mean() < MOST_KEYS else np.zeros_like(keys)


def _ratios(changes: Float32Array, section: npt.NDArray[np.int64], keys: BoolArray) -> Float64Array:
    """Return how many times as much changes at each step as around it; 0 where too little is around it.

    Args:
        changes: (N, CELLS * CELLS) of each step between pictures that differ.
        section: (N,) steps with another number are no neighbours.
        keys: (N,) whether there is a key frame, which says nothing of the motion around it.
    """
    count = len(changes)
    usual = np.zeros_like(changes)
    neighbours = np.zeros((2, count), np.int64)
    for distance in range(1, NEIGHBOURS + 1):
        together = section[distance:] == section[:-distance]
        before, after = together & ~keys[:-distance], together & ~keys[distance:]
        usual[distance:] = np.maximum(usual[distance:], changes[:-distance] * before[:, None])
        usual[:-distance] = np.maximum(usual[:-distance], changes[distance:] * after[:, None])
        neighbours[0, distance:] += before
        neighbours[1, :-distance] += after
    ratios = np.quantile((changes + FLOOR_LEVELS) / (usual + FLOOR_LEVELS), CALM_SHARE, axis=1)
    return np.where((neighbours >= FEWEST_NEIGHBOURS).all(0), ratios, 0.0)


def _limits(ratios: Float64Array, means: Float32Array, keys: BoolArray) -> Float64Array:
    """Return the ratio from which each step is a jump.

    Args:
        ratios: (N,) of each step.
        means: (N,) mean change of each step, in levels.
        keys: (N,) whether there is a key frame.
    """
    limits = np.full(len(ratios), JUMP_RATIO)
    at = np.flatnonzero(keys)
    for place, step in enumerate(at):
        if means[step] >= KEY_JUMP_LEVELS:
            continue
        first = max(0, min(place - KEYS_AROUND // 2, len(at) - 1 - KEYS_AROUND))
        others = np.delete(at[first : first + KEYS_AROUND + 1], place - first)
        refresh = (
            KEY_RATIO * float(np.quantile(ratios[others], KEY_SHARE)) if len(others) >= FEWEST_KEYS else LONE_KEY_RATIO
        )
        limits[step] = max(JUMP_RATIO, refresh)
    return limits
