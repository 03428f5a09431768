"""S3FD, the detector of face-alignment, at the size of the picture.

Source: Zhang et al., "S3FD: Single shot scale-invariant face detector", ICCV 2017, figure 2.
"""

import torch
from torch import nn

# VGG-16 up to conv5_3; M is a pooling.
VGG = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512)
# Layers of VGG whose outputs are looked at: conv3_3, conv4_3, conv5_3.
LOOKED_AT = (15, 22, 29)


class S3fd(nn.Module):
    """(1, 3, H, W) to scores and boxes at six scales."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for width in VGG:
            if isinstance(width, str):
                layers.append(nn.MaxPool2d(2, 2))
            else:
                layers += [nn.Conv2d(inputs, width, 3, 1, 1), nn.ReLU()]
                inputs = width
        self.vgg = nn.Sequential(*layers)
        self.fc = nn.Sequential(
            nn.MaxPool2d(2, 2), nn.Conv2d(512, 1024, 3, 1, 3), nn.ReLU(), nn.Conv2d(1024, 1024, 1), nn.ReLU()
        )
        self.conv6 = _pair(1024, 256, 512)
        self.conv7 = _pair(512, 128, 256)
        self.heads = nn.ModuleList(nn.Conv2d(width, 6, 3, 1, 1) for width in (256, 512, 512, 1024, 512, 256))

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Return (1, 6, h, w) for each scale: two scores and four corners."""
        found = []
        for index, layer in enumerate(self.vgg):
            image = layer(image)
            if index in LOOKED_AT:
                found.append(nn.functional.normalize(image))
        for part in (self.fc, self.conv6, self.conv7):
            image = part(image)
            found.append(image)
        return [head(features) for head, features in zip(self.heads, found, strict=True)]


def _pair(inputs: int, inner: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, inner, 1), nn.ReLU(), nn.Conv2d(inner, outputs, 3, 2, 1), nn.ReLU())
