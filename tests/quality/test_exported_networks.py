"""Networks as they are exported: torch, ONNX Runtime and OpenVINO agree, other sizes and batches work.

Weights are random, in the form in which the authors publish theirs.
"""

import warnings
from collections import OrderedDict
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from scipy.io import savemat

from talkmill.fitting.alignment import align, five_points
from talkmill.fitting.regression import aligned, regress
from talkmill.inference.onnx_backend import OnnxNetwork
from talkmill.inference.runtime import Runtime, cpu_runtime
from talkmill.landmarks.fan import FanDetector
from talkmill.matting.modnet import ModnetMatter, input_size
from talkmill.models.export import deep3d, fan, modnet
from talkmill.models.export.network import OPSET, PARITY
from talkmill.region import Region


@pytest.fixture(scope="module")
def modnet_file(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A checkpoint as the authors write it, and its export."""
    folder = tmp_path_factory.mktemp("modnet")
    torch.manual_seed(1)
    network = modnet.Modnet()
    names = OrderedDict((f"module.{name}", value) for name, value in network.state_dict().items())
    torch.save(names, folder / "modnet.ckpt")
    assert modnet.build(folder / "modnet.ckpt", folder / "modnet.onnx") < PARITY
    return folder / "modnet.ckpt", folder / "modnet.onnx"


def test_modnet_takes_any_batch_and_size_and_states_its_opset(modnet_file: tuple[Path, Path]) -> None:
    model = onnx.load(str(modnet_file[1]))
    assert model.opset_import[0].version == OPSET
    axes = [dim.dim_param or dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    assert axes == ["batch", 3, "height", "width"]


def test_openvino_agrees_with_onnx_runtime_on_modnet(modnet_file: tuple[Path, Path]) -> None:
    image = np.random.default_rng(0).uniform(-1, 1, (2, 3, 128, 96)).astype(np.float32)
    (expected,) = cpu_runtime(1).load(modnet_file[1], "modnet").run({"image": image})
    (found,) = Runtime("openvino", 1).load(modnet_file[1], "modnet").run({"image": image})
    assert np.abs(found - expected).max() < PARITY


def test_modnet_mattes_a_frame_at_its_own_size(modnet_file: tuple[Path, Path]) -> None:
    assert input_size(1080, 1920) == (896, 512)
    matter = ModnetMatter(cpu_runtime(2).load(modnet_file[1], "modnet"))
    frame = np.random.default_rng(0).integers(0, 255, (270, 480, 3), np.uint8)
    whole, part = Region(0, 0, 480, 270), Region(100, 30, 200, 150)
    alpha, of_part = (
        next(matter.mattes([frame], np.zeros((1, 4), np.float32), part, region))[1] for region in (whole, part)
    )
    assert alpha.shape == (270, 480)
    # A map is sampled to 1/32 pixel.
    assert np.abs(of_part - alpha[part.slices]).max() < 1e-3
    assert 0 <= alpha.min() <= alpha.max() <= 1


@pytest.mark.slow
def test_fan_is_exported_from_a_state_dict_and_from_torchscript(tmp_path: Path) -> None:
    torch.manual_seed(2)
    network = fan.Fan().eval()
    # 23.8 million weights (face-alignment's 2DFAN-4 has a file of 95.6 MB).
    assert sum(value.numel() for value in network.parameters()) == pytest.approx(23.8e6, rel=0.02)
    torch.save(network.state_dict(), tmp_path / "fan.pth.tar")
    assert fan.build(tmp_path / "fan.pth.tar", tmp_path / "fan.onnx") < PARITY
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.trace(network, torch.zeros(1, 3, 256, 256), check_trace=False).save(str(tmp_path / "fan.zip"))
    loaded = fan.Fan()
    fan.load_weights(loaded, tmp_path / "fan.zip")
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in network.state_dict().items())
    detector = FanDetector(cpu_runtime(2).load(tmp_path / "fan.onnx", "fan-2d4"))
    found = detector.detect(np.zeros((300, 300, 3), np.uint8), np.array([50, 50, 250, 250], np.float32))
    assert found.points.shape == (68, 2)
    assert ((found.confidence > 0) & (found.confidence <= 1)).all()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of the regressor's layout, small enough that 50 layers stay finite."""
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("deep3d")
    torch.save({"net_recon": OrderedDict(deep3d.Regressor().state_dict()), "opt_00": {}}, path / "epoch_20.pth")
    savemat(path / "similarity_Lm3D_all.mat", {"lm": np.random.default_rng(0).normal(size=(68, 3))})
    return path


@pytest.mark.slow
def test_the_regressor_is_exported_and_compared(checkpoint: Path, tmp_path: Path) -> None:
    target = tmp_path / "net.onnx"
    assert deep3d.build(checkpoint / "epoch_20.pth", checkpoint / "similarity_Lm3D_all.mat", target) < PARITY
    network = OnnxNetwork(target, "deep3d-resnet50", ["CPUExecutionProvider"], 1)
    assert "five_points" in network.metadata
    random = np.random.default_rng(1)
    frames = [random.integers(0, 255, (256, 256, 3), np.uint8) for _ in range(18)]
    points = random.uniform(60, 200, (68, 2))
    model = random.normal(size=(68, 3))
    alignments = [align(points, five_points(model), 256)] * 18
    found = np.concatenate(list(regress(network, frames, alignments)))
    assert found.shape == (18, 257) and np.isfinite(found).all()
    (one,) = network.run({"image": aligned(frames[17], alignments[17])[None]})
    assert np.allclose(found[17], one[0], atol=1e-4)
    with pytest.raises(ValueError, match="zip"):
        list(regress(network, frames[:3], alignments))
