"""Tells a living face from a photograph, a poster or a frozen picture."""

from itertools import combinations

import cv2
import numpy as np

from talkmill.arrays import Float32Array, Frame, Int64Array
from talkmill.faces.detection import Detections
from talkmill.faces.tracking import FaceTrack, iou
from talkmill.geometry.boxes import mean_sides
from talkmill.geometry.shrink import shrink

# A look at the faces in every so many seconds in the mean, and the distances in shares of that: what repeats itself in
# that time would look still.
LOOK_SECONDS = 0.5
LOOK_SHARES = (0.6, 1.1, 1.3)
# Faces of one frame that are looked at, the largest first.
MOST_FACES = 3
# What is looked at: a square of so many sides of the face, at this many pixels a side, blurred.
SQUARE_SIDES = 1.3
SQUARE_PIXELS = 64
BLUR_SIGMA = 1.0
# Looks of a track that are compared with each other, spread over it.
MOST_LOOKS = 12
# A picture that is moved, turned and scaled onto another leaves so much at most, in deviations of its levels, where the
# face is still: seconds in which it is seen, and the bound. Nobody keeps still for ever, but some do for a while. Clean
# stills leave 0.03, stills coded at a low rate and with noise 0.11. Silent people who sit for a portrait leave 0.04 in
# 2 s and 0.17 in 12 s; speakers 0.2 in 3 s (decision 0062). What is seen for less is taken to live.
STILL_DIFFERENCES = ((3.0, 0.13), (1.0, 0.035))
# A difference is the mean of the cells that differ most: a blink or a word fills few.
CELLS = 8
WORST_CELLS = 6
MARGIN_PIXELS = 6
# Box of a look and of a track that are the same face.
SAME_BOX_IOU = 0.9


class FaceLooks:
    """Small pictures of the faces of a video, now and then."""

    def __init__(self, rate: float) -> None:
        """Begin for a video of some frames a second."""
        self._distances = [max(1, round(rate * LOOK_SECONDS * share)) for share in LOOK_SHARES]
        self._rate = rate
        self._next = 0
        self._looks: dict[int, tuple[Float32Array, list[Frame]]] = {}
        self._count = 0

    def add(self, image: Frame, found: Detections) -> None:
        """Take the next frame, RGB (H, W, 3) uint8, and its faces."""
        if self._count == self._next:
            self._next += self._distances[len(self._looks) % len(self._distances)]
            boxes = found.sure_boxes[:MOST_FACES]
            self._looks[self._count] = boxes, [_square(image, box) for box in boxes]
        self._count += 1

    def still(self, track: FaceTrack, frames: Int64Array) -> bool:
        """Say whether a face never changes, but for being moved, turned and scaled.

        Args:
            track: The face.
            frames: (N,) number of the frame here of each row of the track.

        Returns:
            Whether it is still; False where it is seen too shortly to tell.
        """
        squares: list[Frame] = []
        looked: list[int] = []
        for row in np.flatnonzero(np.isin(frames, list(self._looks))):
            frame = int(frames[row])
            boxes, pictures = self._looks[frame]
            overlaps = iou(track.boxes[row][None], boxes)[0]
            for same in np.flatnonzero(overlaps >= SAME_BOX_IOU)[:1]:
                squares.append(pictures[same])
                looked.append(frame)
        seconds = (looked[-1] - looked[0]) / self._rate if looked else 0.0
        bound = next((bound for least, bound in STILL_DIFFERENCES if seconds >= least), None)
        if bound is None:
            return False
        spread = np.unique(np.linspace(0, len(squares) - 1, MOST_LOOKS).round().astype(int))
        pairs = combinations(spread, 2)
        return all(_difference(squares[first], squares[second]) < bound for first, second in pairs)


def _square(image: Frame, box: Float32Array) -> Frame:
    """Return the square around a face, grey and small; beyond the edge the picture goes on as at its edge."""
    half = max(SQUARE_SIDES / 2 * float(mean_sides(box)), 1.0)
    x0, y0, x1, y1 = np.rint(np.concatenate([(box[:2] + box[2:]) / 2 - half, (box[:2] + box[2:]) / 2 + half])).astype(
        int
    )
    height, width = image.shape[:2]
    rows, columns = np.clip(np.arange(y0, y1), 0, height - 1), np.clip(np.arange(x0, x1), 0, width - 1)
    part = np.ascontiguousarray(image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    if len(rows) != part.shape[0] or len(columns) != part.shape[1]:
        part = part[rows - rows[0]][:, columns - columns[0]]
    small = shrink(part, (SQUARE_PIXELS, SQUARE_PIXELS))
    return np.asarray(cv2.GaussianBlur(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), (0, 0), BLUR_SIGMA), np.uint8)


def _difference(first: Frame, second: Frame) -> float:
    """Return what differs between two pictures once the second is laid on the first, in deviations of their levels.

    Source of the alignment: Evangelidis and Psarakis, "Parametric Image Alignment Using Enhanced Correlation
    Coefficient Maximization", PAMI 2008.
    """
    motion = np.eye(2, 3, dtype=np.float32)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-4)
    try:
        _, found = cv2.findTransformECC(first, second, motion, cv2.MOTION_AFFINE, stop, None, 3)
    except cv2.error:
        # They have nothing in common.
        return np.inf
    laid = cv2.warpAffine(
        second,
        found,
        (SQUARE_PIXELS, SQUARE_PIXELS),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    inside = slice(MARGIN_PIXELS, -MARGIN_PIXELS)
    change = np.abs(_even(first[inside, inside]) - _even(laid[inside, inside]))
    cells = cv2.resize(change, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    return float(np.sort(cells.ravel())[-WORST_CELLS:].mean())


def _even(picture: Frame) -> Float32Array:
    levels = picture.astype(np.float32)
    return np.asarray((levels - levels.mean()) / max(float(levels.std()), 1.0), np.float32)
