"""A mouth or an eye that stays hidden is noticed where it is, a grimace or a blink is not taken for one."""

import numpy as np
import pytest

from talkmill.landmarks.occlusion import EYE_SEEN, MOUTH_SEEN, HiddenShares, eye_confidence, hidden, mouth_confidence
from talkmill.landmarks.points import LEFT_EYE, MOUTH, RIGHT_EYE

RATE = 25.0


def sure(*stretches: tuple[float, float]) -> np.ndarray:
    """Seconds and the confidence of a part in them."""
    return np.concatenate([np.full(round(seconds * RATE), value, np.float32) for seconds, value in stretches])


def mouth_hidden(part: np.ndarray, measured: np.ndarray | None = None) -> np.ndarray:
    return hidden(part, MOUTH_SEEN, np.ones(len(part), bool) if measured is None else measured, RATE)


def test_a_mouth_that_is_seen_is_not_hidden() -> None:
    assert not mouth_hidden(sure((8, 0.8))).any()


@pytest.mark.parametrize("seconds", [1.6, 4])
def test_a_microphone_is_noticed_where_it_is(seconds: float) -> None:
    part = sure((4, 0.9), (seconds, 0.4), (4, 0.9))
    assert (mouth_hidden(part) == (part < 0.5)).all()


@pytest.mark.parametrize("begin", [0.0, 1.5, 3.0])
def test_a_grimace_of_a_second_is_no_hidden_mouth(begin: float) -> None:
    assert not mouth_hidden(sure((begin, 0.9), (1, 0.4), (3 - begin, 0.9))).any()


def test_a_clip_shorter_than_the_window_is_judged_as_a_whole() -> None:
    assert mouth_hidden(sure((0.6, 0.4), (0.4, 0.9))).tolist() == [True] * 15 + [False] * 10
    assert not mouth_hidden(sure((0.4, 0.4), (0.6, 0.9))).any()


def test_a_frame_that_is_seen_between_hidden_ones_is_not_hidden() -> None:
    part = sure((4, 0.4))
    part[50] = 0.9
    assert np.flatnonzero(~mouth_hidden(part)).tolist() == [50]


def test_frames_that_were_not_measured_say_nothing() -> None:
    measured = np.arange(200) < 100
    assert not mouth_hidden(sure((4, 0.9), (4, 0.0)), measured).any()
    assert mouth_hidden(sure((4, 0.2), (4, 0.9)), measured).tolist() == measured.tolist()
    assert not mouth_hidden(sure((4, 0.2)), np.zeros(100, bool)).any()


@pytest.mark.parametrize("eye", [RIGHT_EYE, LEFT_EYE])
def test_one_eye_behind_a_hand_is_enough(eye: slice) -> None:
    confidence = np.full((100, 68), 0.9, np.float32)
    confidence[20:80, eye] = 0.2
    found = hidden(eye_confidence(confidence), EYE_SEEN, np.ones(100, bool), RATE)
    assert np.flatnonzero(found).tolist() == list(range(20, 80))
    assert not mouth_hidden(mouth_confidence(confidence)).any()


def test_the_mouth_has_its_own_points() -> None:
    confidence = np.full((100, 68), 0.9, np.float32)
    confidence[:, MOUTH] = 0.3
    assert mouth_hidden(mouth_confidence(confidence)).all()
    assert not hidden(eye_confidence(confidence), EYE_SEEN, np.ones(100, bool), RATE).any()


@pytest.mark.parametrize(("part", "words"), [(MOUTH, "the mouth"), (LEFT_EYE, "an eye")])
def test_people_are_told_what_is_hidden_and_how_long(part: slice, words: str) -> None:
    confidence = np.full((100, 68), 0.9, np.float32)
    assert HiddenShares.of(confidence, np.ones(100, bool), RATE) == HiddenShares(0, 0)
    confidence[:60, part] = 0.2
    (told,) = HiddenShares.of(confidence, np.ones(100, bool), RATE).warnings
    assert told.startswith(f"{words} is hidden")
    assert "60%" in told
    assert HiddenShares(0.02, 0.02).warnings == ()
