"""Blinks are counted by a person's own eyes, in frames in which they were seen."""

import numpy as np
import pytest

from talkmill.landmarks.eyes import blinks, shut_below


def opening(*values: float) -> np.ndarray:
    return np.repeat(np.float32(values)[:, None], 2, axis=1)


def test_a_run_of_shut_frames_is_one_blink() -> None:
    found = blinks(opening(0.3, 0.3, 0.1, 0.05, 0.3, 0.3, 0.1, 0.3), np.ones(8, bool))
    assert found == [slice(2, 4), slice(6, 7)]


def test_blinks_at_the_ends_count() -> None:
    assert blinks(opening(0.1, 0.3, 0.3, 0.3, 0.1), np.ones(5, bool)) == [slice(0, 1), slice(4, 5)]


def test_narrow_eyes_are_open_eyes() -> None:
    assert shut_below(opening(*[0.16] * 9, 0.02)) == pytest.approx(0.08)
    assert blinks(opening(*[0.16] * 9, 0.02), np.ones(10, bool)) == [slice(9, 10)]


def test_one_eye_that_winks_is_no_blink() -> None:
    lids = opening(*[0.3] * 5)
    lids[2, 0] = 0.02
    assert blinks(lids, np.ones(5, bool)) == []


def test_frames_that_were_not_measured_hold_no_blink() -> None:
    measured = np.array([True, True, False, True, True])
    assert blinks(opening(0.3, 0.3, 0.05, 0.3, 0.3), measured) == []
