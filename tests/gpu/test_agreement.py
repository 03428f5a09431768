"""CPU, CUDA and TensorRT give the same numbers, within what docs/models.md states."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch

from talkmill.inference.runtime import choose_runtime, cpu_runtime
from talkmill.models.catalogue import Role
from talkmill.models.export import deep3d, fan, modnet
from talkmill.models.repository import ModelRepository

# Of the largest output, fp32 on both sides.
TOLERANCE = 2e-3
# fp16 against fp32, of the largest output.
HALF_TOLERANCE = 2e-2
FETCHED: tuple[tuple[str, Role, tuple[int, int], str], ...] = (
    ("faceboxes-v2", "face_detection", (640, 640), "bgr"),
    ("u2netp", "matting_part", (320, 320), "imagenet"),
    ("selfie-256", "matting_part", (256, 256), "nhwc"),
    ("face-api-68", "landmarks", (112, 112), "rgb"),
)
BUILT = ("modnet", "fan-2d4", "deep3d-resnet50")
PROVIDERS = ("cuda", "tensorrt")


def blob(images: npt.NDArray[np.uint8], size: tuple[int, int], kind: str) -> npt.NDArray[np.float32]:
    small = np.stack([np.asarray(cv2.resize(image, size)) for image in images[:1]]).astype(np.float32)
    if kind == "nhwc":
        return small / 255
    if kind == "imagenet":
        small = (small / 255 - 0.45) / 0.225
    return np.ascontiguousarray(small.transpose(0, 3, 1, 2))


def compare(path: Path, inputs: npt.NDArray[np.float32], provider: str, precision: str, tolerance: float) -> None:
    runtime = choose_runtime(provider, 1)
    expected_network = cpu_runtime(2).load(path, "m")
    name = expected_network.input_names[0]
    found_network = runtime.load(path, "m", precision)  # type: ignore[arg-type]
    assert found_network.execution_provider == provider
    for expected, found in zip(expected_network.run({name: inputs}), found_network.run({name: inputs}), strict=True):
        assert np.abs(found - expected).max() <= tolerance * max(1.0, float(np.abs(expected).max()))


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(("model_id", "role", "size", "kind"), FETCHED)
def test_fetched_networks_agree(
    model_id: str, role: Role, size: tuple[int, int], kind: str, provider: str, models: ModelRepository,
    images: npt.NDArray[np.uint8],
) -> None:  # fmt: skip
    compare(models.ensure(model_id, role).path, blob(images, size, kind), provider, "fp32", TOLERANCE)


def built(model_id: str, folder: Path) -> tuple[Path, npt.NDArray[np.float32]]:
    torch.manual_seed(0)
    path, random = folder / "network.onnx", np.random.default_rng(0)
    if model_id == "modnet":
        modnet.export(modnet.Modnet().eval(), path)
        return path, random.uniform(-1, 1, (1, 3, 512, 896)).astype(np.float32)
    if model_id == "fan-2d4":
        fan.export(fan.Fan().eval(), path)
        return path, random.uniform(0, 1, (2, 3, 256, 256)).astype(np.float32)
    deep3d.export(deep3d.Regressor().eval(), path, {})
    return path, random.uniform(0, 1, (4, 3, 224, 224)).astype(np.float32)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("model_id", BUILT)
def test_imported_networks_agree(model_id: str, provider: str, tmp_path: Path) -> None:
    compare(*built(model_id, tmp_path), provider, "fp32", TOLERANCE)


@pytest.mark.parametrize("model_id", BUILT)
def test_half_precision_stays_near(model_id: str, tmp_path: Path) -> None:
    """MODNet normalises by instances: whether fp16 holds there is a question of its own."""
    compare(*built(model_id, tmp_path), "tensorrt", "fp16", HALF_TOLERANCE)
