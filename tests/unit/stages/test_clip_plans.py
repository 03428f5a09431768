from fractions import Fraction

import numpy as np
import pytest

from talkmill.faces.detection import Detections
from talkmill.faces.tracking import FaceTrack
from talkmill.stages.split.clips import plan_clips
from talkmill.stages.split.messages import SplitParameters

FACE = np.array([[100, 100, 200, 220]], np.float32)


def seen(box: np.ndarray = FACE) -> Detections:
    return Detections(box.astype(np.float32), np.full(len(box), 0.99, np.float32))


def living(track: FaceTrack) -> bool:
    return False


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
    plans, rejections = plan_clips(
        times, [seen()] * frame_count, [(0, frame_count)], living, Fraction(rate), parameters
    )
    assert len(plans) == kept
    assert [rejection.reason for rejection in rejections] == ([] if kept else ["CLIP_TOO_SHORT"])


def test_a_single_frame_is_told_by_its_length() -> None:
    _, (rejection,) = plan_clips(np.zeros(1), [seen()], [(0, 1)], living, Fraction(25), SplitParameters())
    assert rejection.measure == 0.04


def test_a_walk_is_cut_into_clips_whose_faces_stay_large_in_the_crop() -> None:
    """100 pixels high, 2 pixels a frame: one square for all of it would be three times the face."""
    walk = [seen(FACE + [2 * index, 0, 2 * index, 0]) for index in range(100)]
    plans, rejections = plan_clips(np.arange(100) / 25, walk, [(0, 100)], living, Fraction(25), SplitParameters())
    assert [(plan.first_frame, plan.end_frame) for plan in plans] == [(0, 47), (47, 94)]
    assert all("too much for one crop" in plan.notes[0] for plan in plans)
    assert [rejection.reason for rejection in rejections] == ["CLIP_TOO_SHORT"]
    whole, _ = plan_clips(
        np.arange(100) / 25, walk, [(0, 100)], living, Fraction(25), SplitParameters(max_union_ratio=10)
    )
    assert [(plan.first_frame, plan.end_frame, plan.notes) for plan in whole] == [(0, 100, ())]


def test_a_walk_without_a_clip_in_it_is_rejected_once() -> None:
    walk = [seen(FACE + [10 * index, 0, 10 * index, 0]) for index in range(60)]
    plans, (rejection,) = plan_clips(np.arange(60) / 25, walk, [(0, 60)], living, Fraction(25), SplitParameters())
    assert plans == []
    assert rejection.reason == "HEAD_MOVES"
    assert rejection.message.startswith("the head moves or grows too much for one crop in frames 0 to 59")
    # 59 steps of 10 pixels and a box of 100, less the two steps at each end that the median takes away.
    assert rejection.measure == pytest.approx((59 * 10 + 100) / 120, abs=0.4)
    assert rejection.threshold == 1.6
