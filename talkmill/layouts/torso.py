"""The torso without its head, as AD-NeRF's trainers paint it behind the head: torso and neck go on upward a little.

Source: ZiqiaoPeng/SyncTalk d2427a3, data_utils/process.py, `extract_torso_and_gt`.
"""

import cv2
import numpy as np
import numpy.typing as npt

from talkmill.arrays import BoolArray, Frame
from talkmill.layouts.face_parts import HEAD, MOUTH, NECK, TORSO, is_part

# Rows are of a picture 512 pixels high.
# Rows that the torso goes on upward below the head, and what of its brightness is left from row to row.
TORSO_ROWS, DARKENING = 9, 0.98
# Rows that the neck goes on upward, fading to its mean colour; it begins so many rows below its edge.
NECK_ROWS, NECK_DOWN = 53, 4
# The neck is widened by so many rows up and down first.
NECK_WIDER = 3
BLUR, BLUR_SIGMA = 5, 4.0


def torso_picture(frame: Frame, background: Frame, parts: Frame) -> npt.NDArray[np.uint8]:
    """Return torso and neck, with what the head hides of them guessed, (S, S, 4) RGBA; alpha is 0 or 255.

    Args:
        frame: RGB (S, S, 3).
        background: RGB (S, S, 3).
        parts: (S, S, 3) of `talkmill.layouts.face_parts.parsing`.
    """
    head, torso = is_part(parts, HEAD, MOUTH), is_part(parts, TORSO)
    seen = is_part(parts, NECK)
    wider = np.ones((2 * _scaled(NECK_WIDER, len(head)) + 1, 1), np.uint8)
    neck = np.asarray(cv2.dilate(seen.astype(np.uint8), wider) > 0)
    picture = np.where(head[..., None], background, frame).astype(np.float32)
    torso_up, neck_up = np.zeros_like(head), np.zeros_like(head)
    rows, columns = _tops(torso, head)
    colours = frame[rows, columns].astype(np.float32)
    for step in range(_scaled(TORSO_ROWS, len(head))):
        _paint(picture, torso_up, rows - step, columns, colours * DARKENING**step)
    rows, columns = _tops(neck, head)
    rows = rows + np.minimum(neck.sum(0)[columns] - 1, _scaled(NECK_DOWN, len(head)))
    colours = frame[rows, columns].astype(np.float32)
    mean = frame[seen].mean(0) if seen.any() else np.zeros(3)
    for step, share in enumerate(np.linspace(1, 0, _scaled(NECK_ROWS, len(head)))):
        _paint(picture, neck_up, rows - step, columns, colours * share + mean * (1 - share))
    blurred = cv2.GaussianBlur(picture, (BLUR, BLUR), BLUR_SIGMA)
    picture[neck_up] = blurred[neck_up]
    kept = torso | neck | torso_up | neck_up
    pixels = np.concatenate([np.rint(picture).astype(np.uint8), np.full((*head.shape, 1), 255, np.uint8)], axis=-1)
    pixels[~kept] = 0
    return pixels


def _tops(part: BoolArray, head: BoolArray) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return row and column of the topmost pixel of each column of a part, where the head is right above it."""
    columns = np.flatnonzero(part.any(0))
    rows = part[:, columns].argmax(0)
    below = (rows > 0) & head[rows - 1, columns]
    return rows[below], columns[below]


def _paint(
    picture: npt.NDArray[np.float32], painted: BoolArray, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp],
    colours: npt.NDArray[np.floating],
) -> None:  # fmt: skip
    """Colour one pixel a column, where it lies in the picture."""
    inside = rows >= 0
    picture[rows[inside], columns[inside]] = colours[inside]
    painted[rows[inside], columns[inside]] = True


def _scaled(rows: int, size: int) -> int:
    """Return rows of a picture for rows of 512."""
    return max(1, round(rows * size / 512))
