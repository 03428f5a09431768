"""2D-FAN: 68 heatmaps of a square around the face.

Source: Bulat and Tzimiropoulos, "How far are we from solving the 2D and 3D face alignment problem?", ICCV 2017; the
crop (200 pixels at scale 1, centre 12 % above that of the box) and the quarter-pixel decoding are those of
face-alignment (BSD-3-Clause).
"""

import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float32Array, Frame
from talkmill.geometry.pyramid import Pyramid
from talkmill.geometry.transforms import apply
from talkmill.inference.backend import Network
from talkmill.landmarks.crops import batch_of, crop_transform
from talkmill.landmarks.detection import Landmarks

SIDE, HEATMAP_SIDE = 256, 64
REFERENCE_SCALE, SCALED_PIXELS = 195.0, 200.0
CENTRE_ABOVE = 0.12


class FanDetector:
    """Runs 2D-FAN."""

    def __init__(self, network: Network) -> None:
        """Create a detector from fan-2d4."""
        self._network = network

    def detect(self, frame: Frame, face_box: Float32Array) -> Landmarks:
        """Find the landmarks of one face; see `detection.LandmarkDetector.detect`.

        The confidence is the height of a point's heatmap, which the training draws as 1.
        """
        centre = (face_box[:2] + face_box[2:]) / 2
        width, height = (float(side) for side in face_box[2:] - face_box[:2])
        centre = centre - np.array([0.0, CENTRE_ABOVE * height])
        side = (width + height) / REFERENCE_SCALE * SCALED_PIXELS
        transform = crop_transform(centre, side, 0.0, SIDE)
        blob = batch_of(Pyramid(frame), [transform], SIDE, mirrored=False, white=1.0)
        (heatmaps,) = self._network.run({self._network.input_names[0]: blob})
        points, heights = decode(heatmaps[0])
        confidence = np.clip(heights, 1e-3, 1).astype(np.float32)
        return Landmarks(apply(transform, points).astype(np.float32), confidence)


def decode(heatmaps: Float32Array) -> tuple[npt.NDArray[np.float64], Float32Array]:
    """Return points in pixels of the crop, and the heights of their peaks.

    Args:
        heatmaps: (68, 64, 64) float32.

    Returns:
        (68, 2) float64, centres at integers: the highest cell, inside the heatmap a quarter of a cell towards its
        higher neighbours; and (68,) float32.

    Source: face-alignment 608505f, `_get_preds_fromhm`: a peak on the border of the heatmap is left where it is.
    """
    count = len(heatmaps)
    flat = heatmaps.reshape(count, -1)
    best = flat.argmax(1)
    rows, columns = np.divmod(best, HEATMAP_SIDE)
    found = np.stack([columns, rows], axis=1).astype(np.float64)
    index = np.arange(count)
    last = HEATMAP_SIDE - 1
    inside = (rows > 0) & (rows < last) & (columns > 0) & (columns < last)
    i, row, column = index[inside], rows[inside], columns[inside]
    found[inside, 0] += 0.25 * np.sign(heatmaps[i, row, column + 1] - heatmaps[i, row, column - 1])
    found[inside, 1] += 0.25 * np.sign(heatmaps[i, row + 1, column] - heatmaps[i, row - 1, column])
    ratio = SIDE / HEATMAP_SIDE
    return (found + 0.5) * ratio - 0.5, flat[index, best]
