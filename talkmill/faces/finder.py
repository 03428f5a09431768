"""Finds the faces of a video's frames, whatever their size: a look at the whole, and closer looks where it is blind.

Knows where to look. What a face is, the detector knows.
"""

from collections.abc import Sequence
from math import ceil

import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float32Array
from talkmill.faces.detection import SURE_SCORE, Detections, FaceDetector, merged

# While nobody is seen, the whole frame is looked at closely in every so many frames: a face is found up to four frames
# late, and a video without faces costs a fifth of the closer looks.
SEARCH_EVERY = 5
# The square around a face that was found, in sides of the face: it has 80 of 640 pixels there, twice what the detectors
# need, and stays inside however fast it moves.
FOLLOWED_SIDES = 8
# Faces that are followed, the largest first.
MOST_FOLLOWED = 3


class FaceFinder:
    """Finds faces frame after frame of one video.

    A detector looks at a fixed number of pixels (`SIDE`), so the smallest face that it sees grows with the frame: with
    FaceBoxes 108 pixels at 1080p and 216 at 4K. Where its look at the whole frame finds no face, squares of the frame
    are looked at one by one, so large that a face of `min_face_pixels` is seen in them. In the next frames a square
    around each face that was found is enough.

    Cost: one run of the network a frame; one more for each small face, or group of them, that is followed; 1 + 2 runs
    (1080p) or 1 + 15 (4K) in every fifth frame without a face, with FaceBoxes and 64 pixels. A run takes 13 ms on one
    thread.
    """

    def __init__(self, detector: FaceDetector, min_face_pixels: float) -> None:
        """Create a finder for one video.

        Args:
            detector: Looks at one picture.
            min_face_pixels: Smallest face that matters, geometric mean of its width and height in pixels of the frame.
                A square is never enlarged, so a face smaller than the detector's `SMALLEST_FACE` is not looked for.
        """
        self._detector = detector
        self._square = max(detector.SIDE, int(detector.SIDE * min_face_pixels / detector.SMALLEST_FACE))
        self._followed = np.zeros((0, 4), np.float32)
        self._faceless = 0

    def find(self, frame: npt.NDArray[np.uint8]) -> Detections:
        """Find faces in the next RGB frame, (H, W, 3) uint8; its size may change."""
        found = self._detector.detect(frame)
        if max(frame.shape[:2]) > self._square and not (found.scores >= SURE_SCORE).any():
            found = merged([found, *(self._look(frame, *square) for square in self._squares(frame))])
        sure = found.sure_boxes
        if not len(sure) and not len(self._followed):
            self._faceless += 1
        else:
            # What was lost is searched for in the next frame.
            self._faceless = 0
        self._followed = sure[:MOST_FOLLOWED]
        return found

    def _squares(self, frame: npt.NDArray[np.uint8]) -> list[tuple[int, int, int]]:
        """Return the first row, the first column and the side of each square to look at."""
        height, width = frame.shape[:2]
        if len(self._followed):
            squares: list[tuple[int, int, int]] = []
            for box in self._followed:
                if not any(_holds(square, box) for square in squares):
                    squares.append(self._square_around(box, height, width))
            return squares
        if self._faceless % SEARCH_EVERY:
            return []
        # A face that the look at the whole frame is too coarse for lies inside one square at least.
        overlap = ceil(self._detector.SMALLEST_FACE * max(height, width) / self._detector.SIDE)
        rows, columns = (_starts(length, self._square, overlap) for length in (height, width))
        return [(row, column, self._square) for row in rows for column in columns]

    def _square_around(self, box: Float32Array, height: int, width: int) -> tuple[int, int, int]:
        side = max(self._detector.SIDE, min(self._square, round(FOLLOWED_SIDES * float(np.sqrt(_areas(box[None])[0])))))
        column, row = np.rint((box[:2] + box[2:] - side) / 2).astype(int)
        return int(np.clip(row, 0, max(0, height - side))), int(np.clip(column, 0, max(0, width - side))), side

    def _look(self, frame: npt.NDArray[np.uint8], row: int, column: int, side: int) -> Detections:
        """Look at one square; a face that its edge cuts is left to the next one."""
        part = frame[row : row + side, column : column + side]
        found = self._detector.detect(part)
        boxes = found.boxes + np.array([column, row, column, row], np.float32)
        low, high = np.array([column, row]), np.array([column + part.shape[1], row + part.shape[0]])
        inside_low = (boxes[:, :2] > low + 1) | (low == 0)
        inside_high = (boxes[:, 2:] < high - 1) | (high == frame.shape[1::-1])
        whole = (inside_low & inside_high).all(1)
        return Detections(boxes[whole], found.scores[whole])


def _areas(boxes: Float32Array) -> Float32Array:
    return np.asarray(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))


def _holds(square: tuple[int, int, int], box: Float32Array) -> bool:
    """Say whether a box lies in a square with its own size to spare on each side."""
    row, column, side = square
    corner, extent = np.array([column, row]), box[2:] - box[:2]
    return bool((box[:2] - extent >= corner).all() and (box[2:] + extent <= corner + side).all())


def _starts(length: int, square: int, overlap: int) -> Sequence[int]:
    """Return where squares begin that cover a length evenly, each with an overlap to the next."""
    if length <= square:
        return [0]
    step = max(square - overlap, square // 2)
    count = ceil((length - square) / step) + 1
    return [int(start) for start in np.rint(np.linspace(0, length - square, count))]
