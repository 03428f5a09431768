"""Composites a matted foreground over a flat colour, without the old background in its edges."""

import cv2
import numpy as np
import numpy.typing as npt

from talkmill.arrays import Frame
from talkmill.matting.foreground import foreground_at


def flat(height: int, width: int, color: tuple[int, int, int]) -> Frame:
    """Return a picture of one colour, (height, width, 3) uint8; RGB in [0, 255]."""
    image = np.empty((height, width, 3), np.uint8)
    # Whole rows are copied: NumPy spreads three bytes over a picture in ten times the time.
    image[:] = np.tile(np.array(color, np.uint8), (width, 1))
    return image


def composite_over(frame: Frame, alpha: npt.NDArray[np.uint8], background_color: tuple[int, int, int]) -> Frame:
    """Put the foreground of a frame over a flat colour; see `composite_onto`.

    Returns:
        Composite, (H, W, 3) uint8.
    """
    canvas = flat(frame.shape[0], frame.shape[1], background_color)
    composite_onto(canvas, frame, alpha, background_color)
    return canvas


def composite_onto(
    canvas: Frame, frame: Frame, alpha: npt.NDArray[np.uint8], background_color: tuple[int, int, int]
) -> None:
    """Put the foreground of a frame onto a canvas of one colour.

    Where alpha lies between nothing and all, the foreground's own colour is estimated and blended.

    Args:
        canvas: RGB, (H, W, 3) uint8, the background colour everywhere; it becomes the composite, rounded to nearest.
        frame: RGB, (H, W, 3) uint8.
        alpha: Matte, (H, W) uint8, 255 for the foreground.
        background_color: RGB, three values in [0, 255].

    Raises:
        ValueError: The matte is not the size of the frame.
    """
    if frame.shape[:2] != alpha.shape:
        raise ValueError(f"the frame is {frame.shape[:2]}, the matte {alpha.shape}")
    cv2.copyTo(frame, cv2.inRange(alpha, 255, 255), canvas)
    rows, columns = np.nonzero(cv2.inRange(alpha, 1, 254))
    if len(rows):
        cover = alpha[rows, columns].astype(np.float32)[:, None] / np.float32(255)
        colour = foreground_at(frame, alpha, rows, columns)
        blended = colour * cover + np.array(background_color, np.float32) * (1 - cover)
        canvas[rows, columns] = np.rint(blended).astype(np.uint8)
