"""Squares cut out of a frame for a landmark net, and the way back to the frame's pixels."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float32Array, Frame
from talkmill.geometry.shrink import mean_pixels
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


def batch_of(frame: Frame, frame_from_crops: Sequence[Matrix], pixels: int, *, mirrored: bool) -> Float32Array:
    """Sample crops, as a landmark net wants them.

    Args:
        frame: RGB, (H, W, 3) uint8.
        frame_from_crops: (3, 3) of each crop.
        pixels: Side of a crop.
        mirrored: Whether the mirror images of all crops follow.

    Returns:
        RGB in [0, 255], (crops, 3, pixels, pixels) float32, twice as many crops where they are mirrored.
    """
    crops = np.stack([cv2.split(sample(frame, matrix, pixels)) for matrix in frame_from_crops]).astype(np.float32)
    return np.concatenate([crops, crops[..., ::-1]]) if mirrored else crops


def sample(frame: Frame, frame_from_crop: Matrix, pixels: int) -> Frame:
    """Sample a crop, black outside the frame; the frame is shrunk first where the crop is smaller, against aliasing.

    Args:
        frame: RGB, (H, W, 3) uint8.
        frame_from_crop: (3, 3).
        pixels: Side of the crop.

    Returns:
        (pixels, pixels, 3) uint8.
    """
    step = float(np.hypot(frame_from_crop[0, 0], frame_from_crop[1, 0]))
    matrix = frame_from_crop
    if step > 1:
        low = np.floor(matrix[:2, 2] + np.minimum(0, matrix[:2, :2] * pixels).sum(1)) - 2
        high = np.ceil(matrix[:2, 2] + np.maximum(0, matrix[:2, :2] * pixels).sum(1)) + 2
        x0, y0 = np.clip(low, 0, [frame.shape[1] - 1, frame.shape[0] - 1]).astype(int)
        x1, y1 = np.clip(high, [x0 + 1, y0 + 1], [frame.shape[1], frame.shape[0]]).astype(int)
        part = frame[y0:y1, x0:x1]
        size = (max(1, round((x1 - x0) / step)), max(1, round((y1 - y0) / step)))
        frame = mean_pixels(part, size)
        ratio = np.array([size[0] / (x1 - x0), size[1] / (y1 - y0)])
        matrix = matrix.copy()
        matrix[:2, 2] = (matrix[:2, 2] - [x0, y0] + 0.5) * ratio - 0.5
        matrix[:2, :2] *= ratio[:, None]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(frame, matrix[:2], (pixels, pixels), flags=flags))
