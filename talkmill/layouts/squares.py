"""The square of a clip that keeps its own background: it never leaves the frame."""

import numpy as np

from talkmill.faces.crop_box import CropBox
from talkmill.geometry.boxes import mean_sides
from talkmill.geometry.transforms import Matrix, image_from_square
from talkmill.layouts.layout import UnsuitableClipError
from talkmill.layouts.material import ClipMaterial
from talkmill.region import Region


def square_of(
    material: ClipMaterial,
    frames: slice,
    face_share: float | None = None,
    *,
    inside: Region | None = None,
    raised: float = 0.0,
) -> CropBox:
    """Return the square of some frames.

    Args:
        material: The clip.
        frames: Of the clip.
        face_share: Mean side of the face box over that of the square; None for the square of the set.
        inside: The part of the frame that the square may show; None for all of it.
        raised: How far over the middle of the face that of the square lies, in sides of the face box; of a square with
            a `face_share`.

    Returns:
        A square inside that part: where the wanted one leaves it, it is moved, and shrunk if it is too large.

    Raises:
        UnsuitableClipError: It has no pixel.
    """
    part = inside or Region(0, 0, *material.frame_size)
    if face_share is None:
        # Edges of pixels lie at halves.
        corner, scale = material.geometry.image_from_crop[:2, 2], float(material.geometry.image_from_crop[0, 0])
        side, (x, y) = scale * material.clip.size, corner - scale / 2 + 0.5
    else:
        boxes = material.boxes[frames]
        face = float(np.median(mean_sides(boxes)))
        side = face / face_share
        x, y = (np.median((boxes[:, :2] + boxes[:, 2:]) / 2, axis=0) - side / 2).tolist()
        y -= raised * face
    whole = min(round(side), part.width, part.height)
    if whole < 1:
        raise UnsuitableClipError(f"its square is {side:.2g} pixels wide: use a video in which the face is larger")
    x0, y0 = (round(x + (side - whole) / 2), round(y + (side - whole) / 2))
    right, bottom = part.x + part.width, part.y + part.height
    return CropBox(min(max(x0, part.x), right - whole), min(max(y0, part.y), bottom - whole), whole)


def frame_from_square(box: CropBox, size: int) -> Matrix:
    """Return the matrix that takes pixels of a resized square to those of the frame."""
    return image_from_square(box.x0, box.y0, box.side, size)
