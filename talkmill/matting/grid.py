"""A part of a frame at a working size: its picture, and maps of other grids brought onto it."""

from dataclasses import dataclass

import cv2
import numpy as np

from talkmill.arrays import Float32Array, Frame
from talkmill.geometry.shrink import shrink
from talkmill.geometry.transforms import Matrix, image_from_part
from talkmill.region import Region


@dataclass(frozen=True, slots=True)
class Grid:
    """Pixels of a part of a frame, at its size or a smaller one.

    Attributes:
        part: The part, in pixels of the frame.
        width: Columns of the grid.
        height: Rows of the grid.
    """

    part: Region
    width: int
    height: int

    @classmethod
    def at_ratio(cls, part: Region, ratio: float) -> "Grid":
        """Return the grid whose pixels are 1 / ratio pixels of the frame."""
        return cls(part, max(1, round(part.width * ratio)), max(1, round(part.height * ratio)))

    @property
    def frame_from_grid(self) -> Matrix:
        """(3, 3); pixel centres at integers on both sides."""
        part = self.part
        return image_from_part(part.x, part.y, part.width, part.height, self.width, self.height)

    def picture(self, frame: Frame) -> Frame:
        """Return the part of a frame, (height, width, 3) uint8."""
        return shrink(frame[self.part.slices], (self.width, self.height))

    def sampled(self, values: Float32Array, frame_from_values: Matrix, outside: float | None = None) -> Float32Array:
        """Sample a map that lies elsewhere in the frame.

        Args:
            values: (h, w) or (h, w, C) float32.
            frame_from_values: (3, 3) affine.
            outside: What holds beyond the map; None for its nearest value.

        Returns:
            (height, width) or (height, width, C) float32, linear between the values.
        """
        values_from_grid = np.linalg.inv(frame_from_values) @ self.frame_from_grid
        border = cv2.BORDER_REPLICATE if outside is None else cv2.BORDER_CONSTANT
        return np.asarray(
            cv2.warpAffine(
                values,
                values_from_grid[:2],
                (self.width, self.height),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=border,
                borderValue=(outside or 0.0,) * 4,
            ),
            np.float32,
        )
