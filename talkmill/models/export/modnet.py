"""MODNet out of the user's own checkpoint, as ONNX.

Source: Ke et al., "MODNet: Real-time trimap-free portrait matting via objective decomposition", AAAI 2022 (Apache-2.0),
sections 3.2 to 3.4; Sandler et al., "MobileNetV2", CVPR 2018, table 2; Pan et al., "Two at once: IBN-Net", ECCV 2018.
Layer names are those of the authors' checkpoints, so that these load strictly.
"""

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from talkmill.models.export.network import export_network, load_weights

# Expansion, channels, blocks and first stride of the inverted residuals.
RESIDUALS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
# Layers of the backbone after which the image is 1/2, 1/4, 1/8, 1/16 and 1/32 of its size, and their channels.
SCALES = (2, 4, 7, 14, 19)
CHANNELS = (16, 24, 32, 96, 1280)
HIGH_RESOLUTION_CHANNELS = 32
SQUEEZE = 4


def build(checkpoint: Path, target: Path) -> float:
    """Export a checkpoint and compare the result.

    Args:
        checkpoint: A .ckpt of the authors.
        target: The .onnx to write: `image` (N, 3, H, W) RGB in [-1, 1], sides multiples of 32, to `alpha`
            (N, 1, H, W).

    Returns:
        The largest difference of alpha to torch.

    Raises:
        ExportError: The file is not that of MODNet, or the export differs by more than 1e-4.
    """
    network = Modnet()
    load_weights(network, checkpoint)
    return export(network, target)


def export(network: "Modnet", target: Path) -> float:
    """Export a network; see `build`."""
    generator = torch.Generator().manual_seed(0)
    sizes = ((1, 3, 128, 160), (2, 3, 96, 64))
    examples = [torch.rand(size, generator=generator) * 2 - 1 for size in sizes]
    axes = {0: "batch", 2: "height", 3: "width"}
    return export_network(network, examples, ("image", "alpha"), axes, target, axes)


class HalfNorm(nn.Module):
    """Batch normalisation of the first half of the channels, instance normalisation of the others."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.batch_channels = channels // 2
        self.bnorm = nn.BatchNorm2d(self.batch_channels)
        self.inorm = nn.InstanceNorm2d(channels - self.batch_channels, affine=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return (N, C, h, w)."""
        return torch.cat(
            [self.bnorm(image[:, : self.batch_channels]), self.inorm(image[:, self.batch_channels :])], dim=1
        )


