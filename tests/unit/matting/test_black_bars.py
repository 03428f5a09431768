"""Bars at the border of a picture."""

import numpy as np

from talkmill.matting.black_bars import BlackBars
from talkmill.region import Region

FACE = np.array([[70, 40, 100, 80]], np.float32)


def picture(rows: slice, columns: slice) -> np.ndarray:
    frame = np.random.default_rng(0).integers(0, 10, (120, 160, 3), np.uint8)
    frame[rows, columns] = 90
    return frame


def test_bars_are_found_on_all_sides() -> None:
    frame = picture(slice(12, 110), slice(20, 155))
    assert BlackBars(FACE).picture(frame) == Region(20, 12, 135, 98)


def test_a_line_that_was_ever_lit_is_no_bar() -> None:
    bars = BlackBars(FACE)
    assert bars.picture(picture(slice(12, 110), slice(0, 160))).y == 12
    assert bars.picture(picture(slice(5, 110), slice(0, 160))).y == 5
    assert bars.picture(picture(slice(12, 110), slice(0, 160))).y == 5


def test_a_bar_takes_a_quarter_at_most_and_no_face() -> None:
    dark = np.zeros((120, 160, 3), np.uint8)
    assert BlackBars(FACE).picture(dark) == Region(40, 30, 80, 60)
    assert BlackBars(np.array([[10, 8, 150, 115]], np.float32)).picture(dark) == Region(10, 8, 141, 108)
