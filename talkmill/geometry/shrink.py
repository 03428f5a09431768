"""Makes pictures smaller."""

import cv2
import numpy as np

from talkmill.arrays import Frame


def shrink(image: Frame, size: tuple[int, int]) -> Frame:
    """Return a picture at a smaller size, each pixel the mean of those that it covers.

    First by a whole number, which OpenCV does ten times faster than any other ratio: 1080p to a width of 256 takes
    1 ms, not 6. Up to that number less one of the last rows and columns are left out.

    Args:
        image: (H, W, 3) or (H, W) uint8.
        size: Width and height, each at most that of the picture.

    Returns:
        (height, width, 3) or (height, width) uint8.
    """
    height, width = image.shape[:2]
    times = min(width // size[0], height // size[1])
    if times > 1:
        wide, high = width // times, height // times
        image = np.asarray(
            cv2.resize(image[: high * times, : wide * times], (wide, high), interpolation=cv2.INTER_AREA), np.uint8
        )
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
