"""The interface of a matting method. The table of methods: `talkmill/stages/matting/messages.py`."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from talkmill.arrays import Float32Array, Frame
from talkmill.region import Region


class Matter(Protocol):
    """Mattes the frames of one clip."""

    def mattes(
        self, frames: Iterable[Frame], face_boxes: Float32Array, crop: Region, region: Region
    ) -> Iterator[tuple[Frame, Float32Array]]:
        """Matte a clip.

        Args:
            frames: RGB, (H, W, 3) uint8, as many as boxes, in order.
            face_boxes: (N, 4) float32 x0, y0, x1, y1 of the person's face in pixels.
            crop: The part of the frame that people will see.
            region: The part that alpha is wanted for; it holds `crop`.

        Yields:
            The region of each frame, and its alpha in [0, 1], float32. A method holds few frames back.
        """
        ...
