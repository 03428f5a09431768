from fractions import Fraction

import numpy as np
import pytest

from talkmill.faces.detection import Detections
from talkmill.stages.split.clips import plan_clips
from talkmill.stages.split.messages import SplitParameters

FACE = np.array([[100, 100, 200, 220]], np.float32)


def seen(box: np.ndarray = FACE) -> Detections:
    return Detections(box.astype(np.float32), np.full(len(box), 0.99, np.float32))


@pytest.mark.parametrize(
    ("source_rate", "frame_count", "rate", "min_seconds", "kept"),
    [
        (25, 1, "25", 0.5, False),
        (25, 1, "25", 0.0, True),
        (25, 25, "25", 1.0, True),
        (25, 24, "25", 1.0, False),
        (30, 30, "25", 1.0, True),
        (30, 29, "25", 1.0, False),
        (30000 / 1001, 30, "30000/1001", 1.0, True),
    ],
)
def test_a_clip_lasts_as_long_as_the_frames_that_it_will_have(
    source_rate: float, frame_count: int, rate: str, min_seconds: float, kept: bool
) -> None:
    times = np.arange(frame_count) / source_rate
    parameters = SplitParameters(min_seconds=min_seconds)
    plans, rejections = plan_clips(times, [seen()] * frame_count, [(0, frame_count)], Fraction(rate), parameters)
    assert len(plans) == kept
    assert [rejection.reason for rejection in rejections] == ([] if kept else ["CLIP_TOO_SHORT"])


def test_a_single_frame_is_told_by_its_length() -> None:
    _, (rejection,) = plan_clips(np.zeros(1), [seen()], [(0, 1)], Fraction(25), SplitParameters())
    assert rejection.measure == 0.04
