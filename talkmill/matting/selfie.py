"""The selfie net on a pyramid of squares around the face."""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from talkmill.arrays import Float32Array, Frame
from talkmill.geometry.boxes import mean_sides
from talkmill.geometry.pyramid import Pyramid
from talkmill.geometry.transforms import Matrix, image_from_square
from talkmill.inference.backend import Network
from talkmill.matting.grid import Grid
from talkmill.region import Region

# Sides of the squares in face sides (geometric mean), and their weights: near squares know a flag from a shoulder, wide
# ones bring what lies beyond. Chosen on 30 clips against RVM, as all constants of the recipe (docs/stages/matting.md).
SQUARES = ((2.4, 12.0), (3.2, 3.0), (4.5, 2.0), (6.0, 1.0))
WHOLE_FRAME_WEIGHT = 0.05
FACE_CENTRE_FROM_TOP = 0.42
# The weight of a square grows from nothing at its sides to whole at this share of its side inside.
FEATHER = 0.12
INPUT_SIDE = 256
# The weight of the outermost pixels; no pixel of a square is divided by nothing.
LEAST_WEIGHT = 1e-4


@dataclass(frozen=True, slots=True)
class SelfieMap:
    """What the net says of one square.

    Attributes:
        values: Person or not, 0 to 1, (256, 256) float32.
        weights: (256, 256) float32.
        frame_from_map: (3, 3).
    """

    values: Float32Array
    weights: Float32Array
    frame_from_map: Matrix


class SelfiePyramid:
    """Runs the selfie net on squares of several sizes and on the whole frame."""

    def __init__(self, network: Network) -> None:
        """Create a pyramid of selfie-256."""
        self._network = network

    def maps(self, pyramid: Pyramid, face_box: Float32Array) -> list[SelfieMap]:
        """Run the net.

        Args:
            pyramid: Of the frame.
            face_box: (4,) float32 x0, y0, x1, y1 in pixels.
        """
        height, width = pyramid.frame.shape[:2]
        whole = Grid(Region(0, 0, width, height), INPUT_SIDE, INPUT_SIDE)
        everywhere = np.full((INPUT_SIDE, INPUT_SIDE), WHOLE_FRAME_WEIGHT, np.float32)
        found = [SelfieMap(self._run(pyramid.resized((INPUT_SIDE, INPUT_SIDE))), everywhere, whole.frame_from_grid)]
        centre_x, centre_y = (float(value) for value in (face_box[:2] + face_box[2:]) / 2)
        for factor, weight in SQUARES:
            side = factor * float(mean_sides(face_box))
            x0, y0 = centre_x - side / 2, centre_y - side * FACE_CENTRE_FROM_TOP
            frame_from_map = image_from_square(x0, y0, side, INPUT_SIDE)
            values = self._run(pyramid.sample(frame_from_map, (INPUT_SIDE, INPUT_SIDE), border=cv2.BORDER_REPLICATE))
            leaves = ((x0 < 0, x0 + side > width), (y0 < 0, y0 + side > height))
            found.append(SelfieMap(values, _weights(weight, *leaves), frame_from_map))
        return found

    def _run(self, image: Frame) -> Float32Array:
        blob = image[None].astype(np.float32) * np.float32(1 / 255)
        return self._network.run({self._network.input_names[0]: blob})[0][0, :, :, 0]


def mean_map(maps: list[SelfieMap], grid: Grid) -> Float32Array:
    """Return the weighted mean of maps on a grid, (height, width) float32; the first map covers the frame."""
    whole, *squares = maps
    total = grid.sampled(whole.values * whole.weights, whole.frame_from_map)
    weights = grid.sampled(whole.weights, whole.frame_from_map)
    for square in squares:
        pair = cv2.merge([square.values * square.weights, square.weights])
        sampled = grid.sampled(np.asarray(pair, np.float32), square.frame_from_map, outside=0.0)
        total += sampled[..., 0]
        weights += sampled[..., 1]
    total /= weights
    return total


@cache
def _weights(weight: float, columns: tuple[bool, bool], rows: tuple[bool, bool]) -> Float32Array:
    """Weights of a square; of its columns and rows it is given where the square leaves the frame."""
    feathered = np.outer(_feather(*rows), _feather(*columns)) + np.float32(LEAST_WEIGHT)
    weights = np.asarray(np.float32(weight) * feathered, np.float32)
    weights.flags.writeable = False
    return weights


def _feather(leaves_first: bool, leaves_last: bool) -> Float32Array:
    """Weights along a side of a square; where it leaves the frame there is no picture's edge to hide."""
    near = np.arange(INPUT_SIDE) + 0.5
    distance = np.minimum(np.inf if leaves_first else near, np.inf if leaves_last else near[::-1])
    return np.clip(distance / (INPUT_SIDE * FEATHER), 0, 1).astype(np.float32) * np.ones(INPUT_SIDE, np.float32)
