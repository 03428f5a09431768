"""Clips are cut where the voice rests, and no frame is lost that the lengths allow."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkmill.layouts.cutting import cut, loudness_of
from talkmill.layouts.layout import Lengths

RATE = Fraction(25)


def voice(seconds: float, *pauses: tuple[float, float]) -> np.ndarray:
    """Noise with pauses."""
    samples = np.random.default_rng(0).integers(-6000, 6000, round(seconds * 16000)).astype(np.int16)
    for begin, end in pauses:
        samples[round(begin * 16000) : round(end * 16000)] //= 200
    return samples


def test_a_cut_lies_in_a_pause() -> None:
    pieces = cut([(0, 500)], voice(20, (8.0, 8.4), (13.0, 13.1)), RATE, Lengths(4, 12))
    assert len(pieces) == 2
    assert 8.0 <= pieces[0][1] / 25 <= 8.4


def test_without_a_pause_pieces_are_of_about_one_length() -> None:
    pieces = cut([(0, 1000)], np.full(40 * 16000, 1000, np.int16), RATE, Lengths(4, 15))
    lengths = [(end - first) / 25 for first, end in pieces]
    assert len(pieces) == 3
    assert max(lengths) - min(lengths) < 5


def test_what_is_too_short_is_left_out() -> None:
    assert cut([(0, 49), (60, 110)], voice(5), RATE, Lengths(2)) == [(60, 110)]


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(0, 900)), min_size=1, max_size=4),
    st.floats(0.1, 8),
    st.floats(1.0, 6.0),
)
def test_pieces_keep_the_lengths_and_lose_nothing(gaps: list[tuple[int, int]], least: float, more: float) -> None:
    runs, at = [], 0
    for gap, length in gaps:
        runs.append((at + gap, at + gap + length))
        at += gap + length
    most = least * (1 + more)
    pieces = cut(runs, np.zeros(at * 640, np.int16), RATE, Lengths(least, most))
    lengths = [end - first for first, end in pieces]
    assert all(least * 25 - 1e-6 <= length <= most * 25 + 1e-6 for length in lengths)
    kept = sum(end - first for first, end in runs if end - first >= least * 25 + 1)
    # Twice the least fits into the most: every run that is long enough is kept whole.
    assert sum(lengths) >= kept


def test_each_piece_that_is_still_needed_gets_its_least() -> None:
    pieces = cut([(0, 255)], voice(10.2, (4.1, 4.2), (7.0, 7.1)), RATE, Lengths(3.24, 5.1))
    assert len(pieces) == 3
    assert pieces[-1][1] == 255


def test_where_not_all_of_it_can_be_used_the_cut_still_lies_in_a_pause() -> None:
    # Neither one piece nor two hold 6.6 s; whatever follows the first is lost.
    ((first, end),) = cut([(0, 105)], voice(6.6, (5.5, 5.7)), Fraction(16), Lengths(5.1, 6))
    assert first == 0
    assert 5.5 <= end / 16 <= 5.7


@given(st.integers(1, 900), st.integers(1, 120), st.floats(1, 3))
def test_of_a_run_that_no_count_of_pieces_holds_as_much_is_kept_as_can_be(length: int, least: int, more: float) -> None:
    most = int(least * more)
    pieces = cut([(0, length)], np.zeros(length * 640, np.int16), RATE, Lengths(least / 25, most / 25))
    count = min(-(-length // most), length // least)
    assert len(pieces) == count
    assert sum(end - first for first, end in pieces) == (min(length, count * most) if count else 0)


@pytest.mark.parametrize("rate", [Fraction(16), RATE, Fraction(30000, 1001)])
def test_a_length_that_is_a_number_of_frames_is_that_number(rate: Fraction) -> None:
    for count in range(1, 3000):
        lengths = Lengths(float(count / rate), float(count / rate))
        assert (lengths.least_frames(rate), lengths.most_frames(rate)) == (count, count)


def test_a_length_that_is_no_number_of_frames_is_kept_all_the_same() -> None:
    assert (Lengths(4.4801).least_frames(RATE), Lengths(0, 4.4799).most_frames(RATE)) == (113, 111)
    assert (Lengths(0).least_frames(RATE), Lengths(0, 0.03).most_frames(RATE)) == (1, 0)


def test_loudness_is_that_around_a_frame() -> None:
    loudness = loudness_of(voice(2, (1.0, 1.2)), 50, RATE)
    assert loudness.shape == (51,)
    assert loudness[27] < loudness[20] - 30


@pytest.mark.parametrize("count", [0, 1])
def test_sound_that_ends_early_is_silence(count: int) -> None:
    assert loudness_of(np.zeros(count, np.int16), 10, RATE).max() == 0
