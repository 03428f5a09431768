"""A picture and its halves, and samples of it where a transform says."""

from math import log2

import cv2
import numpy as np

from talkmill.arrays import Frame
from talkmill.geometry.transforms import Matrix, image_from_part


class Pyramid:
    """A picture whose halves are made when they are first asked for, and once.

    Attributes:
        frame: RGB, (H, W, 3) uint8.
    """

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self._halved = {(1, 1): frame}

    def sample(self, frame_from_sample: Matrix, size: tuple[int, int], *, border: int) -> Frame:
        """Sample the picture by bilinear interpolation.

        It is halved first along each side of the picture on which pixels of the sample are twice as large or more,
        against aliasing. Where a side does not halve evenly, less than one pixel of the sample is left out at its end.

        Args:
            frame_from_sample: (3, 3) affine; pixel centres at integers on both sides.
            size: Width and height of the sample.
            border: What lies outside the picture: cv2.BORDER_CONSTANT for black, cv2.BORDER_REPLICATE for its last
                pixels.

        Returns:
            (height, width, 3) uint8.
        """
        matrix = frame_from_sample.copy()
        # How far along each side of the picture one pixel of the sample reaches.
        steps = np.minimum(np.hypot(matrix[:2, 0], matrix[:2, 1]), [self.frame.shape[1], self.frame.shape[0]])
        folds = np.array([_fold(float(step)) for step in steps])
        matrix[:2, 2] = (matrix[:2, 2] + 0.5) / folds - 0.5
        matrix[:2, :2] /= folds[:, None]
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        halved = self._at(int(folds[0]), int(folds[1]))
        return np.asarray(cv2.warpAffine(halved, matrix[:2], size, flags=flags, borderMode=border))

    def resized(self, size: tuple[int, int]) -> Frame:
        """Return the whole picture at another size, (height, width, 3) uint8.

        It is halved first as in `sample`. Pixels lie where cv2.resize puts them, whether or not a side halves evenly.
        """
        height, width = self.frame.shape[:2]
        frame_from_sample = image_from_part(0, 0, width, height, *size)
        return self.sample(frame_from_sample, size, border=cv2.BORDER_REPLICATE)

    def _at(self, fold_x: int, fold_y: int) -> Frame:
        """Return the picture with its sides divided by powers of two; a last odd row or column is left out."""
        if (fold_x, fold_y) not in self._halved:
            # Back along the side that is halved more, then both: samples share most of the way.
            by_x, by_y = (2 if fold_x >= fold_y else 1), (2 if fold_y >= fold_x else 1)
            larger = self._at(fold_x // by_x, fold_y // by_y)
            width, height = larger.shape[1] // by_x, larger.shape[0] // by_y
            part = larger[: height * by_y, : width * by_x]
            # At half the size this is the mean of two or four pixels.
            halved = cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR)
            self._halved[fold_x, fold_y] = np.asarray(halved, np.uint8)
        return self._halved[fold_x, fold_y]


def _fold(step: float) -> int:
    """Return the largest power of two that is at most a step, and 1 at least."""
    return 1 << int(log2(max(1.0, step)))
