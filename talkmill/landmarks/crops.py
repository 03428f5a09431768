"""Squares cut out of a frame for a landmark net, and the way back to the frame's pixels."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float32Array, Frame
from talkmill.geometry.shrink import shrink
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
    frame: Frame, frame_from_crops: Sequence[Matrix], pixels: int, *, mirrored: bool, white: float = 255.0
) -> Float32Array:
    """Sample crops, as a landmark net wants them.

    Args:
        frame: RGB, (H, W, 3) uint8.
        frame_from_crops: (3, 3) of each crop.
        pixels: Side of a crop.
        mirrored: Whether the mirror images of all crops follow.
        white: What the net takes for white; 0 is black.

    Returns:
        RGB in [0, white], (crops, 3, pixels, pixels) float32, twice as many crops where they are mirrored.
    """
    crops = [sample(frame, matrix, pixels) for matrix in frame_from_crops]
    if mirrored:
        crops += [np.asarray(cv2.flip(crop, 1), np.uint8) for crop in crops]
    return np.asarray(cv2.dnn.blobFromImages(crops, white / 255), np.float32)


def sample(frame: Frame, frame_from_crop: Matrix, pixels: int) -> Frame:
    """Sample a crop by bilinear interpolation, black outside the frame.

    The frame is halved first while the crop is half as large or less, against aliasing.

    Args:
        frame: RGB, (H, W, 3) uint8.
        frame_from_crop: (3, 3).
        pixels: Side of the crop.

    Returns:
        (pixels, pixels, 3) uint8.
    """
    matrix = frame_from_crop
    step = min(float(np.hypot(matrix[0, 0], matrix[1, 0])), *frame.shape[:2])
    halvings = int(np.log2(max(1.0, step)))
    if halvings:
        fold = 2**halvings
        low = np.floor(matrix[:2, 2] + np.minimum(0, matrix[:2, :2] * pixels).sum(1)) - fold
        high = np.ceil(matrix[:2, 2] + np.maximum(0, matrix[:2, :2] * pixels).sum(1)) + fold
        # What is halved is a multiple of it; the rest of the last rows and columns is left out.
        most = np.array([frame.shape[1], frame.shape[0]]) // fold
        x0, y0 = np.clip(low // fold, 0, most - 1).astype(int) * fold
        x1, y1 = np.clip(np.ceil(high / fold), 1, most).astype(int) * fold
        frame = shrink(frame[y0:y1, x0:x1], ((x1 - x0) // fold, (y1 - y0) // fold))
        matrix = matrix.copy()
        matrix[:2, 2] = (matrix[:2, 2] - [x0, y0] + 0.5) / fold - 0.5
        matrix[:2, :2] /= fold
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(frame, matrix[:2], (pixels, pixels), flags=flags))
