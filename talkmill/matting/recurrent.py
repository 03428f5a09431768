"""Robust Video Matting: a recurrent network run as a stream.

Source: Lin et al., "Robust high-resolution video matting with temporal guidance", WACV 2022.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from talkmill.arrays import Float32Array, Frame
from talkmill.inference.backend import Network
from talkmill.region import Region

# The network's own working size is about this many pixels on the long side (its README: 512 x ratio for portraits).
WORKING_SIDE = 480
STATES = ("r1i", "r2i", "r3i", "r4i")


class RecurrentMatter:
    """Mattes clips, each with a recurrent state of its own."""

    def __init__(self, network: Network) -> None:
        """Create a matter from rvm-mobilenetv3."""
        self._network = network

    def mattes(
        self, frames: Iterable[Frame], face_boxes: Float32Array, crop: Region, region: Region
    ) -> Iterator[tuple[Frame, Float32Array]]:
        """Matte a clip; see `matter.Matter`. Face and crop are not needed."""
        state = [np.zeros((1, 1, 1, 1), np.float32)] * len(STATES)
        for frame in frames:
            ratio = min(1.0, WORKING_SIDE / max(frame.shape[:2]))
            blob = frame.astype(np.float32).transpose(2, 0, 1)[None] * np.float32(1 / 255)
            inputs = {"src": blob, "downsample_ratio": np.array([ratio], np.float32)}
            outputs = self._network.run(inputs | dict(zip(STATES, state, strict=True)))
            state = outputs[2:]
            yield frame[region.slices], np.clip(outputs[1][0, 0][region.slices], 0, 1)
