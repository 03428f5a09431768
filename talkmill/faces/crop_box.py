"""The square crop box of a clip."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import median_filter

from talkmill.arrays import Float32Array

# A box that jumps away for up to two frames is a glitch of the detector, not a face.
OUTLIER_WINDOW = 5


@dataclass(frozen=True, slots=True)
class CropBox:
    """A square in pixels of the clip; it may leave the frame.

    Attributes:
        x0: First column.
        y0: First row.
        side: Columns and rows.
    """

    x0: int
    y0: int
    side: int

    def padded_fraction(self, width: int, height: int) -> float:
        """Return the share of the box that lies outside a frame."""
        columns = max(0, min(self.x0 + self.side, width) - max(self.x0, 0))
        rows = max(0, min(self.y0 + self.side, height) - max(self.y0, 0))
        return 1 - columns * rows / self.side**2


def box_of_clip(boxes: Float32Array, increase_area: float) -> CropBox:
    """Enclose the face of every frame in one square.

    Source: the crop of FOMM (Siarohin et al., NeurIPS 2019, crop-video.py): union of the boxes, `increase_area` of
    its width and height added on each side, then squared around the centre.

    Args:
        boxes: (N, 4) float32 x0, y0, x1, y1 in pixels.
        increase_area: Fraction of the union's width and height that is added on each side.

    Returns:
        The box, on whole pixels.
    """
    steady = median_filter(boxes, size=(OUTLIER_WINDOW, 1), mode="nearest")
    low, high = steady[:, :2].min(0), steady[:, 2:].max(0)
    centre, extent = (low + high) / 2, (high - low) * (1 + 2 * increase_area)
    side = max(2, int(np.ceil(extent.max())))
    x0, y0 = np.rint(centre - side / 2).astype(int)
    return CropBox(int(x0), int(y0), side)
