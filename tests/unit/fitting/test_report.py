"""The verdict names what cannot be trusted."""

import numpy as np

from talkmill.fitting.report import FrameReport, verdict


def test_a_hidden_part_makes_a_clip_doubtful() -> None:
    still = np.zeros(100)
    frames = FrameReport(still + 1, still + 1, still, np.ones(100, bool))
    assert verdict(frames, "", ()) == ("good", [])
    assert verdict(frames, "", ("the mouth is hidden",)) == ("doubtful", ["the mouth is hidden"])