class Layer(nn.Module):
    """A convolution, and normalisation and ReLU unless it is the last."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, last: bool = False) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)]
        if not last:
            layers += [HalfNorm(outputs), nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return (N, outputs, h, w)."""
        found: torch.Tensor = self.layers(image)
        return found


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; with a shortcut where the shape stays."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers += [nn.Conv2d(inputs, hidden, 1, bias=False), nn.BatchNorm2d(hidden), nn.ReLU6()]
        layers += [
            nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(),
        ]
        layers += [nn.Conv2d(hidden, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]
        self.conv = nn.Sequential(*layers)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return (N, outputs, h, w)."""
        found: torch.Tensor = self.conv(image)
        return image + found if self.shortcut else found


class MobileNet(nn.Module):
    """MobileNetV2 without its classifier."""

    def __init__(self) -> None:
        super().__init__()
        features: list[nn.Module] = [_with_norm(nn.Conv2d(3, 32, 3, 2, 1, bias=False))]
        inputs = 32
        for expansion, outputs, count, stride in RESIDUALS:
            for index in range(count):
                features.append(InvertedResidual(inputs, outputs, stride if index == 0 else 1, expansion))
                inputs = outputs
        features.append(_with_norm(nn.Conv2d(inputs, CHANNELS[-1], 1, bias=False)))
        self.features = nn.Sequential(*features)


class Backbone(nn.Module):
    """The image at five scales."""

    def __init__(self) -> None:
        super().__init__()
        self.model = MobileNet()

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Return features at 1/2, 1/4, 1/8, 1/16 and 1/32."""
        found, begin = [], 0
        for end in SCALES:
            image = self.model.features[begin:end](image)
            found.append(image)
            begin = end
        return found


class SqueezeExcite(nn.Module):
    """Weighs channels by their mean (Hu et al., CVPR 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = channels // SQUEEZE
        self.fc = nn.Sequential(
            nn.Linear(channels, inner, bias=False), nn.ReLU(), nn.Linear(inner, channels, bias=False), nn.Sigmoid()
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return (N, C, h, w)."""
        weights: torch.Tensor = self.fc(image.mean(dim=(2, 3)))
        return image * weights[:, :, None, None]


class LowResolution(nn.Module):
    """Where the person is: semantic estimation (section 3.2)."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.se_block = SqueezeExcite(CHANNELS[4])
        self.conv_lr16x = Layer(CHANNELS[4], CHANNELS[3], 5)
        self.conv_lr8x = Layer(CHANNELS[3], CHANNELS[2], 5)
        # Of the training alone; the checkpoint has it.
        self.conv_lr = Layer(CHANNELS[2], 1, 3, 2, last=True)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return features at 1/8, and those of the backbone at 1/2 and 1/4."""
        features = self.backbone(image)
        found = self.conv_lr16x(_double(self.se_block(features[4])))
        return self.conv_lr8x(_double(found)), features[0], features[1]


class HighResolution(nn.Module):
    """Where the boundary is: detail prediction (section 3.3)."""

    def __init__(self) -> None:
        super().__init__()
        width = HIGH_RESOLUTION_CHANNELS
        self.tohr_enc2x = Layer(CHANNELS[0], width, 1)
        self.conv_enc2x = Layer(width + 3, width, 3, 2)
        self.tohr_enc4x = Layer(CHANNELS[1], width, 1)
        self.conv_enc4x = Layer(2 * width, 2 * width, 3)
        self.conv_hr4x = nn.Sequential(
            Layer(2 * width + CHANNELS[2] + 3, 2 * width, 3), Layer(2 * width, 2 * width, 3), Layer(2 * width, width, 3)
        )
        self.conv_hr2x = nn.Sequential(
            Layer(2 * width, 2 * width, 3), Layer(2 * width, width, 3), Layer(width, width, 3), Layer(width, width, 3)
        )
        # Of the training alone.
        self.conv_hr = nn.Sequential(Layer(width + 3, width, 3), Layer(width, 1, 1, last=True))

    def forward(
        self, image: torch.Tensor, half: torch.Tensor, quarter: torch.Tensor, low: torch.Tensor
    ) -> torch.Tensor:
        """Return features at 1/2."""
        image2, image4 = (_scaled(image, scale) for scale in (1 / 2, 1 / 4))
        half = self.tohr_enc2x(half)
        found = self.conv_enc2x(torch.cat([image2, half], dim=1))
        found = self.conv_enc4x(torch.cat([found, self.tohr_enc4x(quarter)], dim=1))
        found = self.conv_hr4x(torch.cat([found, _double(low), image4], dim=1))
        result: torch.Tensor = self.conv_hr2x(torch.cat([_double(found), half], dim=1))
        return result


class Fusion(nn.Module):
    """Both together (section 3.4)."""

    def __init__(self) -> None:
        super().__init__()
        width = HIGH_RESOLUTION_CHANNELS
        self.conv_lr4x = Layer(CHANNELS[2], width, 5)
        self.conv_f2x = Layer(2 * width, width, 3)
        self.conv_f = nn.Sequential(Layer(width + 3, width // 2, 3), Layer(width // 2, 1, 1, last=True))

    def forward(self, image: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
        """Return alpha."""
        low = _double(self.conv_lr4x(_double(low)))
        found = self.conv_f2x(torch.cat([low, high], dim=1))
        return torch.sigmoid(self.conv_f(torch.cat([_double(found), image], dim=1)))


class Modnet(nn.Module):
    """The network: (N, 3, H, W) RGB in [-1, 1] to alpha (N, 1, H, W) in [0, 1]."""

    def __init__(self) -> None:
        super().__init__()
        # The checkpoint names the backbone twice.
        self.backbone = Backbone()
        self.lr_branch = LowResolution(self.backbone)
        self.hr_branch = HighResolution()
        self.f_branch = Fusion()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return alpha."""
        low, half, quarter = self.lr_branch(image)
        alpha: torch.Tensor = self.f_branch(image, low, self.hr_branch(image, half, quarter, low))
        return alpha


def _with_norm(convolution: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels), nn.ReLU6())


def _scaled(image: torch.Tensor, scale: float) -> torch.Tensor:
    return functional.interpolate(
        image, scale_factor=scale, mode="bilinear", align_corners=False, recompute_scale_factor=False
    )


def _double(image: torch.Tensor) -> torch.Tensor:
    return _scaled(image, 2.0)
