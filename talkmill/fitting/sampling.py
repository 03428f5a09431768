"""Colours of pictures at places between their pixels, and how they change from there."""

import cv2
import numpy as np

from talkmill.arrays import Float32Array, Frames
from talkmill.geometry.conventions import REFERENCE_SIZE

# Of a place: itself, a pixel to the right and the left, a pixel below and above.
AROUND = np.array([(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)], np.float32)


def sampled(images: Frames, offset: Float32Array) -> Float32Array:
    """Return the bilinear colours of places; beyond the edge a picture goes on as at its edge.

    Args:
        images: (N, side, side, 3) uint8.
        offset: (N, 2, S) pixels of the 512 image to the right of and below the picture's middle.

    Returns:
        float32 colours (N, 3, S) in 0..1.
    """
    return _remapped(images, offset, AROUND[:1])[:, :, 0]


def sampled_with_slopes(images: Frames, offset: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Return the bilinear colours of places and their central differences over a pixel of the picture.

    Args:
        images: (N, side, side, 3) uint8.
        offset: (N, 2, S) pixels of the 512 image to the right of and below the picture's middle.

    Returns:
        float32 colours (N, 3, S) in 0..1, and their slopes (N, 3, 2, S): right and down, by pixels of the 512 image.
    """
    found = _remapped(images, offset, AROUND)
    scale = np.float32(images.shape[1] / REFERENCE_SIZE / 2)
    return found[:, :, 0], (found[:, :, 1::2] - found[:, :, 2::2]) * scale


def _remapped(images: Frames, offset: Float32Array, shifts: Float32Array) -> Float32Array:
    """Sample around places, (N, 3, shifts, S)."""
    side = images.shape[1]
    middle, scale = np.float32((side - 1) / 2), np.float32(side / REFERENCE_SIZE)
    # fmin and fmax also bring to the edge what is not a number, where a step was too wild.
    places = np.fmax(np.fmin(offset * scale + middle, side - 1), 0)[:, :, None] + shifts.T[:, :, None]
    found = np.empty((len(images), 3, len(shifts), offset.shape[2]), np.float32)
    for image, (x, y), colours in zip(images, places, found, strict=True):
        exact = cv2.remap(image.astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        colours[:] = np.moveaxis(exact, -1, 0)
    found /= 255
    return found
