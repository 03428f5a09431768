"""The 5-point alignment in front of a coarse regressor: what takes a photo to the 224 crop.

Source: Deng et al., "Accurate 3D face reconstruction with weakly-supervised learning", CVPRW 2019, preprocessing of
the authors' code: POS by least squares, rescale factor 102.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float32Array, Float64Array
from talkmill.geometry.conventions import COARSE_SIZE
from talkmill.geometry.transforms import Matrix

# Pixels of the 224 crop that one unit (10 cm) takes; with focal 1015 it puts the head 10 units away.
RESCALE_FACTOR = 102.0
# Where the file of a network says which five points it was trained to be aligned to.
FIVE_POINTS_KEY = "five_points"


@dataclass(frozen=True, slots=True)
class Alignment:
    """A scaled and shifted crop.

    Attributes:
        parameters: (5,) float64: image width, height, scale, t0 and t1, the centre in pixels with y up, as the
            reference's `transform_params`.
        crop_from_image: (3, 3), pixels with y down to pixels of the 224 crop with y down.
    """

    parameters: Float64Array
    crop_from_image: Matrix


def five_points(points: npt.NDArray[np.floating]) -> Float64Array:
    """Return eyes, nose and mouth corners of 68 points, (68, D) to (5, D)."""
    eyes = [points[[36, 39]].mean(0), points[[42, 45]].mean(0)]
    return np.stack([*eyes, points[30], points[48], points[54]]).astype(np.float64)


def align(points: npt.NDArray[np.floating], model_points: Float64Array, size: int) -> Alignment:
    """Find the crop that puts a face where a coarse regressor expects it.

    Args:
        points: (68, 2) pixels of a square image, y down.
        model_points: (5, 3) eyes, nose and mouth corners of the mean head, in units of 10 cm.
        size: Side of the image in pixels.

    Returns:
        The alignment.
    """
    upward = five_points(points)
    upward[:, 1] = size - 1 - upward[:, 1]
    model = np.concatenate([model_points, np.ones((5, 1))], axis=1)
    rows, *_ = np.linalg.lstsq(model, upward, rcond=None)
    scale = RESCALE_FACTOR / float(np.linalg.norm(rows[:3], axis=0).mean())
    t0, t1 = rows[3]
    half = COARSE_SIZE / 2
    crop_from_image = np.array(
        [[scale, 0, half - t0 * scale], [0, scale, half - (size - 1 - t1) * scale], [0, 0, 1]], np.float64
    )
    return Alignment(np.array([size, size, scale, t0, t1], np.float64), crop_from_image)


def at_size(parameters: Float32Array, size: int) -> Float32Array:
    """Return the parameters of the same alignments for images that are resized.

    Args:
        parameters: (N, 5), see `Alignment`, of square images.
        size: Side of the resized images.

    Returns:
        (N, 5): what `align` finds on landmarks of the resized images, pixel centres at integers.
    """
    factors = size / parameters[:, :1].astype(np.float64)
    centres = (parameters[:, 3:] + 0.5) * factors - 0.5
    sides = np.full((len(parameters), 2), size)
    return np.concatenate([sides, parameters[:, 2:3] / factors, centres], axis=1).astype(np.float32)


def warping_matrix(alignment: Alignment) -> Float64Array:
    """Return the reference's `warping_params`: image_from_crop, (4, 4) on (x, y, 0, 1), pixels with y up.

    The reference enlarges the image to whole pixels before it cuts the 224 crop, so what is cut off counts.
    Source: OTAvatar_processing (2919dbc), face_recon_videos.py and util/preprocess.py.
    """
    sides, scale, centre = alignment.parameters[:2], alignment.parameters[2], alignment.parameters[3:]
    cut_off = sides * scale - np.floor(sides * scale)
    matrix = np.diag([1 / scale, 1 / scale, 1, 1])
    matrix[:2, 3] = centre - (COARSE_SIZE / 2 + cut_off / 2) / scale
    return matrix
