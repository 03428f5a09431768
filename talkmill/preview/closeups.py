"""Both eyes and the mouth, enlarged, with the points that were found on them."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from talkmill.arrays import Frame
from talkmill.landmarks.mesh import IRISES
from talkmill.landmarks.occlusion import EYE_SEEN, MOUTH_SEEN
from talkmill.landmarks.points import LEFT_EYE, MOUTH, RIGHT_EYE, face_size
from talkmill.preview.canvas import BLUE, INK, ORANGE, PAPER, Canvas
from talkmill.preview.clip import PreviewedClip

# Rings of vertices of the face mesh. Source: MediaPipe, face_mesh_connections.py (eyes and lips), in order.
RIGHT_LIDS = (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7)
LEFT_LIDS = (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249)
OUTER_LIPS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
INNER_LIPS = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
# The same rings of the 68 points.
OUTER_LIPS_OF_68, INNER_LIPS_OF_68 = np.arange(48, 60), np.arange(60, 68)
# Width of what is shown over the size of the face, by eye: a whole eye, a mouth that is wide open.
EYE_SHARE, MOUTH_SHARE = 0.27, 0.58
EYE_ASPECT, MOUTH_ASPECT = 0.62, 0.5
CAPTION_HEIGHT, LETTERS, DOT_RADIUS = 28, 14, 2.0


NOT_MEASURED, UNSURE = "not measured", "unsure:"

FloatArray = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Marks:
    """What is drawn on a part of the face.

    Attributes:
        lines: Closed lines, (P, 2) pixels of the crop each.
        dots: Points, likewise.
    """

    lines: list[FloatArray]
    dots: list[FloatArray]


def closeups_panel(crop: Frame, clip: PreviewedClip, frame: int, width: int) -> Frame:
    """Show eyes and mouth of a frame.

    The eyes have the face mesh's lids and irises and the number of their opening, or, where there is no mesh, the 68
    points' lids alone. Dots are points that were measured; crosses were not, or belong to a part that may be hidden.

    Args:
        crop: The frame's crop, RGB.
        clip: Where the points are.
        frame: Number of the frame.
        width: Of the panel in pixels, even.

    Returns:
        (height, width, 3) uint8; the height depends on the width alone.
    """
    points, half = clip.points[frame], width // 2
    face = float(face_size(points))
    eye_height, mouth_height = round(half * EYE_ASPECT), round(width * MOUTH_ASPECT)
    canvas = Canvas.blank(width, eye_height + mouth_height + 2 * CAPTION_HEIGHT)
    for side, (part, marks) in enumerate(zip((RIGHT_EYE, LEFT_EYE), _eye_marks(clip, frame), strict=True)):
        sure = clip.sure(frame, part, EYE_SEEN)
        view = _view(crop, points[part].mean(0), EYE_SHARE * face, (half, eye_height), marks, sure)
        canvas.paste(view, side * half, 0)
        _caption(canvas, *_eye_words(clip, frame, side), side * half, eye_height, half)
    top = eye_height + CAPTION_HEIGHT
    marks = _mouth_marks(clip, frame)
    sure = clip.sure(frame, MOUTH, MOUTH_SEEN)
    view = _view(crop, points[MOUTH].mean(0), MOUTH_SHARE * face, (width, mouth_height), marks, sure)
    canvas.paste(view, 0, top)
    _caption(canvas, _mouth_words(clip, frame, sure), False, 0, top + mouth_height, width)
    return canvas.image


def _eye_words(clip: PreviewedClip, frame: int, side: int) -> tuple[str, bool]:
    """Return what is said of an eye, and whether it is shut."""
    if not clip.measured[frame]:
        return NOT_MEASURED, False
    if clip.eyes is None:
        return "no face mesh", False
    opening = float(clip.eyes.opening[frame, side])
    shut = opening < clip.eyes.shut_below
    words = f"{'shut' if shut else 'open'} {opening:.2f}"
    part = (RIGHT_EYE, LEFT_EYE)[side]
    return (words if clip.sure(frame, part, EYE_SEEN) else f"{UNSURE} {words}"), shut


def _mouth_words(clip: PreviewedClip, frame: int, sure: bool) -> str:
    if not clip.measured[frame]:
        return NOT_MEASURED
    words = f"lips {clip.lips[frame]:.2f}"
    return words if sure else f"{UNSURE} {words}"


def _eye_marks(clip: PreviewedClip, frame: int) -> list[Marks]:
    """Return what is drawn on each eye, the subject's right one first."""
    if clip.eyes is None:
        return [_rings(clip.points[frame, part]) for part in (RIGHT_EYE, LEFT_EYE)]
    mesh, opening = clip.eyes.mesh[frame], clip.eyes.opening[frame]
    found = []
    for lids, iris, open_by in zip((RIGHT_LIDS, LEFT_LIDS), IRISES, opening, strict=True):
        marks = _rings(mesh[list(lids)])
        # Nobody sees the iris of a shut eye: the mesh guesses it.
        seen = open_by >= clip.eyes.shut_below
        found.append(Marks([*marks.lines, _circle(mesh[iris])], [*marks.dots, mesh[iris][:1]]) if seen else marks)
    return found


def _mouth_marks(clip: PreviewedClip, frame: int) -> Marks:
    if clip.eyes is None:
        return _rings(clip.points[frame, OUTER_LIPS_OF_68], clip.points[frame, INNER_LIPS_OF_68])
    return _rings(*(clip.eyes.mesh[frame, list(ring)] for ring in (OUTER_LIPS, INNER_LIPS)))


def _rings(*rings: FloatArray) -> Marks:
    return Marks(list(rings), list(rings))


def _circle(iris: FloatArray) -> FloatArray:
    """Return a circle around an iris, (24, 2), out of its middle and four points on its edge, (5, 2)."""
    radius = np.linalg.norm(iris[1:] - iris[0], axis=1).mean()
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return np.asarray(iris[0] + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1))


def _view(
    crop: Frame,
    middle: FloatArray,
    span: float,
    size: tuple[int, int],
    marks: Marks,
    sure: bool,
) -> Frame:
    """Enlarge the surroundings of a point, `span` pixels of the crop wide, to a size, and draw on it."""
    scale = size[0] / max(span, 1.0)
    centre = (np.array(size) - 1) / 2
    view_from_crop = np.hstack([scale * np.eye(2), (centre - scale * middle)[:, None]])
    view = cv2.warpAffine(crop, view_from_crop, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    canvas = Canvas(np.asarray(view, np.uint8))
    for line in marks.lines:
        canvas.line((line - middle) * scale + centre, BLUE if sure else ORANGE, 1, closed=True)
    for dots in marks.dots:
        (canvas.dots if sure else canvas.crosses)((dots - middle) * scale + centre, DOT_RADIUS)
    return canvas.image


def _caption(canvas: Canvas, words: str, loud: bool, x: int, y: int, width: int) -> None:
    if loud:
        canvas.fill(x, y, x + width, y + CAPTION_HEIGHT, INK)
    canvas.write(words, x + 8, y + (CAPTION_HEIGHT + LETTERS) // 2, LETTERS, PAPER if loud else INK)
