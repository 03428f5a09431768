"""Robust Video Matting: a recurrent network run as a stream.

Source: Lin et al., "Robust high-resolution video matting with temporal guidance", WACV 2022.
"""

import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float32Array
from talkmill.inference.backend import Network
from talkmill.region import Region

# The network's own working size is about this many pixels on the long side (its README: 512 x ratio for portraits).
WORKING_SIDE = 480
STATES = ("r1i", "r2i", "r3i", "r4i")


class RecurrentMatter:
    """Mattes one clip, in order, with its recurrent state."""

    def __init__(self, network: Network) -> None:
        """Create a matter from rvm-mobilenetv3."""
        self._network = network
        self._state = [np.zeros((1, 1, 1, 1), np.float32)] * len(STATES)

    def matte(self, frame: npt.NDArray[np.uint8], face_box: Float32Array, region: Region) -> Float32Array:
        """Matte the next frame; see `matter.Matter`. The face is not needed."""
        ratio = min(1.0, WORKING_SIDE / max(frame.shape[:2]))
        blob = frame.astype(np.float32).transpose(2, 0, 1)[None] * np.float32(1 / 255)
        inputs = {"src": blob, "downsample_ratio": np.array([ratio], np.float32)}
        outputs = self._network.run(inputs | dict(zip(STATES, self._state, strict=True)))
        self._state = outputs[2:]
        result: Float32Array = np.clip(outputs[1][0, 0][region.slices], 0, 1)
        return result
