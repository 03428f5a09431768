"""MODNet, frame by frame, held steady in time and refined at the frame's resolution.

Source: Ke et al., "MODNet: Real-time trimap-free portrait matting via objective decomposition", AAAI 2022.
"""

from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from talkmill.arrays import Float32Array, Frame
from talkmill.inference.backend import Network
from talkmill.matting.grid import Grid
from talkmill.matting.guided_filter import fit_guided_filter, in_unit_range
from talkmill.matting.temporal import Matte, smoothed_over_time
from talkmill.region import Region

# The authors' demo: the short side is 512, both are multiples of 32.
SHORT_SIDE, MULTIPLE = 512, 32
FILTER_RADIUS, FILTER_EPSILON = 2, 1e-4


class ModnetMatter:
    """Mattes clips."""

    def __init__(self, network: Network) -> None:
        """Create a matter from modnet."""
        self._network = network

    def mattes(
        self, frames: Iterable[Frame], face_boxes: Float32Array, crop: Region, region: Region
    ) -> Iterator[tuple[Frame, Float32Array]]:
        """Matte a clip; see `matter.Matter`. Face and crop are not needed."""
        for matte in smoothed_over_time(self._coarse(frames, region)):
            (picture, grid), guide = matte.held, matte.picture
            refined = fit_guided_filter(guide, matte.alpha, FILTER_RADIUS, FILTER_EPSILON).in_part(
                picture, region, grid
            )
            yield picture, np.clip(refined, 0, 1, out=refined)

    def _coarse(self, frames: Iterable[Frame], region: Region) -> Iterator[Matte[tuple[Frame, Grid]]]:
        """Yield what the network says of each frame, with the region of the frame."""
        for frame in frames:
            height, width = frame.shape[:2]
            grid = Grid(Region(0, 0, width, height), *input_size(height, width))
            small = np.asarray(cv2.resize(frame, (grid.width, grid.height), interpolation=cv2.INTER_AREA))
            blob = small.astype(np.float32).transpose(2, 0, 1)[None]
            blob -= np.float32(127.5)
            blob *= np.float32(1 / 127.5)
            alpha = self._network.run({self._network.input_names[0]: blob})[0][0, 0]
            # A copy lets go of the frame.
            yield Matte((np.ascontiguousarray(frame[region.slices]), grid), alpha, in_unit_range(small))


def input_size(height: int, width: int) -> tuple[int, int]:
    """Return the width and height at which a frame is fed: 896x512 for 1920x1080."""
    scale = SHORT_SIDE / min(height, width)
    return tuple(max(MULTIPLE, int(side * scale) // MULTIPLE * MULTIPLE) for side in (width, height))  # type: ignore[return-value]
