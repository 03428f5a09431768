"""Frame by frame: pose, identity and expression of each frame on its own, batched Gauss-Newton."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from talkmill.fitting.priors import FitPriors
from talkmill.fitting.projection import LandmarkBasis, Pose, project_with_jacobian
from talkmill.fitting.weights import huber_weights, point_weights
from talkmill.geometry.transforms import similarity_from_points
from talkmill.landmarks.points import INNER, outer_eye_distance

Array = npt.NDArray[np.float64]

ITERATIONS = 12
# Frames solved at once: bounds the memory of the Jacobians.
CHUNK = 128
# Levenberg's damping of a unit-diagonal system: enough to keep the first steps of bad starts finite.
DAMPING = 1e-3


@dataclass(frozen=True, slots=True)
class FrameFit:
    """Independent fits of N frames.

    Attributes:
        pose: camera_from_model of each frame.
        identity: (N, K).
        expression: (N, E).
        points: (N, P, 2) projected landmarks in pixels.
    """

    pose: Pose
    identity: Array
    expression: Array
    points: Array


def fit_frames(
    basis: LandmarkBasis,
    landmarks: npt.NDArray[np.floating],
    weights: npt.NDArray[np.floating],
    focal: float,
    centre: float,
    priors: FitPriors,
) -> FrameFit:
    """Fit each frame on its own with a known focal length.

    Args:
        basis: The model's landmark vertices.
        landmarks: (N, 68, 2) pixels.
        weights: (N, 68) trust in each point.
        focal: Focal length in pixels.
        centre: Principal point in pixels, for both axes.
        priors: Spreads of the unknowns.

    Returns:
        The fits.
    """
    parts = [
        _fit_chunk(basis, landmarks[i : i + CHUNK].astype(np.float64), weights[i : i + CHUNK], focal, centre, priors)
        for i in range(0, len(landmarks), CHUNK)
    ]
    pose = Pose(
        np.concatenate([part.pose.rotation for part in parts]),
        np.concatenate([part.pose.translation for part in parts]),
    )
    return FrameFit(
        pose,
        np.concatenate([part.identity for part in parts]),
        np.concatenate([part.expression for part in parts]),
        np.concatenate([part.points for part in parts]),
    )


def initial_pose(basis: LandmarkBasis, landmarks: Array, focal: float, centre: float) -> Pose:
    """Place a frontal mean head by its eyes, nose and mouth: size gives depth, the eye line gives roll.

    Args:
        basis: The model's landmark vertices.
        landmarks: (N, 68, 2) pixels.
        focal: Focal length in pixels.
        centre: Principal point in pixels.

    Returns:
        N poses.
    """
    rotations, translations = [], []
    model = basis.mean[INNER]
    for points in landmarks:
        upward = (points[INNER] - centre) * [1, -1]
        matrix = similarity_from_points(model[:, :2], upward)
        scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
        rotation = np.eye(3)
        rotation[:2, :2] = matrix[:2, :2] / scale
        depth = focal / scale
        rotations.append(rotation)
        translations.append([matrix[0, 2] / scale, matrix[1, 2] / scale, -depth])
    return Pose(np.array(rotations), np.array(translations))


def _fit_chunk(
    basis: LandmarkBasis,
    landmarks: Array,
    weights: npt.NDArray[np.floating],
    focal: float,
    centre: float,
    priors: FitPriors,
) -> FrameFit:
    count = len(landmarks)
    sigma = (priors.landmark_fraction * outer_eye_distance(landmarks))[:, None, None]
    trust = np.asarray(weights, np.float64) * point_weights(priors)
    pose = initial_pose(basis, landmarks, focal, centre)
    identity, expression = np.zeros((count, basis.identity_count)), np.zeros((count, basis.expression_count))
    precision = np.concatenate(
        [
            np.zeros(6),
            np.full(basis.identity_count, priors.identity**-2.0),
            np.full(basis.expression_count, priors.expression**-2.0),
        ]
    )
    split = 6 + basis.identity_count
    for _ in range(ITERATIONS):
        shapes = _shapes(basis, identity, expression)
        projection = project_with_jacobian(basis, shapes, pose, focal, centre)
        residual = (landmarks - projection.points) / sigma
        weight = trust * huber_weights(residual, priors.huber)
        jacobian = (
            np.concatenate([projection.by_pose, projection.by_identity, projection.by_expression], axis=-1).reshape(
                count, -1, split + basis.expression_count
            )
            / sigma
        )
        row_weight = np.repeat(weight, 2, axis=1)
        weighted = jacobian * row_weight[..., None]
        unknowns = np.concatenate([np.zeros((count, 6)), identity, expression], axis=1)
        gradient = np.einsum("nri,nr->ni", weighted, residual.reshape(count, -1)) - precision * unknowns
        normal = np.swapaxes(jacobian, 1, 2) @ weighted
        diagonal = np.arange(normal.shape[1])
        normal[:, diagonal, diagonal] += precision + DAMPING * normal[:, diagonal, diagonal] + 1e-9
        step = np.linalg.solve(normal, gradient[..., None])[..., 0]
        pose = pose.moved(_bounded(step[:, :3]), step[:, 3:6])
        identity = identity + step[:, 6:split]
        expression = expression + step[:, split:]
    points = project_with_jacobian(basis, _shapes(basis, identity, expression), pose, focal, centre).points
    return FrameFit(pose, identity, expression, points)


def _shapes(basis: LandmarkBasis, identity: Array, expression: Array) -> Array:
    who = np.tensordot(identity, basis.identity, (1, 2))
    return np.asarray(basis.mean + who + np.tensordot(expression, basis.expression, (1, 2)))


def _bounded(turn: Array) -> Array:
    """Limit a turn to half a radian a step."""
    length = np.linalg.norm(turn, axis=1, keepdims=True)
    return np.asarray(turn * np.minimum(1.0, 0.5 / np.maximum(length, 1e-12)))
