"""Pose, identity and expression of each frame on its own, batched Gauss-Newton."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float64Array
from talkmill.fitting.priors import FitPriors
from talkmill.fitting.projection import LandmarkBasis, Pose, project_with_jacobian
from talkmill.fitting.weights import cauchy_weights, point_weights
from talkmill.landmarks.points import INNER, outer_eye_distance

ITERATIONS = 9
# The loss begins this many times wider, so that a bad start is not taken for a frame of wild points, and narrows.
FIRST_SCALE, NARROWING = 8.0, 0.5
# Frames solved at once: bounds the memory of the Jacobians.
CHUNK = 128
# Levenberg's damping of a unit-diagonal system: enough to keep the first steps of bad starts finite.
DAMPING = 1e-3
# Steps of the robust similarity that places the head first.
PLACING = 10


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
    identity: Float64Array
    expression: Float64Array
    points: Float64Array


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
    points, trust = np.asarray(landmarks, np.float64), np.asarray(weights, np.float64)
    parts = [
        _fit_chunk(basis, points[i : i + CHUNK], trust[i : i + CHUNK], focal, centre, priors)
        for i in range(0, len(landmarks), CHUNK)
    ]
    return FrameFit(
        Pose(
            np.concatenate([part.pose.rotation for part in parts]),
            np.concatenate([part.pose.translation for part in parts]),
        ),
        np.concatenate([part.identity for part in parts]),
        np.concatenate([part.expression for part in parts]),
        np.concatenate([part.points for part in parts]),
    )


def initial_pose(
    basis: LandmarkBasis, landmarks: Float64Array, weights: Float64Array, focal: float, centre: float
) -> Pose:
    """Place a frontal mean head by its eyes, nose and mouth: size gives depth, the eye line gives roll.

    Args:
        basis: The model's landmark vertices.
        landmarks: (N, 68, 2) pixels.
        weights: (N, 68) trust in each point.
        focal: Focal length in pixels.
        centre: Principal point in pixels.

    Returns:
        N poses.
    """
    # Plane similarities are products of complex numbers; a few reweighted steps leave wild points out.
    model = (basis.mean[INNER, 0] + 1j * basis.mean[INNER, 1])[None]
    seen = (landmarks[:, INNER, 0] - centre) - 1j * (landmarks[:, INNER, 1] - centre)
    trust = np.asarray(weights[:, INNER] + 1e-6)
    weight = trust
    for _ in range(PLACING):
        total = weight.sum(1, keepdims=True)
        model_mean, seen_mean = (
            (weight * model).sum(1, keepdims=True) / total,
            (weight * seen).sum(1, keepdims=True) / total,
        )
        factor = (weight * np.conj(model - model_mean) * (seen - seen_mean)).sum(1, keepdims=True)
        factor = factor / (weight * np.abs(model - model_mean) ** 2).sum(1, keepdims=True)
        offset = seen_mean - factor * model_mean
        error = np.abs(seen - factor * model - offset)
        typical = np.maximum(np.median(error, axis=1, keepdims=True), 1e-6)
        weight = trust / (1 + (error / typical) ** 2)
    scale, turn = np.maximum(np.abs(factor[:, 0]), 1e-6), factor[:, 0] / np.abs(factor[:, 0])
    rotation = np.zeros((len(landmarks), 3, 3))
    rotation[:, 0, 0], rotation[:, 0, 1], rotation[:, 1, 0], rotation[:, 1, 1] = (
        turn.real,
        -turn.imag,
        turn.imag,
        turn.real,
    )
    rotation[:, 2, 2] = 1
    place = offset[:, 0] / scale
    return Pose(rotation, np.stack([place.real, place.imag, -focal / scale], axis=1))


def _fit_chunk(
    basis: LandmarkBasis, landmarks: Float64Array, weights: Float64Array, focal: float, centre: float, priors: FitPriors
) -> FrameFit:
    count = len(landmarks)
    sigma = (priors.landmark_fraction * np.maximum(outer_eye_distance(landmarks), 1.0))[:, None, None]
    trust = weights * point_weights(priors)
    pose = initial_pose(basis, landmarks, weights, focal, centre)
    identity, expression = np.zeros((count, basis.identity_count)), np.zeros((count, basis.expression_count))
    precision = np.concatenate(
        [
            np.zeros(6),
            np.full(basis.identity_count, priors.identity**-2.0),
            np.full(basis.expression_count, priors.expression**-2.0),
        ]
    )
    split = 6 + basis.identity_count
    for iteration in range(ITERATIONS):
        placed = basis.place(identity, expression, pose)
        projection = project_with_jacobian(placed.points, pose, focal, centre)
        residual = (landmarks - projection.points) / sigma
        scale = priors.cauchy * max(1.0, FIRST_SCALE * NARROWING**iteration)
        weight = trust * cauchy_weights(residual, scale)
        by_coefficient = [placed.jacobian(projection.by_vertex, name) for name in ("identity", "expression")]
        jacobian = np.concatenate([projection.by_pose, *by_coefficient], axis=-1).reshape(
            count, 2 * len(basis.mean), -1
        )
        jacobian /= sigma
        weighted = jacobian * np.repeat(weight, 2, axis=1)[..., None]
        unknowns = np.concatenate([np.zeros((count, 6)), identity, expression], axis=1)
        gradient = np.einsum("nri,nr->ni", weighted, residual.reshape(count, -1)) - precision * unknowns
        normal = np.swapaxes(jacobian, 1, 2) @ weighted
        diagonal = np.arange(normal.shape[1])
        normal[:, diagonal, diagonal] += precision + DAMPING * normal[:, diagonal, diagonal] + 1e-9
        step = np.linalg.solve(normal, gradient[..., None])[..., 0]
        pose = pose.moved(_bounded(step[:, :3]), step[:, 3:6])
        identity = identity + step[:, 6:split]
        expression = expression + step[:, split:]
    points = project_with_jacobian(basis.place(identity, expression, pose).points, pose, focal, centre).points
    return FrameFit(pose, identity, expression, points)


def _bounded(turn: Float64Array) -> Float64Array:
    """Limit a turn to half a radian a step."""
    length = np.linalg.norm(turn, axis=1, keepdims=True)
    return np.asarray(turn * np.minimum(1.0, 0.5 / np.maximum(length, 1e-12)))
