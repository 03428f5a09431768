"""The region of a video's frame that a clip shows, and whether the person is in it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from talkmill.geometry.boxes import mean_sides
from talkmill.pipeline.plan import CropRegion

# A face is this share of the side of HDTF's own crops (median over sadtalker_WDA_KatieHill_000; 0.49 to 0.59 over
# three clips in that style), and its centre lies in their middle.
FACE_SHARE = 0.57
# Shares of the sampled frames: with less the person is elsewhere.
LEAST_SEEN = 0.5
# A crop that loses more of its area at the frame's border is suspicious.
MOST_OUTSIDE = 0.02
SMALLEST_SIDE = 64

Boxes = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Region:
    """A region, and what was odd on the way to it.

    Attributes:
        box: x, y, width, height in pixels, inside the frame.
        flags: As in docs/hdtf.md.
    """

    box: tuple[int, int, int, int]
    flags: tuple[str, ...]


class NoFaceInClipError(ValueError):
    """No face is seen where the crop would have to be computed from it."""


def choose_region(crop: CropRegion | None, width: int, height: int, faces: Sequence[Boxes]) -> Region:
    """Choose the region of a clip.

    Args:
        crop: What the list says; None where it says nothing.
        width: Of the video's frame.
        height: Of the video's frame.
        faces: Of each sampled frame, (K, 4) x0, y0, x1, y1 of sure faces, the surest first.

    Returns:
        The list's crop at this frame's scale where a face is seen in it, else a square around the face.

    Raises:
        NoFaceInClipError: The crop must be computed and no face is seen.
    """
    flags: list[str] = []
    if crop is not None and crop.frame_height:
        scaled = crop.scaled_to(height)
        x0, y0 = max(0.0, scaled.x), max(0.0, scaled.y)
        x1, y1 = min(float(width), scaled.x + scaled.width), min(float(height), scaled.y + scaled.height)
        area = max(0.0, x1 - x0) * max(0.0, y1 - y0)
        if area < (1 - MOST_OUTSIDE) * scaled.width * scaled.height:
            flags.append("CROP_OUTSIDE_FRAME")
        if min(x1 - x0, y1 - y0) >= SMALLEST_SIDE:
            if _seen_inside(faces, (x0, y0, x1, y1)) >= LEAST_SEEN:
                return Region((round(x0), round(y0), int(x1 - x0), int(y1 - y0)), tuple(flags))
            flags.append("NO_FACE_INSIDE")
    box = _around_face(faces, width, height)
    return Region(box, (*flags, "CROP_COMPUTED"))


def faces_inside(faces: Sequence[Boxes], box: tuple[int, int, int, int]) -> list[npt.NDArray[np.float32] | None]:
    """Return of each sampled frame the largest face whose centre lies in a region (x, y, width, height)."""
    x, y, width, height = box
    found: list[npt.NDArray[np.float32] | None] = []
    for boxes in faces:
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        inside = ((centres >= (x, y)) & (centres < (x + width, y + height))).all(1)
        found.append(_largest(boxes[inside]) if inside.any() else None)
    return found


def _seen_inside(faces: Sequence[Boxes], corners: tuple[float, float, float, float]) -> float:
    x0, y0, x1, y1 = corners
    found = faces_inside(faces, (round(x0), round(y0), round(x1 - x0), round(y1 - y0)))
    return sum(face is not None for face in found) / max(1, len(found))


def _around_face(faces: Sequence[Boxes], width: int, height: int) -> tuple[int, int, int, int]:
    """A square around all positions of the face that is largest in most frames."""
    largest = [_largest(boxes) for boxes in faces if len(boxes)]
    if len(largest) < LEAST_SEEN * len(faces) or not largest:
        raise NoFaceInClipError(f"a face is seen in {len(largest)} of {len(faces)} sampled frames")
    boxes = np.stack(largest)
    side = float(np.median(mean_sides(boxes).astype(np.float64)))
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    # Another person may be the largest for a moment.
    same = np.linalg.norm(middles - np.median(middles, axis=0), axis=1) < 2 * side
    low, high = middles[same].min(0), middles[same].max(0)
    square = min(side / FACE_SHARE + float((high - low).max()), width, height)
    x, y = np.clip((low + high) / 2 - square / 2, 0, [width - square, height - square])
    return round(float(x)), round(float(y)), int(square), int(square)


def _largest(boxes: Boxes) -> npt.NDArray[np.float32]:
    return np.asarray(boxes[mean_sides(boxes).argmax()])
