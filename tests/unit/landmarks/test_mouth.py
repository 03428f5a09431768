"""A mouth that stays hidden is noticed, a grimace is not taken for one."""

import numpy as np
import pytest

from talkmill.landmarks.mouth import mouth_hidden
from talkmill.landmarks.points import MOUTH

RATE = 25.0


def confidence(*stretches: tuple[float, float]) -> np.ndarray:
    """Seconds and the confidence of the mouth; the other points are sure."""
    mouth = np.concatenate([np.full(round(seconds * RATE), value) for seconds, value in stretches])
    found = np.full((len(mouth), 68), 0.9, np.float32)
    found[:, MOUTH] = mouth[:, None]
    return found


def test_a_mouth_that_is_seen_is_not_hidden() -> None:
    assert not mouth_hidden(confidence((8, 0.8)), np.ones(200, bool), RATE).any()


def test_a_microphone_is_noticed_where_it_is() -> None:
    hidden = mouth_hidden(confidence((4, 0.9), (4, 0.4), (4, 0.9)), np.ones(300, bool), RATE)
    assert not hidden[:95].any()
    assert hidden[105:195].all()
    assert not hidden[205:].any()


@pytest.mark.parametrize("begin", [0.0, 1.5, 3.0])
def test_a_grimace_of_a_second_is_no_hidden_mouth(begin: float) -> None:
    found = confidence((begin, 0.9), (1, 0.4), (3 - begin, 0.9))
    assert not mouth_hidden(found, np.ones(len(found), bool), RATE).any()


def test_a_clip_shorter_than_the_window_is_judged_as_a_whole() -> None:
    assert mouth_hidden(confidence((0.6, 0.4), (0.4, 0.9)), np.ones(25, bool), RATE).all()
    assert not mouth_hidden(confidence((0.4, 0.4), (0.6, 0.9)), np.ones(25, bool), RATE).any()


def test_frames_that_were_not_measured_say_nothing() -> None:
    measured = np.arange(200) < 100
    assert not mouth_hidden(confidence((4, 0.9), (4, 0.0)), measured, RATE).any()
    hidden = mouth_hidden(confidence((4, 0.2), (4, 0.9)), measured, RATE)
    assert hidden.tolist() == measured.tolist()
    assert not mouth_hidden(confidence((4, 0.2)), np.zeros(100, bool), RATE).any()
