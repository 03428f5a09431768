from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkmill.video.resample import constant_rate, native_rate, schedule_frames

RATE = Fraction(25)


def schedule(times: np.ndarray, rate: Fraction = RATE) -> np.ndarray:
    return schedule_frames(times, rate, float(times[0]), float(times[-1])).source_indices


def test_a_constant_rate_source_is_itself() -> None:
    assert schedule(np.arange(100) / 25).tolist() == list(range(100))


def test_thirty_frames_a_second_give_twentyfive() -> None:
    indices = schedule(np.arange(250) / 30)
    # 249/30 = 8.3 s: the last grid instant is 8.28 s = frame 207
    assert len(indices) == 208
    assert indices[:7].tolist() == [0, 1, 2, 4, 5, 6, 7]
    assert (np.diff(indices) >= 1).all()


def test_a_gap_repeats_the_nearest_frame() -> None:
    times = np.array([0, 1, 2, 3, 7, 8]) / 25
    result = schedule_frames(times, RATE, 0.0, 1.0)
    assert result.source_indices.tolist() == [0, 1, 2, 3, 3, 3, 4, 4, 5]
    assert result.repeated.tolist() == [False, False, False, False, True, True, False, True, False]


def test_a_single_frame_is_a_schedule() -> None:
    assert schedule(np.array([3.0])).tolist() == [0]


def test_no_frames_are_an_error() -> None:
    with pytest.raises(ValueError, match="no source frame"):
        schedule_frames(np.array([]), RATE, 0.0, 1.0)


@given(st.lists(st.floats(0.001, 0.3), min_size=1, max_size=80), st.sampled_from([15, 24, 25, 30, 60]))
def test_each_frame_is_the_nearest_one(gaps: list[float], rate: int) -> None:
    times = np.concatenate([[0.0], np.cumsum(gaps)])
    indices = schedule(times, Fraction(rate))
    instants = np.arange(len(indices)) / rate
    chosen = np.abs(times[indices] - instants)
    assert np.allclose(chosen, np.abs(times[None] - instants[:, None]).min(1))
    assert (np.diff(indices) >= 0).all()
    assert abs(len(indices) / rate - (times[-1] + 1 / rate)) <= 1 / rate + 3e-3


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(60)])
def test_the_native_rate_is_found_from_rounded_times(rate: Fraction) -> None:
    times = np.round(np.arange(300) / float(rate), 3)
    assert native_rate(times, 1.0) == rate
    assert constant_rate(times, rate)


@pytest.mark.parametrize("base", [24, 30, 60])
def test_rates_that_lie_a_thousandth_apart_are_told_apart(base: int) -> None:
    for rate in (Fraction(base), Fraction(base * 1000, 1001)):
        for count in range(2, 200):
            for begin in (0, 17):
                exact = np.arange(begin, begin + count) / float(rate)
                # Whatever a header says of another rate.
                assert native_rate(exact, 25.0) == rate
                # A range of a video whose stamps are rounded, and whose header is right.
                assert native_rate(np.round(exact, 3), float(rate)) == rate or count < 8
        assert native_rate(np.round(np.arange(300) / float(rate), 3), 25.0) == rate


def test_a_missing_frame_is_no_constant_rate() -> None:
    assert not constant_rate(np.delete(np.arange(20) / 25, 10), RATE)


def test_frames_in_pairs_have_the_rate_of_the_pairs_twice() -> None:
    """Two frames 1 ms apart are no 1000 frames a second."""
    times = (np.arange(60)[:, None] / 25 + [0, 0.001]).ravel()
    assert native_rate(times, 25.0) == 50
    assert native_rate((np.arange(60)[:, None] / 10 + [0, 0.001, 0.002]).ravel(), 25.0) == 30


def test_holes_do_not_change_the_native_rate() -> None:
    times = np.arange(200) / 25 + np.arange(200) // 12 * 0.4
    assert native_rate(times, 1.0) == 25
    assert native_rate(np.arange(300) / 240, 25.0) == 240
    assert native_rate(np.array([0, 0.04, 2, 2.04, 2.08]), 1.0) == 25
