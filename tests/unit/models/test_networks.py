"""The reference's networks: checkpoints load strictly, exports that differ from torch are refused, heatmaps are decoded."""

from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from talkmill.landmarks.fan import decode
from talkmill.models.export import fan, modnet
from talkmill.models.export.network import ExportError, export_network


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


def test_another_networks_checkpoint_is_refused(tmp_path: Path) -> None:
    torch.save(OrderedDict(weight=torch.zeros(3)), tmp_path / "other.ckpt")
    with pytest.raises(ExportError, match="other layers than Modnet"):
        modnet.build(tmp_path / "other.ckpt", tmp_path / "modnet.onnx")
    with pytest.raises(ExportError, match="other layers than Fan"):
        fan.build(tmp_path / "other.ckpt", tmp_path / "fan.onnx")


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
