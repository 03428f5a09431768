"""Low confidence means a large error: labelled photographs, spoilt in the ways that videos are."""

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.stats import spearmanr

from benchmarks.quality import read_pts
from talkmill.faces.detection import FaceBoxesDetector
from talkmill.inference.runtime import cpu_runtime
from talkmill.landmarks.occlusion import EYE_SEEN, MOUTH_SEEN, eye_confidence, mouth_confidence
from talkmill.landmarks.points import LEFT_EYE, MOUTH, RIGHT_EYE, outer_eye_distance
from talkmill.models.repository import ModelRepository
from talkmill.stages.landmarks.stage import DETECTORS

PHOTOGRAPHS = ("breakingbad.jpg", "einstein.jpg", "eos_image_0010.png")
SAMPLES = 16


def spoilt(image: np.ndarray, kind: int, low: np.ndarray, size: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """As it is, with a hand over a part of the face, out of focus, or dark and noisy."""
    side = float(size.max())
    if kind == 1:
        centre = low + size * random.uniform(0.1, 0.9, 2)
        place = (int(centre[0]), int(centre[1]))
        return cv2.circle(image.copy(), place, int(side * random.uniform(0.15, 0.3)), (170, 130, 110), -1)
    if kind == 2:
        return cv2.GaussianBlur(image, (0, 0), side * random.uniform(0.02, 0.06))
    if kind == 3:
        noisy = image * random.uniform(0.08, 0.3) + random.normal(0, 12, image.shape)
        return np.clip(noisy, 0, 255).astype(np.uint8)
    return image


@pytest.fixture(scope="module", params=["face-mesh-478", "face-api-68"])
def measured(request: pytest.FixtureRequest, models: ModelRepository, assets: Path) -> tuple[np.ndarray, np.ndarray]:
    """Errors in outer-eye distances and confidences, point by point."""
    names, landmark_detector = DETECTORS[request.param]
    detector = landmark_detector(*(cpu_runtime(2).load(models.ensure(name, "landmarks").path, name) for name in names))
    errors, confidences = [], []
    for name in PHOTOGRAPHS:
        truth = read_pts(assets / "images" / f"{Path(name).stem}.pts")
        image = np.ascontiguousarray(cv2.imread(str(assets / "images" / name))[..., ::-1])
        low, size = truth.min(0), np.ptp(truth, axis=0)
        random = np.random.default_rng(0)
        for sample in range(SAMPLES):
            picture = np.ascontiguousarray(spoilt(image, sample % 4, low, size, random))
            box = np.array([*low, *(low + size)]) + random.normal(0, 0.03 * size.max(), 4)
            found = detector.detect(picture, box.astype(np.float32))
            errors.append(np.linalg.norm(found.points - truth, axis=1) / outer_eye_distance(truth))
            confidences.append(found.confidence)
    return np.concatenate(errors), np.concatenate(confidences)


def test_confidence_orders_points_by_their_error(measured: tuple[np.ndarray, np.ndarray]) -> None:
    errors, confidences = measured
    assert spearmanr(errors, confidences).statistic < -0.6


def test_each_sixth_of_less_confidence_has_more_error(measured: tuple[np.ndarray, np.ndarray]) -> None:
    errors, confidences = measured
    means = [part.mean() for part in np.array_split(errors[np.argsort(confidences)], 6)]
    assert all(after < before for before, after in itertools.pairwise(means))
    assert means[0] > 5 * means[-1]


def test_what_is_accepted_is_near(measured: tuple[np.ndarray, np.ndarray]) -> None:
    """Points above 3/4 miss by less than 8 % of the outer-eye distance in the mean: an undisturbed photograph's error."""
    errors, confidences = measured
    assert errors[confidences > 0.75].mean() < 0.08


def with_microphone(image: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """A round grey head of a microphone over the mouth, on a rod from below."""
    place = tuple(int(value) for value in truth[MOUTH].mean(0))
    side = outer_eye_distance(truth)
    picture = cv2.line(image.copy(), place, (place[0], len(image)), (140, 140, 145), int(0.22 * side))
    return cv2.GaussianBlur(cv2.circle(picture, place, int(0.33 * side), (140, 140, 145), -1), (0, 0), 1)


def with_black_glasses(image: np.ndarray, truth: np.ndarray) -> np.ndarray:
    side, picture = outer_eye_distance(truth), image.copy()
    for eye in (RIGHT_EYE, LEFT_EYE):
        x, y = (int(value) for value in truth[eye].mean(0))
        cv2.ellipse(picture, (x, y), (int(0.36 * side), int(0.27 * side)), 0, 0, 360, (12, 12, 14), -1, cv2.LINE_AA)
    return picture


def test_what_is_hidden_is_not_trusted(models: ModelRepository, assets: Path) -> None:
    names, landmark_detector = DETECTORS["face-mesh-478"]
    detector = landmark_detector(*(cpu_runtime(2).load(models.ensure(name, "landmarks").path, name) for name in names))
    faces = FaceBoxesDetector(cpu_runtime(2).load(models.ensure("faceboxes-v2", "face_detection").path, "faceboxes-v2"))
    for name in PHOTOGRAPHS:
        truth = read_pts(assets / "images" / f"{Path(name).stem}.pts")
        image = np.ascontiguousarray(cv2.imread(str(assets / "images" / name))[..., ::-1])
        centre = truth.mean(0)
        box = next(box for box in faces.detect(image).boxes if (box[:2] < centre).all() and (centre < box[2:]).all())
        for cover, trust, seen_from in (
            (with_microphone, mouth_confidence, MOUTH_SEEN),
            (with_black_glasses, eye_confidence, EYE_SEEN),
        ):
            seen, hidden = (
                float(trust(detector.detect(picture, box).confidence[None])[0])
                for picture in (image, cover(image, truth))
            )
            assert hidden < seen_from < seen, (name, cover.__name__, seen, hidden)
