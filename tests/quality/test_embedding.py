"""The face embedding net, built from weights alone, knows one man in two videos and tells others apart."""

from pathlib import Path

import numpy as np
import pytest

from talkmill.faces.detection import FaceBoxesDetector
from talkmill.faces.embedding import FaceEmbedder
from talkmill.hdtf.faces import FaceSampler
from talkmill.hdtf.people import ONE_PERSON, TWO_PEOPLE
from talkmill.inference.runtime import cpu_runtime
from talkmill.landmarks.detection import FaceApiDetector
from talkmill.models.repository import ModelRepository
from talkmill.video.cut import find_part

ONE_MAN = ("edtalk_uncrop_Obama", "3ddfa_obama")
OTHERS = ("otavatar_example", "real3d_May_5s", "liveportrait_s18")


@pytest.fixture(scope="module")
def vectors(models: ModelRepository, assets: Path) -> dict[str, np.ndarray]:
    runtime = cpu_runtime(2)
    sampler = FaceSampler(
        FaceBoxesDetector(runtime.load(models.ensure("faceboxes-v2", "face_detection").path, "f")),
        FaceApiDetector(runtime.load(models.ensure("face-api-68", "landmarks").path, "l")),
        FaceEmbedder(runtime.load(models.ensure("face-api-embedding", "face_embedding").path, "e")),
    )
    found = {}
    for name in (*ONE_MAN, *OTHERS):
        frames = sampler.frames(find_part(assets / "videos" / f"{name}.mp4", 0.0, 2.0))
        found[name] = np.array(sampler.embedding(frames, [sampler.faces(frame)[0] for frame in frames]))
    return found


def test_one_man_in_two_videos_is_near(vectors: dict[str, np.ndarray]) -> None:
    assert np.linalg.norm(vectors[ONE_MAN[0]] - vectors[ONE_MAN[1]]) < ONE_PERSON


def test_other_people_are_far(vectors: dict[str, np.ndarray]) -> None:
    for name in OTHERS:
        others = [vectors[other] for other in vectors if other != name]
        assert min(float(np.linalg.norm(vectors[name] - other)) for other in others) > TWO_PEOPLE
