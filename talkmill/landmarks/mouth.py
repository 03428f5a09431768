"""Whether the mouth is seen, or guessed behind a microphone or a hand."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from talkmill.arrays import BoolArray, Float32Array
from talkmill.landmarks.points import MOUTH

# Mean confidence of the mouth's points below which it is not seen. In 14 clips of the test videos its median over 3 s
# is nowhere below 0.80, in a photograph of a man with a full moustache it is 0.71. Microphones and hands painted over
# the mouth leave less in 14 of 15 clips.
SEEN_CONFIDENCE = 0.65
# It must be hidden for half of this time: a grimace, which the nets know little of, is over sooner.
SECONDS = 3.0


def mouth_hidden(confidence: Float32Array, measured: BoolArray, rate: float) -> BoolArray:
    """Return the frames around which the mouth is hidden half of the time or more.

    The limits are those of the fused landmarks (`fused.py`).

    Args:
        confidence: (N, 68) float32.
        measured: (N,) frames whose landmarks were measured.
        rate: Frames a second.

    Returns:
        (N,) bool; False where nothing was measured.
    """
    hidden = np.zeros(len(measured), np.bool_)
    if measured.any():
        mouth = confidence[measured][:, MOUTH].mean(1)
        width = min(len(mouth), max(1, round(SECONDS * rate)))
        medians = np.median(sliding_window_view(mouth, width), axis=1)
        # Around each frame, and inside the clip.
        starts = np.clip(np.arange(len(mouth)) - width // 2, 0, len(mouth) - width)
        hidden[measured] = medians[starts] < SEEN_CONFIDENCE
    return hidden
