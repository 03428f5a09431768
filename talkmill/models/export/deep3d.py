"""Deep3DFaceRecon's regressor out of the user's own checkpoint, as ONNX.

Source: Deng et al., "Accurate 3D face reconstruction with weakly-supervised learning", CVPRW 2019 (code MIT;
its weights come from BFM 2009); He et al., "Deep residual learning for image recognition", CVPR 2016 (ResNet-50, stride
in the 3x3).
"""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy.io import loadmat
from torch import nn

from talkmill.fitting.alignment import FIVE_POINTS_KEY, five_points
from talkmill.models.export.network import ExportError, export_network, load_weights

STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
EXPANSION = 4
# Identity, expression, texture, angles, gamma, translation across and along: 257 in all.
HEADS = (80, 64, 80, 3, 27, 2, 1)
INPUT_SIZE = 224


def build(checkpoint: Path, landmarks_3d: Path, target: Path) -> float:
    """Export a checkpoint and compare the result.

    Args:
        checkpoint: `epoch_20.pth`.
        landmarks_3d: `similarity_Lm3D_all.mat` of the authors' repository: where the five points are aligned to.
        target: The .onnx to write.

    Returns:
        The largest difference of a coefficient to torch.

    Raises:
        ExportError: A file is not what it should be, or the export differs by more than PARITY.
    """
    network = Regressor()
    load_weights(network, checkpoint, "net_recon")
    return export(network, target, {FIVE_POINTS_KEY: json.dumps(_five_points(landmarks_3d).tolist())})


def export(network: "Regressor", target: Path, metadata: dict[str, str]) -> float:
    """Export a network; see `build`."""
    generator = torch.Generator().manual_seed(0)
    examples = [torch.rand((count, 3, INPUT_SIZE, INPUT_SIZE), generator=generator) for count in (1, 3)]
    batch = {0: "batch"}
    return export_network(network, examples, ("image", "coefficients"), batch, target, batch, metadata)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 with a shortcut."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = width * EXPANSION
        self.conv1, self.bn1 = nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return (N, 4 * width, h, w)."""
        inner = torch.relu(self.bn1(self.conv1(image)))
        inner = torch.relu(self.bn2(self.conv2(inner)))
        return torch.relu(self.bn3(self.conv3(inner)) + self.downsample(image))


class Backbone(nn.Module):
    """ResNet-50 up to the mean over places, (N, 3, 224, 224) to (N, 2048, 1, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        inputs = 64
        for index, (width, count, stride) in enumerate(STAGES, start=1):
            blocks = [Bottleneck(inputs, width, stride)]
            inputs = width * EXPANSION
            blocks += [Bottleneck(inputs, width, 1) for _ in range(count - 1)]
            setattr(self, f"layer{index}", nn.Sequential(*blocks))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return features."""
        found = nn.functional.max_pool2d(torch.relu(self.bn1(self.conv1(image))), 3, 2, 1)
        for index in range(1, len(STAGES) + 1):
            found = getattr(self, f"layer{index}")(found)
        return nn.functional.adaptive_avg_pool2d(found, 1)


class Regressor(nn.Module):
    """The network of the checkpoint: a backbone and seven linear heads."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone()
        features = STAGES[-1][0] * EXPANSION
        self.final_layers = nn.ModuleList(nn.Conv2d(features, count, 1) for count in HEADS)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return 257 coefficients: (N, 3, 224, 224) RGB in 0..1 to (N, 257)."""
        features = self.backbone(image)
        return torch.flatten(torch.cat([layer(features) for layer in self.final_layers], dim=1), 1)


def _five_points(path: Path) -> npt.NDArray[np.float64]:
    try:
        points = np.asarray(loadmat(path)["lm"], np.float64)
    except (OSError, KeyError, ValueError) as error:
        raise ExportError(f"{path.name} has no 68 points `lm` ({error}); similarity_Lm3D_all.mat is wanted") from error
    if points.shape != (68, 3):
        raise ExportError(f"{path.name} has points of shape {points.shape}, (68, 3) is wanted")
    return five_points(points)
