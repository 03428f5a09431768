"""Cuts a clip into pieces: frames that may be used, no longer than a trainer takes, cut where the voice rests."""

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float64Array
from talkmill.layouts.layout import Lengths
from talkmill.sound.audio import SAMPLE_RATE, Samples

# Loudness is measured over so many seconds around each frame: a gap between words is longer than 0.1 s.
LOUDNESS_SECONDS = 0.12
# What a cut costs that lies as far as it may from where it is wanted, in decibels. That is the middle of where it may
# lie: of two pauses that are as quiet the one that leaves pieces of one length is taken.
FARTHEST_DECIBELS = 6.0


def cut(runs: Sequence[tuple[int, int]], samples: Samples, rate: Fraction, lengths: Lengths) -> list[tuple[int, int]]:
    """Cut runs of frames into pieces.

    Args:
        runs: First frame and the frame after the last.
        samples: (S,) int16, the sound of the clip at 16 kHz.
        rate: Frames a second.
        lengths: Of a piece; no piece is shorter or longer.

    Returns:
        First frame and the frame after the last of each piece, in order. Of a run that is too long for one piece, as
        few pieces are made as the lengths allow, and no frame between them is lost. Where no number of pieces holds all
        of it, as many are made as find room, and of cuts that are as quiet the last is taken: the least is lost.
    """
    least, most = lengths.least_frames(rate), lengths.most_frames(rate)
    loudness = loudness_of(samples, max((end for _, end in runs), default=0), rate)
    pieces: list[tuple[int, int]] = []
    for first, end in runs:
        while most is not None and end - first > most:
            # So many pieces are still needed; each of those that follow has from `least` to `most` frames.
            count = math.ceil((end - first) / most)
            whole = count * least <= end - first
            count = count if whole else (end - first) // least
            low = first + max(least, end - first - (count - 1) * most if whole else 0)
            high = min(first + most, end - (count - 1) * least)
            at = _quietest(loudness, low, high, (low + high) / 2 if whole else high)
            pieces.append((first, at))
            first = at
        pieces.append((first, end))
    return [(first, end) for first, end in pieces if end - first >= least]


def loudness_of(samples: Samples, frame_count: int, rate: Fraction) -> Float64Array:
    """Return the loudness around the beginning of each frame in decibels, (frame_count + 1,)."""
    half = round(LOUDNESS_SECONDS / 2 * SAMPLE_RATE)
    energy: npt.NDArray[np.float64] = np.concatenate([[0.0], np.cumsum(samples.astype(np.float64) ** 2)])
    centres = np.rint(np.arange(frame_count + 1) * float(SAMPLE_RATE / rate)).astype(int)
    begin, end = (np.clip(centres + side, 0, len(samples)) for side in (-half, half))
    mean = (energy[end] - energy[begin]) / np.maximum(end - begin, 1)
    # One level of 16 bits is the least that counts.
    return np.asarray(10 * np.log10(np.maximum(mean, 1.0)), np.float64)


def _quietest(loudness: Float64Array, low: int, high: int, wanted: float) -> int:
    """Return the frame from `low` to `high`, included, before which a cut is heard least; best near `wanted`."""
    frames = np.arange(low, high + 1)
    off = np.abs(frames - wanted) / max(wanted - low, 1)
    return int(frames[np.argmin(loudness[frames] + FARTHEST_DECIBELS * off)])
