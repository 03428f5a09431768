"""The square crop box of a clip."""

from dataclasses import dataclass
from math import hypot

import numpy as np

from talkmill.arrays import Float32Array, Float64Array

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

    def distance(self, other: "CropBox") -> float:
        """Return the distance between the centres of two boxes in pixels."""
        return hypot(
            self.x0 - other.x0 + (self.side - other.side) / 2, self.y0 - other.y0 + (self.side - other.side) / 2
        )


def head_region(boxes: Float32Array, increase_area: float) -> Float64Array:
    """Enclose the face of every frame, and a margin, in one rectangle.

    Source: the crop of FOMM (Siarohin et al., NeurIPS 2019, crop-video.py): union of the boxes, `increase_area` of
    its width and height added on each side.

    Args:
        boxes: (N, 4) float32 x0, y0, x1, y1 in pixels.
        increase_area: Fraction of the union's width and height that is added on each side.

    Returns:
        (4,) float64 x0, y0, x1, y1 in pixels; it may leave the frame.
    """
    steady = steady_boxes(boxes)
    low, high = steady[:, :2].min(0), steady[:, 2:].max(0)
    margin = (high - low) * increase_area
    return np.concatenate([low - margin, high + margin]).astype(np.float64)


def square_around(region: Float64Array) -> CropBox:
    """Return the smallest square on whole pixels around a rectangle's centre that holds it, as FOMM does."""
    side = max(2, int(np.ceil((region[2:] - region[:2]).max())))
    x0, y0 = np.rint((region[:2] + region[2:] - side) / 2).astype(int)
    return CropBox(int(x0), int(y0), side)


def square_in_frame(region: Float64Array, width: int, height: int) -> CropBox:
    """Return the square around a rectangle that leaves the frame as little as it can.

    A square that leaves the frame is moved into it. One that is larger than the frame is shrunk first, as far as the
    frame has room, but never so far that it loses a part of the rectangle that lies in the frame.

    Args:
        region: (4,) x0, y0, x1, y1 in pixels, of `head_region`.
        width: Columns of the frame.
        height: Rows of the frame.

    Returns:
        The box. It holds all of the region that the frame holds; where it still leaves the frame, the head is wider or
        taller than the frame's shorter side.
    """
    wanted = square_around(region)
    frame = np.array([width, height])
    visible = np.clip(region[2:], 0, frame) - np.clip(region[:2], 0, frame)
    side = min(wanted.side, max(int(frame.min()), int(np.ceil(visible.max()))))
    start = np.rint((region[:2] + region[2:] - side) / 2)
    room = frame - side
    x0, y0 = np.clip(start, np.minimum(room, 0), np.maximum(room, 0)).astype(int)
    return CropBox(int(x0), int(y0), side)


def steady_boxes(boxes: Float32Array) -> Float32Array:
    """Return the median of each side over a few frames, (N, 4) float32: glitches of the detector are gone."""
    half = OUTLIER_WINDOW // 2
    padded = np.pad(boxes, ((half, half), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, OUTLIER_WINDOW, axis=0)
    return np.asarray(np.median(windows, axis=-1), np.float32)
