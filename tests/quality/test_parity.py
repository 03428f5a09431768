"""What is built from published weights computes what an independent conversion computes."""

from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort

from benchmarks.quality import read_pts
from talkmill.faces.detection import FaceBoxesDetector
from talkmill.inference.onnx_backend import OnnxNetwork
from talkmill.landmarks.detection import FaceApiDetector
from talkmill.landmarks.points import INNER, outer_eye_distance
from talkmill.models.repository import ModelRepository

CPU = ["CPUExecutionProvider"]


def test_selfie_equals_another_conversion(models: ModelRepository, assets: Path) -> None:
    image = cv2.imread(str(assets / "images/eos_image_0010.png"))[..., ::-1]
    blob = cv2.resize(image, (256, 256), interpolation=cv2.INTER_AREA)[None].astype(np.float32) / 255
    outputs = []
    for path in (models.ensure("selfie-256", "matting_part").path, assets / "models/mediapipe_selfie256.onnx"):
        session = ort.InferenceSession(str(path), providers=CPU)
        outputs.append(session.run(None, {session.get_inputs()[0].name: blob})[0])
    assert outputs[0].max() > 0.9
    assert np.abs(outputs[0] - outputs[1]).max() < 1e-4


def test_landmarks_on_labelled_photographs(models: ModelRepository, assets: Path) -> None:
    faces = FaceBoxesDetector(OnnxNetwork(models.ensure("faceboxes-v2", "face_detection").path, "f", CPU, 2))
    landmarks = FaceApiDetector(OnnxNetwork(models.ensure("face-api-68", "landmarks").path, "l", CPU, 2))
    errors = []
    for name in ("breakingbad.jpg", "einstein.jpg", "eos_image_0010.png"):
        truth = read_pts(assets / "images" / f"{Path(name).stem}.pts")
        image = np.ascontiguousarray(cv2.imread(str(assets / "images" / name))[..., ::-1])
        centre = truth.mean(0)
        (box,) = [box for box in faces.detect(image).boxes if (box[:2] < centre).all() and (centre < box[2:]).all()]
        found = landmarks.detect(image, box)
        errors.append(np.linalg.norm(found.points - truth, axis=1) / outer_eye_distance(truth))
    # The project's own target; two of the three photographs are hard poses.
    assert np.mean(errors) <= 0.08
    assert np.mean(np.array(errors)[:, INNER]) <= 0.06


def test_mirrored_faces_have_mirrored_landmarks(models: ModelRepository, assets: Path) -> None:
    from talkmill.landmarks.points import MIRROR

    faces = FaceBoxesDetector(OnnxNetwork(models.ensure("faceboxes-v2", "face_detection").path, "f", CPU, 2))
    landmarks = FaceApiDetector(OnnxNetwork(models.ensure("face-api-68", "landmarks").path, "l", CPU, 2))
    image = np.ascontiguousarray(cv2.imread(str(assets / "images/eos_image_0010.png"))[..., ::-1])
    box = faces.detect(image).boxes[0]
    width = image.shape[1] - 1
    there = landmarks.detect(image, box).points
    mirrored_box = np.array([width - box[2], box[1], width - box[0], box[3]], np.float32)
    back = landmarks.detect(np.ascontiguousarray(image[:, ::-1]), mirrored_box).points
    back = np.stack([width - back[MIRROR, 0], back[MIRROR, 1]], axis=1)
    assert np.linalg.norm(there - back, axis=1).max() / outer_eye_distance(there) < 0.02
