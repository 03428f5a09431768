"""What a survey takes for the rate of a video."""

from pathlib import Path

import numpy as np
import pytest

from talkmill.faces.detection import Detections
from talkmill.faces.stillness import FaceLooks
from talkmill.stages.split import survey
from talkmill.video.packets import index_packets
from tests.media import RATE, record

FIRST = [number / RATE for number in range(40)]


class Blind:
    """Sees no face."""

    def find(self, image: np.ndarray) -> Detections:
        return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))


@pytest.mark.parametrize("times", [FIRST, [*FIRST, *(600 + time for time in FIRST)]], ids=["whole", "a hole"])
def test_the_rate_is_that_of_the_frames(times: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what a header says nor the mean over a hole: a face that is seen for a second would count as seen for
    minutes."""
    rates: list[float] = []

    def looks(rate: float) -> FaceLooks:
        rates.append(rate)
        return FaceLooks(rate)

    monkeypatch.setattr(survey, "FaceLooks", looks)
    path = record(tmp_path / "a.mp4", times)
    found = survey.survey_source(path, index_packets(path), Blind(), (), 0.4, lambda done, total: None)
    assert found is not None
    assert rates == [RATE]
