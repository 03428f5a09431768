"""The reference's networks: checkpoints load strictly, exports agree with torch, other sizes and batches work."""

import warnings
from collections import OrderedDict
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from talkmill.inference.runtime import Runtime, cpu_runtime
from talkmill.landmarks.fan import FanDetector, decode
from talkmill.matting.modnet import ModnetMatter, input_size
from talkmill.models.export import fan, modnet
from talkmill.models.export.network import OPSET, PARITY, ExportError, export_network
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


def test_modnet_has_the_layers_that_its_authors_published() -> None:
    names = modnet.Modnet().state_dict()
    # 6.49 million weights (the paper, table 2), of which the backbone is named twice.
    unique = {value.data_ptr(): value.numel() for name, value in names.items() if "num_batches" not in name}
    assert sum(unique.values()) == pytest.approx(6.5e6, rel=0.02)
    for name in (
        "backbone.model.features.0.0.weight",
        "lr_branch.backbone.model.features.18.1.running_mean",
        "lr_branch.se_block.fc.2.weight",
        "lr_branch.conv_lr16x.layers.1.bnorm.weight",
        "hr_branch.conv_hr4x.2.layers.0.bias",
        "f_branch.conv_f.1.layers.0.weight",
    ):
        assert name in names


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
    alpha = matter.matte(frame, np.zeros(4, np.float32), Region(0, 0, 480, 270))
    assert alpha.shape == (270, 480)
    part = Region(100, 30, 200, 150)
    # The same frame again, so that the motion gate changes nothing; a part is sampled to 1/32 pixel.
    assert np.abs(matter.matte(frame, np.zeros(4, np.float32), part) - alpha[part.slices]).max() < 1e-3
    assert 0 <= alpha.min() <= alpha.max() <= 1


def test_another_networks_checkpoint_is_refused(tmp_path: Path) -> None:
    torch.save(OrderedDict(weight=torch.zeros(3)), tmp_path / "other.ckpt")
    with pytest.raises(ExportError, match="other layers than Modnet"):
        modnet.build(tmp_path / "other.ckpt", tmp_path / "modnet.onnx")
    with pytest.raises(ExportError, match="other layers than Fan"):
        fan.build(tmp_path / "other.ckpt", tmp_path / "fan.onnx")


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


def test_a_heatmap_is_read_to_a_quarter_of_a_cell() -> None:
    rows, columns = np.mgrid[:64, :64].astype(np.float32)
    wanted = np.array([[20.3, 40.0], [0.0, 63.0], [31.7, 10.2]])
    heatmaps = np.stack([np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 2) for x, y in wanted]).astype(np.float32)
    points, heights = decode(heatmaps)
    cells = (points + 0.5) / 4 - 0.5
    assert np.abs(cells - wanted).max() <= 0.26
    assert (heights > 0.8).all()


def test_an_export_that_differs_is_refused(tmp_path: Path) -> None:
    class Drifting(torch.nn.Module):
        """Traces to a constant."""

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image + float(image.sum())

    torch.manual_seed(0)
    examples = [torch.rand(1, 3, 8, 8), torch.rand(2, 3, 8, 8)]
    with pytest.raises(ExportError, match="differs from torch"):
        export_network(Drifting(), examples, ("image", "out"), {0: "batch"}, tmp_path / "x.onnx", {0: "batch"})


def test_peaks_are_decoded_as_the_authors_decode_them() -> None:
    """What face-alignment 608505f's own _get_preds_fromhm returned for these heatmaps, in cells from the corner."""
    peaks = [(10, 20), (0, 20), (63, 20), (20, 0), (63, 63), (1, 62)]
    row, column = np.mgrid[:64, :64]
    heatmaps = np.zeros((len(peaks), 64, 64), np.float32)
    for heatmap, (y, x) in zip(heatmaps, peaks, strict=True):
        heatmap[:] = np.exp(-((row - y - 0.2) ** 2 + (column - x + 0.3) ** 2) / 8)
        heatmap[y, x] = 2
    expected = [[20.25, 10.75], [20.5, 0.5], [20.5, 63.5], [0.5, 20.5], [63.5, 63.5], [62.25, 1.75]]
    points, _ = decode(heatmaps)
    assert points == pytest.approx(np.array(expected) * 4 - 0.5)
