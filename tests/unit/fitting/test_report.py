"""The verdict names what cannot be trusted."""

import numpy as np

from talkmill.fitting.report import FrameReport, verdict


def test_a_hidden_mouth_makes_a_clip_doubtful() -> None:
    still = np.zeros(100)
    frames = FrameReport(still + 1, still + 1, still, np.ones(100, bool))
    assert verdict(frames, "", 0.02) == ("good", [])
    word, reasons = verdict(frames, "", 0.34)
    assert word == "doubtful"
    assert len(reasons) == 1
    assert "the mouth" in reasons[0]
    assert "34%" in reasons[0]
