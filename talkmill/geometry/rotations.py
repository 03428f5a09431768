"""Rotations of neighbouring frames."""

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation, Slerp

from talkmill.arrays import Float64Array


def turns_between(rotation: Float64Array) -> Float64Array:
    """Return the rotation vectors that take each frame to the next on the camera's side, (N, 3, 3) to (N - 1, 3)."""
    if len(rotation) < 2:
        return np.zeros((0, 3))
    return np.asarray(Rotation.from_matrix(rotation[1:] @ np.swapaxes(rotation[:-1], 1, 2)).as_rotvec())


def interpolated(rotation: Float64Array, known: npt.NDArray[np.bool_]) -> Float64Array:
    """Fill rotations along the shortest arc between known frames, the nearest at the ends; (N, 3, 3)."""
    frames = np.flatnonzero(known)
    if len(frames) == 1:
        return np.repeat(rotation[frames], len(rotation), axis=0)
    wanted = np.clip(np.arange(len(rotation)), frames[0], frames[-1])
    filled = np.asarray(Slerp(frames, Rotation.from_matrix(rotation[frames]))(wanted).as_matrix())
    return np.where(known[:, None, None], rotation, filled)
