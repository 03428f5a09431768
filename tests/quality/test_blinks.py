"""The default landmarks see what face-api-68 alone does not: shut eyes, and the labelled photographs' points."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.quality import read_pts
from talkmill.faces.detection import FaceBoxesDetector
from talkmill.inference.runtime import cpu_runtime
from talkmill.landmarks.detection import LandmarkDetector, Landmarks
from talkmill.landmarks.eyes import eye_opening
from talkmill.landmarks.points import INNER, outer_eye_distance
from talkmill.models.choice import DEFAULT_MODELS
from talkmill.models.repository import ModelRepository
from talkmill.stages.landmarks.stage import DETECTORS
from talkmill.video.decode import read_video

# real3d_May_5s by eye: open in frames 0 to 4, shut in 5 to 8, half open in 9, open from 12 on.
OPEN, SHUT = [0, 1, 2, 3, 12, 13], [5, 6, 7, 8]
# Labelled photographs: one is a frontal face, two are turned by 24 and 34 degrees.
PHOTOGRAPHS = ("breakingbad.jpg", "einstein.jpg", "eos_image_0010.png")


@pytest.fixture(scope="module")
def faces(models: ModelRepository) -> FaceBoxesDetector:
    return FaceBoxesDetector(cpu_runtime(2).load(models.ensure("faceboxes-v2", "face_detection").path, "f"))


@pytest.fixture(scope="module")
def detector_of(models: ModelRepository) -> Callable[[str], LandmarkDetector]:
    def make(choice: str) -> LandmarkDetector:
        names, detector = DETECTORS[choice]
        return detector(*(cpu_runtime(2).load(models.ensure(name, "landmarks").path, name) for name in names))

    return make


@pytest.fixture(scope="module")
def blinking(
    assets: Path, faces: FaceBoxesDetector, detector_of: Callable[[str], LandmarkDetector]
) -> dict[str, list[Landmarks]]:
    frames = list(islice(read_video(assets / "videos/real3d_May_5s.mp4"), 14))
    boxes = [faces.detect(frame).boxes[0] for frame in frames]
    return {
        choice: [detector_of(choice).detect(frame, box) for frame, box in zip(frames, boxes, strict=True)]
        for choice in (DEFAULT_MODELS.landmarks, "face-api-68")
    }


def lid_distances(found: list[Landmarks]) -> np.ndarray:
    """Mean distance of the lids of each frame, in percent of the outer-eye distance."""
    points = np.stack([one.points for one in found])
    pairs = np.array([(37, 41), (38, 40), (43, 47), (44, 46)])
    apart = np.linalg.norm(points[:, pairs[:, 0]] - points[:, pairs[:, 1]], axis=-1).mean(1)
    return np.asarray(100 * apart / outer_eye_distance(points))


def test_lids_shut_in_the_frames_in_which_the_eyes_are_shut(blinking: dict[str, list[Landmarks]]) -> None:
    lids = lid_distances(blinking[DEFAULT_MODELS.landmarks])
    assert lids[SHUT].max() < 0.4 * lids[OPEN].min()
    # Why the mesh is there: with face-api-68 alone the same lids hardly move.
    alone = lid_distances(blinking["face-api-68"])
    assert alone[SHUT].min() > 0.75 * alone[OPEN].max()


def test_the_opening_of_the_eyes_says_the_same(blinking: dict[str, list[Landmarks]]) -> None:
    meshes = [one.mesh for one in blinking[DEFAULT_MODELS.landmarks]]
    opening = eye_opening(np.stack([mesh.vertices for mesh in meshes if mesh is not None]))
    assert opening[SHUT].max() < 0.5 * opening[OPEN].min()


def test_labelled_photographs_are_met(
    assets: Path, faces: FaceBoxesDetector, detector_of: Callable[[str], LandmarkDetector]
) -> None:
    detector = detector_of(DEFAULT_MODELS.landmarks)
    errors = []
    for name in PHOTOGRAPHS:
        truth = read_pts(assets / "images" / f"{Path(name).stem}.pts")
        image = np.ascontiguousarray(cv2.imread(str(assets / "images" / name))[..., ::-1])
        boxes = faces.detect(image).boxes
        middle = truth.mean(0)
        (box,) = [box for box in boxes if (box[:2] < middle).all() and (middle < box[2:]).all()][:1]
        errors.append(np.linalg.norm(detector.detect(image, box).points - truth, axis=1) / outer_eye_distance(truth))
    assert 100 * np.mean(errors) < 7.1
    assert 100 * np.mean([error[INNER] for error in errors]) < 4.8
