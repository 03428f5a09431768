"""Black bars at the border of a clip's picture, which are nobody's hair."""

import numpy as np

from talkmill.arrays import Float32Array, Frame
from talkmill.region import Region

# 8-bit levels; a bar is coded as black and a little noise.
DARKEST = 10
# A bar takes at most this share of a side.
LARGEST_SHARE = 4


class BlackBars:
    """Rows and columns at the border that have been black in every frame so far."""

    def __init__(self, face_boxes: Float32Array) -> None:
        """Create for one clip.

        Args:
            face_boxes: (N, 4) float32 x0, y0, x1, y1 in pixels: no bar reaches into one.
        """
        self._faces = np.concatenate([face_boxes[:, :2].min(0), face_boxes[:, 2:].max(0)])
        self._bars: list[int] | None = None

    def picture(self, frame: Frame) -> Region:
        """Take the next frame, RGB, (H, W, 3) uint8, and return the part of it between the bars."""
        height, width = frame.shape[:2]
        if self._bars is None:
            x0, y0, x1, y1 = (int(value) for value in self._faces)
            rooms = (y0, height - 1 - y1, x0, width - 1 - x1)
            limits = (height // LARGEST_SHARE,) * 2 + (width // LARGEST_SHARE,) * 2
            self._bars = [max(0, min(room, limit)) for room, limit in zip(rooms, limits, strict=True)]
        turned = frame.transpose(1, 0, 2)
        sides = (frame, frame[::-1], turned, turned[::-1])
        self._bars = [_black_lines(side[:bar]) for side, bar in zip(sides, self._bars, strict=True)]
        top, bottom, left, right = self._bars
        return Region.inside(left, top, width - right, height - bottom, width, height)


def _black_lines(lines: Frame) -> int:
    """Count the lines before the first that is not black."""
    for count, line in enumerate(lines):
        if line.max() > DARKEST:
            return count
    return len(lines)
