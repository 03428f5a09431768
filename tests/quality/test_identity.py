"""One person stays one through a clip, and two people who follow each other are told apart."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from talkmill.arrays import Frame
from talkmill.faces.detection import FaceBoxesDetector
from talkmill.faces.embedding import EMBEDDING_MODEL, FaceEmbedder
from talkmill.faces.identity import FarthestMoments, IdentityWatch
from talkmill.inference.runtime import cpu_runtime
from talkmill.landmarks.detection import Landmarks
from talkmill.landmarks.fused import FusedDetector
from talkmill.landmarks.points import eyes_and_mouth
from talkmill.models.repository import ModelRepository
from talkmill.stages.landmarks.messages import LandmarksParameters
from talkmill.video.cut import find_part
from talkmill.video.scan import read_pictures

LIMIT = LandmarksParameters().max_face_distance
PEOPLE = ("edtalk_uncrop_Obama", "otavatar_example", "real3d_May_5s", "retalking_5", "sadtalker_WDA_KatieHill_000")
RATE = 25.0
# As far apart as the watch takes samples.
STEP = 10

Seen = list[tuple[Frame, Landmarks]]


@pytest.fixture(scope="module")
def seen(models: ModelRepository, assets: Path) -> dict[str, Seen]:
    runtime = cpu_runtime(2)
    detector = FaceBoxesDetector(runtime.load(models.ensure("faceboxes-v2", "face_detection").path, "f"))
    landmarks = FusedDetector(
        runtime.load(models.ensure("face-mesh-478", "landmarks").path, "m"),
        runtime.load(models.ensure("face-api-68", "landmarks").path, "l"),
    )

    def look(frame: Frame) -> tuple[Frame, Landmarks]:
        return frame, landmarks.detect(frame, detector.detect(frame).sure_boxes[0])

    def frames(name: str) -> Iterator[Frame]:
        part = find_part(assets / "videos" / f"{name}.mp4", 0.0, 4.8)
        return iter(read_pictures(part.path, part.scan, range(part.first, part.end, STEP)))

    return {name: [look(frame) for frame in frames(name)] for name in PEOPLE}


@pytest.fixture(scope="module")
def farthest(models: ModelRepository) -> Callable[[Seen], FarthestMoments | None]:
    network = cpu_runtime(2).load(models.ensure(EMBEDDING_MODEL, "face_embedding").path, "e")

    def watch(faces: Seen) -> FarthestMoments | None:
        watched = IdentityWatch(FaceEmbedder(network), RATE)
        for index, (image, found) in enumerate(faces):
            watched.look(index * STEP, image, eyes_and_mouth(found.points), float(found.confidence.mean()))
        return watched.farthest()

    return watch


def test_one_person_is_one(seen: dict[str, Seen], farthest: Callable[[Seen], FarthestMoments | None]) -> None:
    for name, faces in seen.items():
        moments = farthest(faces)
        assert moments is not None and moments.distance < 0.9 * LIMIT, name


def test_two_people_are_two_and_the_moments_lie_on_either_side(
    seen: dict[str, Seen], farthest: Callable[[Seen], FarthestMoments | None]
) -> None:
    for first, second in pairwise(seen):
        moments = farthest(seen[first][:6] + seen[second][:6])
        assert moments is not None and moments.distance > 1.1 * LIMIT, (first, second)
        assert moments.first_frame < 6 * STEP <= moments.other_frame


def test_too_few_faces_say_nothing(seen: dict[str, Seen], farthest: Callable[[Seen], FarthestMoments | None]) -> None:
    faces = seen[PEOPLE[0]]
    hidden = [(image, Landmarks(found.points, np.zeros(68, np.float32))) for image, found in faces]
    assert farthest(faces[:3]) is None
    assert farthest(hidden) is None
