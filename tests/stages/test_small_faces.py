"""Real detectors on a real portrait that is small in a large frame."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from talkmill.faces.detection import DETECTORS, SURE_SCORE, FaceDetector
from talkmill.faces.finder import FaceFinder
from talkmill.inference.runtime import cpu_runtime
from talkmill.models.repository import ModelRepository
from talkmill.sample import SampleTruth
from talkmill.video.decode import read_video


@pytest.fixture(scope="module")
def detector(models: ModelRepository) -> FaceDetector:
    installed = models.ensure("faceboxes-v2", "face_detection")
    return DETECTORS["faceboxes-v2"](cpu_runtime(2).load(installed.checked_path(), "faceboxes-v2"))


@pytest.mark.parametrize(("size", "pixels"), [((1920, 1080), 70), ((3840, 2160), 70), ((2160, 3840), 110)])
def test_a_face_that_one_look_misses_is_found(
    detector: FaceDetector, sample: tuple[Path, SampleTruth], size: tuple[int, int], pixels: int
) -> None:
    portrait = next(read_video(sample[0]))
    (box,) = detector.detect(portrait).boxes
    scale = pixels / np.sqrt(np.prod(box[2:] - box[:2]))
    small = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    frame = np.full((size[1], size[0], 3), 114, np.uint8)
    x, y = size[0] // 2, size[1] // 2
    frame[y : y + small.shape[0], x : x + small.shape[1]] = small
    assert not (detector.detect(frame).scores >= SURE_SCORE).any()
    finder = FaceFinder(detector, 64)
    for _ in range(2):
        found = finder.find(frame)
        sure = found.boxes[found.scores >= SURE_SCORE]
        assert sure == pytest.approx(np.array([box * scale + [x, y, x, y]]), abs=0.15 * pixels)
