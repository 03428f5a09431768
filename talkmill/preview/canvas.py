"""Draws on pictures: words, points, lines. Knows nothing of clips."""

from typing import Self

import cv2
import numpy as np
import numpy.typing as npt

from talkmill.arrays import Frame

Colour = tuple[int, int, int]

PAPER: Colour = (255, 255, 255)
INK: Colour = (34, 34, 34)
PALE: Colour = (226, 226, 226)
# People who do not see red or green tell these apart, in print without colour too: one is dark, one is bright.
# Source: Okabe and Ito, "Color universal design", 2008.
BLUE: Colour = (0, 114, 178)
ORANGE: Colour = (230, 159, 0)
# No person, cloth or wall has it.
MAGENTA: Colour = (255, 0, 255)

# White around a dot, in pixels.
RIM = 1.0
FONT = cv2.FONT_HERSHEY_SIMPLEX
# Sub-pixel bits of cv2's coordinates.
SHIFT = 4
# cv2's own circles of a few pixels have corners.
_ANGLES = np.linspace(0, 2 * np.pi, 16, endpoint=False)
DISC = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)


class Canvas:
    """A picture that is drawn on: RGB, x to the right and y down in pixels, centres at integers."""

    def __init__(self, image: Frame) -> None:
        """Begin with a copy of an image, (H, W, 3) uint8."""
        self.image = np.ascontiguousarray(image).copy()

    @classmethod
    def blank(cls, width: int, height: int, colour: Colour = PAPER) -> Self:
        """Begin with one colour."""
        return cls(np.full((height, width, 3), colour, np.uint8))

    def paste(self, image: Frame, x: int, y: int) -> None:
        """Put an image with its upper left corner at a place; it must fit."""
        height, width = image.shape[:2]
        self.image[y : y + height, x : x + width] = image

    def write(self, words: str, x: int, y: int, height: int = 12, colour: Colour = INK) -> int:
        """Write in one line and return the x behind it.

        Args:
            words: ASCII.
            x: Where they begin.
            y: Their baseline.
            height: Of a capital letter in pixels.
            colour: RGB.
        """
        scale, thickness = cv2.getFontScaleFromHeight(FONT, height), 1 + height // 14
        cv2.putText(self.image, words, (x, y), FONT, scale, colour, thickness, cv2.LINE_AA)
        return x + self._width(words, height)

    @staticmethod
    def fitting(words: str, height: int, width: int) -> int:
        """Return the height of capital letters at which a line of words is at most so wide; at most `height`."""
        while height > 1 and Canvas._width(words, height) > width:
            height -= 1
        return height

    @staticmethod
    def _width(words: str, height: int) -> int:
        scale, thickness = cv2.getFontScaleFromHeight(FONT, height), 1 + height // 14
        return int(cv2.getTextSize(words, FONT, scale, thickness)[0][0])

    def fill(self, x0: int, y0: int, x1: int, y1: int, colour: Colour) -> None:
        """Fill a rectangle; x1 and y1 are not part of it."""
        self.image[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)] = colour

    def line(self, points: npt.NDArray[np.floating], colour: Colour, thickness: int = 1, closed: bool = False) -> None:
        """Join points, (P, 2)."""
        cv2.polylines(self.image, [_fixed(points)], closed, colour, thickness, cv2.LINE_AA, SHIFT)

    def dots(self, points: npt.NDArray[np.floating], radius: float, colour: Colour = BLUE) -> None:
        """Draw discs with a white rim, (P, 2): they are seen on dark and on bright ground."""
        for around, shade in ((radius + RIM, PAPER), (radius, colour)):
            for disc in _fixed(points[:, None] + around * DISC):
                cv2.fillConvexPoly(self.image, disc, shade, cv2.LINE_AA, SHIFT)

    def crosses(self, points: npt.NDArray[np.floating], radius: float, colour: Colour = ORANGE) -> None:
        """Draw crosses with a dark rim, (P, 2): nobody takes them for dots."""
        arms = radius * 1.2 * np.array([[[-1, -1], [1, 1]], [[-1, 1], [1, -1]]])
        strokes = list(_fixed(points[:, None, None] + arms).reshape(-1, 2, 2))
        thickness = max(1, round(radius * 0.7))
        for wide, shade in ((thickness + 2, INK), (thickness, colour)):
            cv2.polylines(self.image, strokes, False, shade, wide, cv2.LINE_AA, SHIFT)


def _fixed(points: npt.NDArray[np.floating]) -> npt.NDArray[np.int32]:
    # A point that went astray must not overflow cv2's integers.
    return np.asarray(np.rint(np.clip(points, -4096, 4096) * (1 << SHIFT)), np.int32)
