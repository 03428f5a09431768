"""Squares cut out of a frame for a landmark net, and the way back to the frame's pixels."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float32Array, Frame
from talkmill.geometry.pyramid import Pyramid
from talkmill.geometry.transforms import Matrix


def crop_transform(centre: npt.NDArray[np.floating], side: float, angle: float, pixels: int) -> Matrix:
    """Return frame_from_crop of a square.

    Args:
        centre: (2,) in pixels of the frame.
        side: In pixels of the frame.
        angle: Of its rows, in radians, clockwise in the image.
        pixels: Its side in pixels of the crop.
    """
    scale = side / pixels
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    matrix = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
    middle = (pixels - 1) / 2
    matrix[:2, 2] = centre - matrix[:2, :2] @ np.array([middle, middle])
    return matrix


def batch_of(
    pyramid: Pyramid, frame_from_crops: Sequence[Matrix], pixels: int, *, mirrored: bool, white: float = 255.0
) -> Float32Array:
    """Sample crops, as a landmark net wants them.

    Args:
        pyramid: Of the frame.
        frame_from_crops: (3, 3) of each crop.
        pixels: Side of a crop.
        mirrored: Whether the mirror images of all crops follow.
        white: What the net takes for white; 0 is black.

    Returns:
        RGB in [0, white], (crops, 3, pixels, pixels) float32, twice as many crops where they are mirrored.
    """
    crops = [crop_of(pyramid, matrix, pixels) for matrix in frame_from_crops]
    if mirrored:
        crops += [np.asarray(cv2.flip(crop, 1), np.uint8) for crop in crops]
    return np.asarray(cv2.dnn.blobFromImages(crops, white / 255), np.float32)


def crop_of(pyramid: Pyramid, frame_from_crop: Matrix, pixels: int) -> Frame:
    """Sample a crop, black outside the frame.

    Args:
        pyramid: Of the frame.
        frame_from_crop: (3, 3).
        pixels: Side of the crop.

    Returns:
        (pixels, pixels, 3) uint8.
    """
    return pyramid.sample(frame_from_crop, (pixels, pixels), border=cv2.BORDER_CONSTANT)
