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


def test_loudness_is_that_around_a_frame() -> None:
    loudness = loudness_of(voice(2, (1.0, 1.2)), 50, RATE)
    assert loudness.shape == (51,)
    assert loudness[27] < loudness[20] - 30


@pytest.mark.parametrize("count", [0, 1])
def test_sound_that_ends_early_is_silence(count: int) -> None:
    assert loudness_of(np.zeros(count, np.int16), 10, RATE).max() == 0
