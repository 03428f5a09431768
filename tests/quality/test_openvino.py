"""OpenVINO in fp32 and bf16 gives the mattes and points of ONNX Runtime on the CPU."""

from pathlib import Path

import numpy as np
import pytest

from talkmill.faces.detection import FaceBoxesDetector
from talkmill.inference.errors import PrecisionUnavailableError
from talkmill.inference.precision import Precision
from talkmill.inference.runtime import Runtime, cpu_runtime
from talkmill.landmarks.fused import FusedDetector
from talkmill.landmarks.points import outer_eye_distance
from talkmill.matting.fusion import FusionMatter
from talkmill.models.repository import ModelRepository
from talkmill.region import Region
from talkmill.video.decode import read_video

# Mean difference of a matte to that of the CPU in fp32 (docs/models.md): the target is 0.005.
BF16_MATTE = 0.005
# A frame and the box of its face.
Pair = tuple[np.ndarray, np.ndarray]
CLIPS = ("otavatar_example", "retalking_5", "real3d_May_5s")


@pytest.fixture(scope="module")
def faces(models: ModelRepository, assets: Path) -> dict[str, list[Pair]]:
    """A few frames of real clips, with the face of each."""
    path = models.ensure("faceboxes-v2", "face_detection").path
    detector = FaceBoxesDetector(cpu_runtime(2).load(path, "faceboxes-v2"))
    found = {}
    for name in CLIPS:
        frames = [frame for frame, _ in zip(read_video(assets / "videos" / f"{name}.mp4"), range(6), strict=False)]
        found[name] = [(frame, detector.detect(frame).boxes[0]) for frame in frames]
    return found


def precisions() -> list[Precision]:
    try:
        Runtime("openvino", 1).check("bf16")
    except PrecisionUnavailableError:
        return ["fp32"]
    return ["fp32", "bf16"]


def mattes(runtime: Runtime, precision: Precision, models: ModelRepository, pairs: list[Pair]) -> np.ndarray:
    selfie, salient = (models.ensure(name, "matting_part").path for name in ("selfie-256", "u2netp"))
    # As the matting stage has it: the selfie net stays in fp32.
    matter = FusionMatter(runtime.load(selfie, "s"), runtime.load(salient, "u", precision))
    frames, boxes = [frame for frame, _ in pairs], np.stack([box for _, box in pairs])
    height, width = frames[0].shape[:2]
    whole = Region(0, 0, width, height)
    return np.stack([alpha for _, alpha in matter.mattes(frames, boxes, whole, whole)])


def test_the_matte_is_the_same(models: ModelRepository, faces: dict[str, list[Pair]]) -> None:
    for precision in precisions():
        limit = 1e-4 if precision == "fp32" else BF16_MATTE
        for pairs in faces.values():
            ours = mattes(Runtime("openvino", 2), precision, models, pairs)
            assert np.abs(ours - mattes(cpu_runtime(2), "fp32", models, pairs)).mean() < limit


def test_the_points_are_the_same(models: ModelRepository, faces: dict[str, list[Pair]]) -> None:
    paths = [models.ensure(name, "landmarks").path for name in ("face-mesh-478", "face-api-68")]
    ours, theirs = (
        FusedDetector(*(place.load(path, "l") for path in paths)) for place in (Runtime("openvino", 2), cpu_runtime(2))
    )
    for frames in faces.values():
        for frame, box in frames:
            there = theirs.detect(frame, box).points
            assert np.abs(ours.detect(frame, box).points - there).max() < 1e-3 * outer_eye_distance(there)
