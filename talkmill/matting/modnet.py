"""MODNet, frame by frame, held steady in time and refined at the frame's resolution.

Source: Ke et al., "MODNet: Real-time trimap-free portrait matting via objective decomposition", AAAI 2022.
"""

import cv2
import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float32Array
from talkmill.inference.backend import Network
from talkmill.matting.guided_filter import fit_guided_filter, grey
from talkmill.matting.temporal import MotionGate
from talkmill.region import Region

# The authors' demo: the short side is 512, both are multiples of 32.
SHORT_SIDE, MULTIPLE = 512, 32
FILTER_RADIUS, FILTER_EPSILON = 2, 1e-4


class ModnetMatter:
    """Mattes one clip, in order."""

    def __init__(self, network: Network) -> None:
        """Create a matter from modnet."""
        self._network = network
        self._gate = MotionGate()

    def matte(self, frame: npt.NDArray[np.uint8], face_box: Float32Array, region: Region) -> Float32Array:
        """Matte the next frame; see `matter.Matter`. The face is not needed."""
        small = np.asarray(cv2.resize(frame, input_size(*frame.shape[:2]), interpolation=cv2.INTER_AREA))
        blob = small.astype(np.float32).transpose(2, 0, 1)[None]
        blob -= np.float32(127.5)
        blob *= np.float32(1 / 127.5)
        alpha = self._network.run({self._network.input_names[0]: blob})[0][0, 0]
        guide = grey(small)
        steady = self._gate.smooth(alpha, guide)
        model = fit_guided_filter(guide, steady, FILTER_RADIUS, FILTER_EPSILON)
        refined = model.in_part(grey(frame[region.slices]), region, (frame.shape[1], frame.shape[0]))
        return np.clip(refined, 0, 1, out=refined)


def input_size(height: int, width: int) -> tuple[int, int]:
    """Return the width and height at which a frame is fed: 896x512 for 1920x1080."""
    scale = SHORT_SIDE / min(height, width)
    return tuple(max(MULTIPLE, int(side * scale) // MULTIPLE * MULTIPLE) for side in (width, height))  # type: ignore[return-value]
