"""A head turned far is measured well or is not valid: real faces on fitted heads, drawn heads, and true profiles."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from benchmarks.profiles import LIMIT, TURNED_DEGREES, ProfileReader, Reading, drawn_heads, turned_faces
from talkmill.faces.detection import FaceBoxesDetector
from talkmill.inference.runtime import cpu_runtime
from talkmill.landmarks.mesh import yaw
from talkmill.landmarks.validity import plausible
from talkmill.models.choice import DEFAULT_MODELS
from talkmill.models.repository import ModelRepository
from talkmill.morphable.model import MorphableModel
from talkmill.stages.landmarks.stage import DETECTORS
from talkmill.video.decode import read_video

# facerec_short_hamilton_clip.mp4: frames of an audience, whose larger faces, in pixels of their box, are all seen from
# the side, but for a man at the left of the picture.
AUDIENCE, LARGE, LEFT_MAN = (226, 268), 62, 120


@pytest.fixture(scope="module")
def reader(models: ModelRepository) -> ProfileReader:
    runtime = cpu_runtime(2)
    names, detector = DETECTORS[DEFAULT_MODELS.landmarks]
    return ProfileReader(
        FaceBoxesDetector(runtime.load(models.ensure("faceboxes-v2", "face_detection").path, "f")),
        detector(*(runtime.load(models.ensure(name, "landmarks").path, name) for name in names)),
    )


@pytest.fixture(scope="module")
def head(models: ModelRepository) -> MorphableModel:
    return MorphableModel.load(models.ensure("makehuman-head", "morphable").path)


def beyond(readings: list[Reading], degrees: int) -> list[Reading]:
    return [reading for reading in readings if abs(reading.degrees) >= degrees]


@pytest.mark.parametrize("video", ["otavatar_example.mp4", "liveportrait_s13.mp4"])
def test_a_real_face_is_measured_to_sixty_degrees_and_given_up_in_profile(
    assets: Path, reader: ProfileReader, head: MorphableModel, video: str
) -> None:
    face = reader.frontal_face(assets / "videos" / video, head)
    readings = list(turned_faces(reader, face, [0, 40, 60, 70, 80]))
    assert all(reading.valid for reading in readings if abs(reading.degrees) <= 60)
    assert all(reading.error < LIMIT for reading in readings if reading.valid)
    assert not any(reading.valid for reading in beyond(readings, 80))


@pytest.mark.parametrize("seed", [0, 1])
def test_a_drawn_head_that_is_valid_is_measured_well(reader: ProfileReader, head: MorphableModel, seed: int) -> None:
    readings = list(drawn_heads(reader, head, seed, [60, 70, 80]))
    assert all(reading.error < LIMIT for reading in beyond(readings, TURNED_DEGREES) if reading.valid)
    assert not any(reading.valid for reading in beyond(readings, 80))


def test_people_seen_from_the_side_are_not_valid(assets: Path, reader: ProfileReader) -> None:
    """Both nets agree on a guess here, so that their agreement alone called some of these faces valid."""
    turns = []
    for frame in islice(read_video(assets / "videos/facerec_short_hamilton_clip.mp4"), *AUDIENCE, 6):
        boxes = reader.faces.detect(frame).boxes
        for box in boxes[(boxes[:, 2] - boxes[:, 0] > LARGE) & (boxes[:, 0] > LEFT_MAN)]:
            found = reader.landmarks.detect(frame, box)
            assert found.mesh is not None
            turns.append(abs(np.degrees(yaw(found.mesh.vertices))))
            assert not plausible(found.points[None], found.confidence[None], box[None])[0]
    assert len(turns) > 8
    assert np.median(turns) > 45
