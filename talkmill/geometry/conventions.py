"""Cameras and angles: the only place where an axis is flipped. docs/coordinates.md states all frames once.

The camera of talkmill is that of AD-NeRF: p = R v + t, looking down -z, x = cx - f p.x / p.z, y = cy + f p.y / p.z.
"""

import numpy as np
from scipy.spatial.transform import Rotation

from talkmill.arrays import Float64Array

# Side of the crop whose pixels every focal length is given in.
REFERENCE_SIZE = 512
# Deep3DFaceRecon: camera distance in units of 10 cm, focal in pixels of the 224 crop (Deng et al., CVPRW 2019; code).
COARSE_DISTANCE = 10.0
COARSE_FOCAL = 1015.0
COARSE_SIZE = 224
# Principal point of the coarse camera, on both axes: where the reference's alignment puts the centre of the face.
COARSE_CENTRE = 112.0

# AD-NeRF's angles over those of right-handed turns.
_USUAL_SIGNS = (1.0, 1.0, -1.0)


def principal_point(size: int) -> float:
    """Return the centre of a square image in pixels with centres at integers."""
    return (size - 1) / 2


def project(
    points: Float64Array, rotation: Float64Array, translation: Float64Array, focal: float, centre: float
) -> Float64Array:
    """Project model points into the image.

    Args:
        points: (..., P, 3) in the model's frame.
        rotation: (..., 3, 3) camera_from_model.
        translation: (..., 3); z is negative in front of the camera.
        focal: Focal length in pixels.
        centre: Principal point in pixels, for both axes.

    Returns:
        (..., P, 2) pixels, y down.
    """
    camera = points @ np.swapaxes(rotation, -1, -2) + translation[..., None, :]
    depth = -camera[..., 2]
    x = centre + focal * camera[..., 0] / depth
    y = centre - focal * camera[..., 1] / depth
    return np.stack([x, y], axis=-1)


def euler_from_rotation(rotation: Float64Array) -> Float64Array:
    """Return AD-NeRF's angles (theta, phi, psi) in radians.

    R = Rx(theta) Ry(phi) Rz(psi). Rx and Ry turn the usual way, Rz the other way: its upper right element is +sin(psi).

    Args:
        rotation: (..., 3, 3) camera_from_model.

    Returns:
        (..., 3).

    Source: AD-NeRF 9fdcd7e, data_util/face_tracking/util.py, `euler2rot`, which concatenates columns.
    """
    angles = Rotation.from_matrix(rotation.reshape(-1, 3, 3)).as_euler("XYZ")
    return np.asarray((angles * _USUAL_SIGNS).reshape(*rotation.shape[:-2], 3))


def rotation_from_euler(euler: Float64Array) -> Float64Array:
    """Invert `euler_from_rotation`: (..., 3) to (..., 3, 3)."""
    angles = np.asarray(euler, np.float64).reshape(-1, 3) * _USUAL_SIGNS
    matrices = Rotation.from_euler("XYZ", angles).as_matrix()
    return np.asarray(matrices.reshape(*np.shape(euler)[:-1], 3, 3))


def coarse_angles_from_rotation(rotation: Float64Array) -> Float64Array:
    """Return Deep3DFaceRecon's angles in radians: R = Rz(c) Ry(b) Rx(a); (..., 3, 3) to (..., 3)."""
    angles = Rotation.from_matrix(rotation.reshape(-1, 3, 3)).as_euler("xyz")
    return np.asarray(angles.reshape(*rotation.shape[:-2], 3))


def coarse_translation(translation: Float64Array) -> Float64Array:
    """Return Deep3DFaceRecon's translation: its camera stands at z = 10; (..., 3) to (..., 3)."""
    return np.asarray(translation + np.array([0.0, 0.0, COARSE_DISTANCE]))
