"""The interface of a matting method. The table of methods: `talkmill/stages/matting/messages.py`."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float32Array
from talkmill.region import Region


class Matter(Protocol):
    """Mattes the frames of one clip, in order."""

    def matte(self, frame: npt.NDArray[np.uint8], face_box: Float32Array, region: Region) -> Float32Array:
        """Matte the next frame.

        Args:
            frame: RGB, (H, W, 3) uint8.
            face_box: (4,) float32 x0, y0, x1, y1 of the person's face in pixels.
            region: The part of the frame that alpha is wanted for; the same in every frame of the clip.

        Returns:
            Alpha of the region in [0, 1], float32.
        """
        ...
