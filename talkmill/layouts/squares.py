"""The square of a clip that keeps its own background: it never leaves the frame."""

import numpy as np

from talkmill.faces.crop_box import CropBox
from talkmill.geometry.boxes import mean_sides
from talkmill.geometry.transforms import Matrix, image_from_square
from talkmill.layouts.material import ClipMaterial


def square_of(material: ClipMaterial, frames: slice, face_share: float | None = None) -> CropBox:
    """Return the square of some frames.

    Args:
        material: The clip.
        frames: Of the clip.
        face_share: Mean side of the face box over that of the square; None for the square of the set.

    Returns:
        A square inside the frame: where the wanted one leaves it, it is moved, and shrunk if it is too large.
    """
    width, height = material.frame_size
    if face_share is None:
        # Edges of pixels lie at halves.
        corner, scale = material.geometry.image_from_crop[:2, 2], float(material.geometry.image_from_crop[0, 0])
        side, (x, y) = scale * material.clip.size, corner - scale / 2 + 0.5
    else:
        boxes = material.boxes[frames]
        side = float(np.median(mean_sides(boxes))) / face_share
        x, y = (np.median((boxes[:, :2] + boxes[:, 2:]) / 2, axis=0) - side / 2).tolist()
    whole = min(round(side), width, height)
    x0, y0 = (round(x + (side - whole) / 2), round(y + (side - whole) / 2))
    return CropBox(min(max(x0, 0), width - whole), min(max(y0, 0), height - whole), whole)


def frame_from_square(box: CropBox, size: int) -> Matrix:
    """Return the matrix that takes pixels of a resized square to those of the frame."""
    return image_from_square(box.x0, box.y0, box.side, size)
