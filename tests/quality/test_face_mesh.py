"""The face mesh as it is converted: TensorFlow Lite's own points, and the table of mirrored vertices."""

import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from benchmarks.quality import read_pts
from talkmill.geometry.pyramid import Pyramid
from talkmill.inference.runtime import cpu_runtime
from talkmill.landmarks.crops import crop_of, crop_transform
from talkmill.landmarks.mesh import MIRROR_KEY, SIDE
from talkmill.models.repository import ModelRepository

# Vertices of face_landmarks_detector.tflite in ai-edge-litert 2.3.0, on the crop below.
LITERT_POINTS = {
    1: (165.044, 117.462, -29.976),
    33: (113.721, 78.904, 6.681),
    152: (134.229, 208.270, -27.628),
    263: (190.969, 97.953, 33.918),
    468: (125.791, 79.812, 5.026),
    473: (184.104, 94.667, 26.933),
}
LITERT_PRESENCE = 14.610487


@pytest.fixture(scope="module")
def path(models: ModelRepository) -> Path:
    return models.ensure("face-mesh-478", "landmarks").path


def test_its_points_are_those_of_tensorflow_lite(path: Path, assets: Path) -> None:
    truth = read_pts(assets / "images/einstein.pts")
    image = np.ascontiguousarray(cv2.imread(str(assets / "images/einstein.jpg"))[..., ::-1])
    centre, side = (truth.min(0) + truth.max(0)) / 2, float(np.ptp(truth, axis=0).max()) * 1.5
    crop = crop_of(Pyramid(image), crop_transform(centre, side, 0.0, SIDE), SIDE)
    batch = crop.astype(np.float32).transpose(2, 0, 1)[None] * np.float32(1 / 255)
    points, presence = cpu_runtime(2).load(path, "face-mesh-478").run({"image": batch})
    # Other decoders of JPEG differ by a level, which moves points by hundredths of a pixel.
    for vertex, expected in LITERT_POINTS.items():
        assert points[0, vertex] == pytest.approx(expected, abs=0.02)
    assert float(presence[0, 0]) == pytest.approx(LITERT_PRESENCE, abs=0.02)


def test_no_prelu_is_left_to_the_slow_kernel(path: Path) -> None:
    assert "PRelu" not in {node.op_type for node in onnx.load(str(path)).graph.node}


def test_mirrored_vertices_are_known(path: Path) -> None:
    """MediaPipe's own lists of connections name these on the right and on the left."""
    mirror = json.loads(cpu_runtime(1).load(path, "face-mesh-478").metadata[MIRROR_KEY])
    pairs = {33: 263, 133: 362, 159: 386, 145: 374, 61: 291, 234: 454, 70: 300, 469: 476, 471: 474}
    middle = (1, 4, 10, 13, 14, 152, 168)
    assert all(mirror[right] == left and mirror[left] == right for right, left in pairs.items())
    assert all(mirror[vertex] == vertex for vertex in middle)
    assert (mirror[468], mirror[470], mirror[472]) == (473, 475, 477)
