"""Deep3DFaceRecon's regressor out of the user's own checkpoint, as ONNX.

Source: Deng et al., "Accurate 3D face reconstruction with weakly-supervised learning", CVPRW 2019 (code MIT;
its weights come from BFM 2009); He et al., "Deep residual learning for image recognition", CVPR 2016 (ResNet-50, stride
in the 3x3).
"""

import json
import pickle
import warnings
from collections import OrderedDict
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from scipy.io import loadmat
from torch import nn

from talkmill.fitting.alignment import FIVE_POINTS_KEY, five_points
from talkmill.fitting.coefficients import COARSE_COUNT
from talkmill.inference.onnx_backend import OnnxNetwork

STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
EXPANSION = 4
# Identity, expression, texture, angles, gamma, translation across and along: 257 in all.
HEADS = (80, 64, 80, 3, 27, 2, 1)
INPUT_SIZE, OPSET, BATCH = 224, 17, 3
# Largest difference of a coefficient between torch and ONNX Runtime on random pictures.
PARITY = 1e-3


class Deep3dError(ValueError):
    """The checkpoint is not that of the regressor, or its export differs."""


def build(checkpoint: Path, landmarks_3d: Path, target: Path) -> float:
    """Export a checkpoint and compare the result.

    Args:
        checkpoint: `epoch_20.pth`.
        landmarks_3d: `similarity_Lm3D_all.mat` of the authors' repository: where the five points are aligned to.
        target: The .onnx to write.

    Returns:
        The largest difference of a coefficient to torch.

    Raises:
        Deep3dError: A file is not what it should be, or the export differs by more than PARITY.
    """
    network = Regressor()
    try:
        network.load_state_dict(_weights(checkpoint), strict=True)
    except RuntimeError as error:
        raise Deep3dError(f"{checkpoint.name} has other layers than the ResNet-50 regressor: {error}") from error
    network.eval()
    five = _five_points(landmarks_3d)
    example = torch.zeros(1, 3, INPUT_SIZE, INPUT_SIZE)
    with warnings.catch_warnings():
        # torch 2.13 advises its newer exporter, which needs onnxscript.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network,
            (example,),
            str(target),
            dynamo=False,
            opset_version=OPSET,
            input_names=["image"],
            output_names=["coefficients"],
            dynamic_axes={"image": {0: "batch"}, "coefficients": {0: "batch"}},
        )
    model = onnx.load(str(target))
    model.metadata_props.add(key=FIVE_POINTS_KEY, value=json.dumps(five.tolist()))
    onnx.save(model, str(target))
    difference = _difference(network, target)
    if not difference <= PARITY:
        raise Deep3dError(f"the exported network differs from torch by {difference:g}, {PARITY:g} is allowed")
    return difference


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


def _weights(checkpoint: Path) -> "OrderedDict[str, torch.Tensor]":
    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise Deep3dError(f"{checkpoint.name} is no checkpoint of torch that holds weights alone: {error}") from error
    if not isinstance(content, dict) or "net_recon" not in content:
        found = ", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise Deep3dError(
            f"{checkpoint.name} has no `net_recon` (it has {found}); epoch_20.pth of the authors is wanted"
        )
    return OrderedDict(content["net_recon"])


def _five_points(path: Path) -> npt.NDArray[np.float64]:
    try:
        points = np.asarray(loadmat(path)["lm"], np.float64)
    except (OSError, KeyError, ValueError) as error:
        raise Deep3dError(f"{path.name} has no 68 points `lm` ({error}); similarity_Lm3D_all.mat is wanted") from error
    if points.shape != (68, 3):
        raise Deep3dError(f"{path.name} has points of shape {points.shape}, (68, 3) is wanted")
    return five_points(points)


def _difference(network: Regressor, path: Path) -> float:
    images = torch.rand(BATCH, 3, INPUT_SIZE, INPUT_SIZE, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = network(images).numpy()
    exported = OnnxNetwork(path, "deep3d-resnet50", ["CPUExecutionProvider"], 1)
    (found,) = exported.run({"image": images.numpy()})
    if found.shape != (BATCH, COARSE_COUNT):
        raise Deep3dError(f"the exported network gives {found.shape}, {(BATCH, COARSE_COUNT)} is wanted")
    return float(np.abs(found - expected).max())
