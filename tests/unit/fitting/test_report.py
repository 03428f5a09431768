"""The verdict names what cannot be trusted."""

import numpy as np
import pytest

from talkmill.fitting.report import FrameReport, verdict


@pytest.mark.parametrize(("mouth", "eye", "words"), [(0.34, 0.02, "the mouth"), (0.02, 0.34, "an eye")])
def test_a_part_that_is_hidden_makes_a_clip_doubtful(mouth: float, eye: float, words: str) -> None:
    still = np.zeros(100)
    frames = FrameReport(still + 1, still + 1, still, np.ones(100, bool))
    assert verdict(frames, "", 0.02, 0.02) == ("good", [])
    word, reasons = verdict(frames, "", mouth, eye)
    assert word == "doubtful"
    assert len(reasons) == 1
    assert words in reasons[0]
    assert "34%" in reasons[0]
