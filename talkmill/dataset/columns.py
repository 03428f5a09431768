"""The columns of a set's values, as the trainers read them."""

import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float32Array


def condition_columns(
    euler: npt.NDArray[np.floating], trans: npt.NDArray[np.floating], focal: npt.NDArray[np.floating]
) -> npt.NDArray[np.float32]:
    """Return what OTAvatar reads as `condition`, (N, 7) float32: -euler (3), trans (3), focal (1).

    Args:
        euler: (N, 3) radians, AD-NeRF's angles.
        trans: (N, 3) units of 10 cm.
        focal: (1,) pixels of a 512 crop.
    """
    columns = np.concatenate([-euler, trans, np.broadcast_to(focal, (len(euler), 1))], axis=1)
    return np.asarray(columns, np.float32)


def coefficient_columns(coefficients: Float32Array, transform_params: Float32Array) -> Float32Array:
    """Return what OTAvatar and PIRender read as `coeff_3dmm`, (N, 260) float32: 257 coefficients, then s, t0, t1.

    Args:
        coefficients: (N, 257) of Deep3DFaceRecon.
        transform_params: (N, 5) width, height, scale and shift of the alignment.
    """
    return np.concatenate([coefficients, transform_params[:, 2:5]], axis=1)
