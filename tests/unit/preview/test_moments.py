"""The frames of a preview are those in which something may be wrong, and others spread over the clip."""

from dataclasses import replace

import numpy as np
import pytest

from talkmill.preview.clip import COLUMNS, Moment, PreviewedClip, moments
from tests.unit.preview.clips import clip


def why(shown: list[Moment]) -> dict[str, int]:
    return {moment.why: moment.frame for moment in shown if moment.why}


def with_open_mouth(made: PreviewedClip, frame: int) -> PreviewedClip:
    points = made.points.copy()
    points[frame, 66, 1] += 20
    return replace(made, points=points)


def test_the_frames_that_may_be_wrong_are_shown() -> None:
    error = np.ones(40)
    error[31] = 5
    shown = moments(with_open_mouth(replace(clip(), error=error), 22))
    assert why(shown) == {"eyes most shut": 10, "mouth widest": 22, "worst fit": 31}


def test_the_rest_is_spread_over_the_clip_in_order() -> None:
    frames = [moment.frame for moment in moments(clip())]
    assert len(frames) == COLUMNS
    assert frames == sorted(set(frames))
    assert max(np.diff([0, *frames, 39])) <= 15


def test_one_frame_may_be_shown_for_two_reasons() -> None:
    error = np.ones(40)
    error[10] = 5
    assert why(moments(with_open_mouth(replace(clip(), error=error), 10))) == {
        "worst fit, eyes most shut, mouth widest": 10
    }


def test_a_frame_that_was_not_measured_is_shown_and_is_no_extreme() -> None:
    measured = np.ones(40, bool)
    measured[9:12] = False
    found = why(moments(replace(clip(), measured=measured)))
    assert found["not measured"] == 9
    assert not {9, 10, 11} & {frame for reason, frame in found.items() if reason != "not measured"}


@pytest.mark.parametrize("eyes", [True, False])
def test_a_mouth_that_is_hidden_for_a_moment_is_shown(eyes: bool) -> None:
    """Only the fused landmarks, which have eyes, know when they guess."""
    made = clip(eyes=eyes)
    made.confidence[20:24, 48:] = 0.6
    made.confidence[22, 48:] = 0.5
    assert why(moments(made)).get("mouth least sure") == (22 if eyes else None)
    made.confidence[:] = 1
    assert "mouth least sure" not in why(moments(made))


@pytest.mark.parametrize("eyes", [True, False])
def test_an_eye_that_is_hidden_for_a_moment_is_shown(eyes: bool) -> None:
    made = clip(eyes=eyes)
    made.confidence[30:34, 42:48] = 0.45
    made.confidence[32, 42:48] = 0.3
    # Frame 10 is a blink: that is no hidden eye.
    made.confidence[10, 36:48] = 0.2
    assert why(moments(made)).get("an eye least sure") == (32 if eyes else None)
    made.confidence[30:34] = 1
    assert "an eye least sure" not in str(why(moments(made)))


def test_nothing_is_said_of_eyes_without_a_face_mesh() -> None:
    made = clip(eyes=False)
    assert made.blinks == []
    assert not any("eyes" in moment.why for moment in moments(made))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_short_clip_shows_all_of_its_frames(count: int) -> None:
    assert [moment.frame for moment in moments(clip(count=count))] == list(range(count))


def test_a_clip_in_which_nothing_was_measured_is_shown_all_the_same() -> None:
    assert len(moments(replace(clip(), measured=np.zeros(40, bool)))) == COLUMNS


def test_points_are_trusted_that_were_measured_and_are_sure() -> None:
    confidence = np.ones((40, 68), np.float32)
    confidence[3, 5] = 0.05
    measured = np.ones(40, bool)
    measured[4] = False
    trusted = replace(clip(), confidence=confidence, measured=measured).trusted
    assert np.flatnonzero(~trusted[3]).tolist() == [5]
    assert not trusted[4].any()
    assert trusted.sum() == 40 * 68 - 1 - 68
