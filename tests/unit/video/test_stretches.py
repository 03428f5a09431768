"""Stretches of frames."""

import numpy as np

from talkmill.video.stretches import stretches_of


def test_stretches_in_which_something_holds() -> None:
    assert stretches_of(np.array([0, 1, 1, 0, 1], bool)) == [(1, 3), (4, 5)]
    assert stretches_of(np.array([1, 1], bool)) == [(0, 2)]
    assert stretches_of(np.zeros(3, bool)) == []
