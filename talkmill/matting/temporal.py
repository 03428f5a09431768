"""Temporal smoothing of a matte where the picture stands still."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float32Array

HeldT = TypeVar("HeldT")
ScalarT = TypeVar("ScalarT", np.uint8, np.float32)

# A matte counts for that of the next frame by this much where the picture stands still, and for one farther off by its
# power. It was chosen on two clips that flickered, and looked at on others (docs/stages/matting.md).
NEIGHBOUR_WEIGHT = 0.9
# Change of a picture in 8-bit levels: up to 2 are noise, 10 an edge that moves.
STILL_LEVELS, MOVING_LEVELS = 2.0, 10.0
WINDOW = (5, 5)
# How many later frames are looked at, and held back for that.
LOOK_AHEAD = 12


@dataclass(slots=True)
class Matte(Generic[HeldT]):
    """The matte of a frame.

    Attributes:
        held: What else is known of the frame; it comes out again with it.
        alpha: (h, w) float32.
        picture: The frame, RGB in [0, 1], (h, w, 3) float32.
    """

    held: HeldT
    alpha: Float32Array
    picture: Float32Array


class _WeightedSum:
    """A sum of mattes, and that of their weights; empty at first."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.total, self.weight = np.zeros(shape, np.float32), np.zeros(shape, np.float32)

    def add(self, alpha: Float32Array) -> None:
        self.total += alpha
        self.weight += 1

    def fade(self, share: Float32Array) -> None:
        self.total *= share
        self.weight *= share


def smoothed_over_time(mattes: Iterable[Matte[HeldT]]) -> Iterator[Matte[HeldT]]:
    """Average the mattes of a clip over earlier and later frames, as far as the picture between stands still.

    Both sides count alike, so that nothing trails behind.

    Args:
        mattes: Of a clip's frames, in order.

    Yields:
        The same with a new alpha, LOOK_AHEAD frames late. Nothing of another frame is in it where a channel changes by
        more than MOVING_LEVELS from frame to frame.
    """
    # Each with the share of the frame before that it takes.
    waiting: deque[tuple[Matte[HeldT], Float32Array]] = deque()
    earlier: _WeightedSum | None = None
    previous: Float32Array | None = None
    for matte in mattes:
        if earlier is None or previous is None:
            earlier, share = _WeightedSum(matte.alpha.shape), np.zeros_like(matte.alpha)
        else:
            share = _share(matte.picture, previous)
        waiting.append((matte, share))
        previous = matte.picture
        if len(waiting) > LOOK_AHEAD:
            yield _smoothed_first(waiting, earlier)
            waiting.popleft()
    while waiting and earlier is not None:
        yield _smoothed_first(waiting, earlier)
        waiting.popleft()


def _share(picture: Float32Array, previous: Float32Array) -> Float32Array:
    """Return how much the matte of a picture counts for that of its neighbour, (h, w)."""
    change = cv2.blur(largest_change(picture, previous), WINDOW) * np.float32(255)
    still = np.clip((MOVING_LEVELS - change) / (MOVING_LEVELS - STILL_LEVELS), 0, 1)
    return np.asarray(still * np.float32(NEIGHBOUR_WEIGHT), np.float32)


def _smoothed_first(waiting: deque[tuple[Matte[HeldT], Float32Array]], earlier: _WeightedSum) -> Matte[HeldT]:
    """Smooth the first of the waiting mattes, and take it into the sum of the earlier ones."""
    (matte, share), *later_ones = waiting
    earlier.fade(share)
    earlier.add(matte.alpha)
    later = _WeightedSum(matte.alpha.shape)
    for other, share_of_other in reversed(later_ones):
        later.add(other.alpha)
        later.fade(share_of_other)
    alpha = (earlier.total + later.total) / (earlier.weight + later.weight)
    return Matte(matte.held, alpha, matte.picture)


def largest_change(picture: npt.NDArray[ScalarT], other: npt.NDArray[ScalarT]) -> npt.NDArray[ScalarT]:
    """Return the largest change of a channel at each pixel between two RGB pictures, (H, W, 3) to (H, W)."""
    red, green, blue = cv2.split(cv2.absdiff(picture, other))
    return np.asarray(cv2.max(cv2.max(red, green), blue))
