"""2D-FAN out of the user's own checkpoint, as ONNX.

Source: Bulat and Tzimiropoulos, "How far are we from solving the 2D and 3D face alignment problem?", ICCV 2017
(face-alignment, BSD-3-Clause): four stacked hourglasses (Newell et al., ECCV 2016) of hierarchical, parallel and
multi-scale blocks (Bulat and Tzimiropoulos, ICCV 2017, "Binarized convolutional landmark localizers", figure 4).
Layer names are those of the authors' checkpoints, so that these load strictly.
"""

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from talkmill.models.export.network import export_network, load_weights

MODULES, DEPTH, WIDTH, POINTS = 4, 4, 256, 68
INPUT_SIDE = 256


def build(checkpoint: Path, target: Path) -> float:
    """Export a checkpoint and compare the result.

    Args:
        checkpoint: `2DFAN4-*.zip` or `.pth.tar` of face-alignment.
        target: The .onnx to write: `image` (N, 3, 256, 256) RGB in [0, 1] to `heatmaps` (N, 68, 64, 64).

    Returns:
        The largest difference to torch, as a share of the largest value.

    Raises:
        ExportError: The file is not that of 2D-FAN-4, or the export differs by more than 1e-4.
    """
    network = Fan()
    load_weights(network, checkpoint)
    return export(network, target)


def export(network: "Fan", target: Path) -> float:
    """Export a network; see `build`."""
    generator = torch.Generator().manual_seed(0)
    examples = [torch.rand((count, 3, INPUT_SIDE, INPUT_SIDE), generator=generator) for count in (1, 3)]
    return export_network(network, examples, ("image", "heatmaps"), {0: "batch"}, target, {0: "batch"})


class Block(nn.Module):
    """Three 3x3 convolutions whose outputs are all kept, with a shortcut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half, quarter = outputs // 2, outputs // 4
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, half, 3, 1, 1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(half), nn.Conv2d(half, quarter, 3, 1, 1, bias=False)
        self.bn3, self.conv3 = nn.BatchNorm2d(quarter), nn.Conv2d(quarter, quarter, 3, 1, 1, bias=False)
        self.downsample: nn.Module | None = None
        if inputs != outputs:
            self.downsample = nn.Sequential(
                nn.BatchNorm2d(inputs), nn.ReLU(), nn.Conv2d(inputs, outputs, 1, bias=False)
            )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return (N, outputs, h, w)."""
        first = self.conv1(torch.relu(self.bn1(image)))
        second = self.conv2(torch.relu(self.bn2(first)))
        third = self.conv3(torch.relu(self.bn3(second)))
        kept = torch.cat([first, second, third], dim=1)
        return kept + (image if self.downsample is None else self.downsample(image))


class Hourglass(nn.Module):
    """Down four times and up again, with a branch at each scale."""

    def __init__(self) -> None:
        super().__init__()
        for level in range(DEPTH, 0, -1):
            for name in ("b1", "b2", *(("b2_plus",) if level == 1 else ()), "b3"):
                self.add_module(f"{name}_{level}", Block(WIDTH, WIDTH))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return (N, 256, h, w)."""
        return self._at(DEPTH, image)

    def _at(self, level: int, image: torch.Tensor) -> torch.Tensor:
        modules = self._modules
        upper = modules[f"b1_{level}"](image)  # type: ignore[misc]
        lower = modules[f"b2_{level}"](functional.avg_pool2d(image, 2, 2))  # type: ignore[misc]
        lower = self._at(level - 1, lower) if level > 1 else modules["b2_plus_1"](lower)  # type: ignore[misc]
        lower = modules[f"b3_{level}"](lower)  # type: ignore[misc]
        result: torch.Tensor = upper + functional.interpolate(lower, scale_factor=2, mode="nearest")
        return result


class Fan(nn.Module):
    """The network: (N, 3, 256, 256) RGB in [0, 1] to the last module's heatmaps (N, 68, 64, 64)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3), nn.BatchNorm2d(64)
        self.conv2, self.conv3, self.conv4 = Block(64, 128), Block(128, 128), Block(128, WIDTH)
        for index in range(MODULES):
            self.add_module(f"m{index}", Hourglass())
            self.add_module(f"top_m_{index}", Block(WIDTH, WIDTH))
            self.add_module(f"conv_last{index}", nn.Conv2d(WIDTH, WIDTH, 1))
            self.add_module(f"bn_end{index}", nn.BatchNorm2d(WIDTH))
            self.add_module(f"l{index}", nn.Conv2d(WIDTH, POINTS, 1))
            if index < MODULES - 1:
                self.add_module(f"bl{index}", nn.Conv2d(WIDTH, WIDTH, 1))
                self.add_module(f"al{index}", nn.Conv2d(POINTS, WIDTH, 1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return heatmaps."""
        found = torch.relu(self.bn1(self.conv1(image)))
        found = self.conv3(functional.avg_pool2d(self.conv2(found), 2, 2))
        previous: torch.Tensor = self.conv4(found)
        heatmaps = previous
        for index in range(MODULES):
            part = {name: self._modules[f"{name}{index}"] for name in ("m", "top_m_", "conv_last", "bn_end", "l")}
            inner = part["top_m_"](part["m"](previous))  # type: ignore[misc]
            inner = torch.relu(part["bn_end"](part["conv_last"](inner)))  # type: ignore[misc]
            heatmaps = part["l"](inner)  # type: ignore[misc]
            if index < MODULES - 1:
                more = self._modules[f"bl{index}"](inner) + self._modules[f"al{index}"](heatmaps)  # type: ignore[misc]
                previous = previous + more
        return heatmaps
