"""Whether mouth and eyes are seen, or guessed behind a microphone, a hand, hair or dark glasses."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from talkmill.arrays import BoolArray, Float32Array
from talkmill.landmarks.points import LEFT_EYE, MOUTH, RIGHT_EYE

# Mean confidence of a part's points below which it is not seen. The figures are in docs/stages/fine_fit.md.
# In 14 clips of the test videos the mouth's median over 3 s is nowhere below 0.80, in a photograph of a man with a full
# moustache it is 0.71. Microphones and hands painted over the mouth leave less in 14 of 15 clips.
MOUTH_SEEN = 0.65
# The median of the less sure eye is nowhere below 0.69 in 39 clips of these videos. Hands, hair, glare and black
# glasses painted over the eyes of six of them leave less than 0.5 in 23 of 24.
EYE_SEEN = 0.5
# A part must be hidden for half of this time: a grimace or a blink, which the nets know little of, is over sooner.
SECONDS = 3.0
# Share of a clip's frames above which a hidden part is told.
TOLD = 0.02


@dataclass(frozen=True, slots=True)
class HiddenShares:
    """Shares of a clip's frames in which parts of the face are hidden.

    Attributes:
        mouth: Of those without the mouth.
        eye: Of those without at least one eye.
    """

    mouth: float
    eye: float

    @classmethod
    def of(cls, confidence: Float32Array, measured: BoolArray, rate: float) -> Self:
        """Measure them.

        Args:
            confidence: (N, 68) float32, of the fused landmarks (`fused.py`): of others nothing can be said.
            measured: (N,) frames whose landmarks were measured.
            rate: Frames a second.
        """
        parts = (mouth_confidence(confidence), MOUTH_SEEN), (eye_confidence(confidence), EYE_SEEN)
        return cls(*(float(hidden(part, seen_from, measured, rate).mean()) for part, seen_from in parts))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What people are told."""
        said = (
            (self.mouth, "the mouth", "the lips"),
            (self.eye, "an eye", "its lids and gaze"),
        )
        return tuple(
            f"{part} is hidden or hard to see in {share:.0%} of the frames: do not trust {points} there"
            for share, part, points in said
            if share > TOLD
        )


def mouth_confidence(confidence: Float32Array) -> Float32Array:
    """Return the mean confidence of the mouth's points, (N, 68) to (N,)."""
    return np.asarray(confidence[:, MOUTH].mean(1), np.float32)


def eye_confidence(confidence: Float32Array) -> Float32Array:
    """Return the mean confidence of the points of the less sure eye, (N, 68) to (N,)."""
    return np.asarray(np.minimum(confidence[:, RIGHT_EYE].mean(1), confidence[:, LEFT_EYE].mean(1)), np.float32)


def hidden(part: Float32Array, seen_from: float, measured: BoolArray, rate: float) -> BoolArray:
    """Return the frames in which a part of the face is hidden.

    They are those of less confidence than that of a part that is seen, inside a stretch of three seconds of which they
    are half or more. A shorter clip is one stretch. The limits are those of the fused landmarks (`fused.py`).

    Args:
        part: (N,) float32, of `mouth_confidence` or `eye_confidence`.
        seen_from: MOUTH_SEEN or EYE_SEEN.
        measured: (N,) frames whose landmarks were measured.
        rate: Frames a second.

    Returns:
        (N,) bool; False where nothing was measured.
    """
    found = np.zeros(len(measured), np.bool_)
    if measured.any():
        known = part[measured]
        width = min(len(known), max(1, round(SECONDS * rate)))
        stretches = np.median(sliding_window_view(known, width), axis=1) < seen_from
        within = np.convolve(stretches, np.ones(width)) > 0
        found[measured] = within & (known < seen_from)
    return found
