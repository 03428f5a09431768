"""Detects dissolves while frames stream by: one shot fades into another."""

from collections import deque
from collections.abc import Sequence

import cv2
import numpy as np

from talkmill.arrays import Float32Array, Frame
from talkmill.video.stretches import joined

# Pictures are compared grey, at this width and height, and blurred: a dissolve is there at any size, motion is less so.
SIZE = (64, 36)
BLUR_SIGMA = 1.0
# Seconds between the two pictures that a dissolve may lie between, and the fewest frames. Longer ones are found by
# their parts, and followed from there.
SPANS_SECONDS = (0.32, 0.48, 0.72, 1.08, 1.6)
FEWEST_FRAMES = 4
# Videos of more frames a second are looked at in every second, third ... frame.
LOOKS_A_SECOND = 30
# The pictures between must be mixtures of the two: what is left over, by the difference of the two. Two shots are less
# alike than the ends of a motion, and the less alike they are, the more of their own motion may be left. On 17 minutes
# of 76 videos no motion is taken for a dissolve (decision 0062).
MIXTURES = ((0.8, 0.14), (0.6, 0.2))
# Each quarter adds this share of the second picture at least.
LEAST_STEP = 0.08
# A longer dissolve goes on where each quarter of the span adds, or on the other side lacks, at least this share of a
# quarter; its beginning is looked for so many seconds back.
GOES_ON = 0.4
LONGEST_SECONDS = 10.0
# Two pictures that differ by fewer levels (root mean square) are too alike to tell.
LEAST_LEVELS = 8.0


class DissolveFinder:
    """Finds linear dissolves, fades through a colour among them.

    In a dissolve every pixel goes straight from its level in the first shot to that in the second, so that the pictures
    between are mixtures of the two. Where something moves, edges pass instead.
    """

    def __init__(self, rate: float) -> None:
        """Create a finder for one video of some frames a second."""
        self._stride = max(1, round(rate / LOOKS_A_SECOND))
        looks = rate / self._stride
        self._spans = sorted({max(FEWEST_FRAMES, round(seconds * looks)) for seconds in SPANS_SECONDS})
        self._recent: deque[Float32Array] = deque(maxlen=round(LONGEST_SECONDS * looks) + 1)
        self._fade: _Fade | None = None
        self._shape: tuple[int, ...] = ()
        self._count = 0
        self._found: list[tuple[int, int]] = []

    def add(self, image: Frame) -> None:
        """Take the next frame, RGB (H, W, 3) uint8, of any size."""
        if image.shape != self._shape:
            self._recent.clear()
            self._fade = None
            self._shape = image.shape
        if self._count % self._stride == 0:
            grey = cv2.cvtColor(cv2.resize(image, SIZE, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
            self._recent.append(cv2.GaussianBlur(grey.astype(np.float32), (0, 0), BLUR_SIGMA).ravel())
            if self._fade is not None:
                if self._fade.goes_on(self._recent[-1]):
                    self._found.append((self._count - self._fade.looks * self._stride, self._count + 1))
                elif self._fade.ended:
                    self._fade = None
            for span in self._spans:
                if span < len(self._recent) and self._dissolves(span):
                    self._fade = _Fade(self._recent[-1 - span], self._recent[-1], span)
                    looks_back = span + self._fade.looks_before(list(self._recent)[: -span - 1])
                    self._found.append((self._count - looks_back * self._stride, self._count + 1))
        self._count += 1

    @property
    def dissolves(self) -> list[tuple[int, int]]:
        """First frame and the frame after the last, of each dissolve, in order."""
        return joined(self._found)

    def _dissolves(self, span: int) -> bool:
        """Say whether the frames up to the last one, over a span, are mixtures of its ends."""
        last = len(self._recent) - 1
        start, end = self._recent[last - span], self._recent[last]
        change = end - start
        energy = float(change @ change)
        if energy < LEAST_LEVELS**2 * change.size:
            return False
        shares, rests = [0.0], []
        for quarter in (0.25, 0.5, 0.75):
            step = self._recent[last - span + round(quarter * span)] - start
            shares.append(float(step @ change) / energy)
            rests.append(float(np.linalg.norm(step - shares[-1] * change)) / energy**0.5)
        if np.diff([*shares, 1.0]).min() < LEAST_STEP:
            return False
        likeness = _correlation(start, end)
        return any(likeness < most_alike and max(rests) < most_rest for most_alike, most_rest in MIXTURES)


class _Fade:
    """A part of a dissolve that was found, and whether it goes on after it and before it.

    The share of the second picture grows evenly through a dissolve and stands still outside.
    """

    def __init__(self, start: Float32Array, end: Float32Array, span: int) -> None:
        """Create it from two pictures that lie a number of looks apart."""
        self._start, self._change = start, end - start
        self._energy = float(self._change @ self._change)
        self.looks = max(1, span // 4)
        self._step = GOES_ON * self.looks / span
        self._reached, self._waited = 1.0, 0
        self.ended = False

    def goes_on(self, picture: Float32Array) -> bool:
        """Take the next picture; say whether the dissolve has gone on for `looks` more."""
        self._waited += 1
        if self._waited < self.looks:
            return False
        self._waited, before, self._reached = 0, self._reached, self._share(picture)
        self.ended = self._reached - before < self._step
        return not self.ended

    def looks_before(self, pictures: Sequence[Float32Array]) -> int:
        """Return how many looks before its start the dissolve began, from the pictures before, in order."""
        looks, reached = 0, 0.0
        while looks + self.looks <= len(pictures):
            share = self._share(pictures[-looks - self.looks])
            if reached - share < self._step:
                break
            looks, reached = looks + self.looks, share
        return looks

    def _share(self, picture: Float32Array) -> float:
        return float((picture - self._start) @ self._change) / self._energy


def _correlation(first: Float32Array, second: Float32Array) -> float:
    """Pearson's correlation of two pictures; 0 where one is of one level, as in a fade."""
    first, second = first - first.mean(), second - second.mean()
    size = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / size if size else 0.0
