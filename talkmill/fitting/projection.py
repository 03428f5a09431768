"""Landmark projection of a linear head and its analytic Jacobian. Camera: `geometry.conventions`."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from talkmill.arrays import Float64Array
from talkmill.fitting.contour import contour_candidates
from talkmill.landmarks.points import CONTOUR, CONTOUR_COUNT, COUNT
from talkmill.morphable.model import MorphableModel

# Candidates of a contour point that lie less than this far within the edge of the face share it, in units of 10 cm: the
# point slides smoothly from vertex to vertex.
EDGE_SOFTNESS = 0.02

FloatT = TypeVar("FloatT", np.float32, np.float64)


@dataclass(frozen=True, slots=True)
class LinearShape(Generic[FloatT]):
    """Points of a morphable model: mean + identity + expression.

    Attributes:
        mean: (P, 3).
        identity: (P, 3, K); a coefficient of 1 is one standard deviation.
        expression: (P, 3, E).
    """

    mean: npt.NDArray[FloatT]
    identity: npt.NDArray[FloatT]
    expression: npt.NDArray[FloatT]

    def points(self, identity: npt.NDArray[FloatT], expression: npt.NDArray[FloatT]) -> npt.NDArray[FloatT]:
        """Return (N, P, 3) for identity (K,) or (N, K) and expression (N, E)."""
        count, size = self.mean.shape[0], expression.shape[1]
        identity_offset = np.atleast_2d(identity) @ self.identity.reshape(count * 3, -1).T
        expression_offset = expression @ self.expression.reshape(count * 3, size).T
        return np.asarray(self.mean + (identity_offset + expression_offset).reshape(-1, count, 3))


@dataclass(frozen=True, slots=True)
class LandmarkBasis:
    """The 68 landmark points of a morphable model.

    Attributes:
        fixed: The landmark vertices.
        rows: Candidates of the contour points, 17 rows of as many vertices, or None: the contour stays where it is.
    """

    fixed: LinearShape[np.float64]
    rows: LinearShape[np.float64] | None = None

    @classmethod
    def of(cls, model: MorphableModel, slide: bool = True) -> "LandmarkBasis":
        """Take the landmarks, and the candidates of the contour, out of a model."""
        arrays = (model.mean, model.identity, model.expression)
        fixed = LinearShape(*(model.landmark_rows(array).astype(np.float64) for array in arrays))
        if not slide:
            return cls(fixed)
        rows = contour_candidates(model).reshape(-1)
        return cls(fixed, LinearShape(*(array[rows].astype(np.float64) for array in arrays)))

    @property
    def mean(self) -> Float64Array:
        """Landmark vertices of the mean head, (68, 3)."""
        return self.fixed.mean

    @property
    def identity_count(self) -> int:
        """K."""
        return int(self.fixed.identity.shape[2])

    @property
    def expression_count(self) -> int:
        """E."""
        return int(self.fixed.expression.shape[2])

    def place(self, identity: Float64Array, expression: Float64Array, pose: "Pose") -> "PlacedLandmarks":
        """Return the landmarks of N frames, the contour on the edge of the face that the pose shows.

        Args:
            identity: (K,) or (N, K).
            expression: (N, E).
            pose: N camera poses.
        """
        shapes = self.fixed.points(identity, expression)
        if self.rows is None:
            return PlacedLandmarks(self, shapes)
        candidates = self.rows.points(identity, expression).reshape(len(shapes), CONTOUR_COUNT, -1, 3)
        share = _edge_shares(shapes, candidates, pose)
        shapes[:, CONTOUR] = np.einsum("npc,npcj->npj", share, candidates)
        return PlacedLandmarks(self, shapes, share)


@dataclass(frozen=True, slots=True)
class PlacedLandmarks:
    """Landmarks of N frames in the model's frame.

    Attributes:
        basis: What they are made of.
        points: (N, 68, 3).
        share: (N, 17, C) of each candidate in its contour point, or None.
    """

    basis: LandmarkBasis
    points: Float64Array
    share: Float64Array | None = None

    def jacobian(self, by_vertex: Float64Array, name: str) -> Float64Array:
        """Chain derivatives by model points (N, 68, 2, 3) to those by coefficients, (N, 68, 2, K or E)."""
        modes: Float64Array = getattr(self.basis.fixed, name)
        count, size = len(by_vertex), modes.shape[2]
        found = np.swapaxes(by_vertex, 0, 1).reshape(COUNT, count * 2, 3) @ modes
        chained = np.ascontiguousarray(np.swapaxes(found.reshape(COUNT, count, 2, size), 0, 1))
        if self.share is not None and self.basis.rows is not None:
            row_modes: Float64Array = getattr(self.basis.rows, name).reshape(CONTOUR_COUNT, -1, 3 * size)
            mixed = np.swapaxes(self.share, 0, 1) @ row_modes
            mixed = np.swapaxes(mixed.reshape(CONTOUR_COUNT, count, 3, size), 0, 1)
            chained[:, CONTOUR] = by_vertex[:, CONTOUR] @ mixed
        return chained


def _edge_shares(shapes: Float64Array, candidates: Float64Array, pose: "Pose") -> Float64Array:
    """Soft choice of the outermost candidate as the camera sees them, (N, 17, C)."""

    def flat(points: Float64Array) -> Float64Array:
        turned = points.reshape(len(points), -1, 3) @ np.swapaxes(pose.rotation, 1, 2) + pose.translation[:, None]
        depth = -pose.translation[:, None, None, 2] / np.minimum(turned[..., 2:], -1e-3)
        return np.asarray((turned[..., :2] * -depth).reshape(*points.shape[:-1], 2))

    middle = flat(shapes.mean(1, keepdims=True))
    outward = flat(shapes[:, CONTOUR]) - middle
    outward /= np.maximum(np.linalg.norm(outward, axis=-1, keepdims=True), 1e-9)
    reach = ((flat(candidates) - middle[:, :, None]) * outward[:, :, None]).sum(-1)
    share = np.exp((reach - reach.max(-1, keepdims=True)) / EDGE_SOFTNESS)
    return np.asarray(share / share.sum(-1, keepdims=True))


@dataclass(frozen=True, slots=True)
class Pose:
    """Camera poses of N frames: rotation (N, 3, 3) and translation (N, 3), camera_from_model."""

    rotation: Float64Array
    translation: Float64Array

    def moved(self, rotation_vector: Float64Array, translation: Float64Array) -> "Pose":
        """Return the poses after a small rotation on the camera's side and a translation, (N, 3) each."""
        return Pose(Rotation.from_rotvec(rotation_vector).as_matrix() @ self.rotation, self.translation + translation)

    def part(self, frames: slice | npt.NDArray[np.int64]) -> "Pose":
        """Return the poses of some frames."""
        return Pose(self.rotation[frames], self.translation[frames])


@dataclass(frozen=True, slots=True)
class Projection:
    """Projected landmarks and their derivatives.

    Attributes:
        points: (N, P, 2) pixels.
        by_pose: (N, P, 2, 6): rotation vector (3) and translation (3).
        by_vertex: (N, P, 2, 3): by the point in the model's frame.
        by_log_focal: (N, P, 2).
    """

    points: Float64Array
    by_pose: Float64Array = field(repr=False)
    by_vertex: Float64Array = field(repr=False)
    by_log_focal: Float64Array = field(repr=False)


def project_with_jacobian(shapes: Float64Array, pose: Pose, focal: float, centre: float) -> Projection:
    """Project points and differentiate.

    Args:
        shapes: (N, P, 3) points in the model's frame.
        pose: N camera poses.
        focal: Focal length in pixels.
        centre: Principal point in pixels, for both axes.

    Returns:
        Points and Jacobians; the turn acts on the camera's side: p = exp(turn) R v + t + shift.
    """
    turned = shapes @ np.swapaxes(pose.rotation, 1, 2)
    camera = turned + pose.translation[:, None, :]
    depth = -camera[..., 2]
    x, y = camera[..., 0] / depth, camera[..., 1] / depth
    points = np.stack([centre + focal * x, centre - focal * y], axis=-1)
    # d(pixel) / d(camera point), (N, P, 2, 3)
    by_point = np.zeros((*depth.shape, 2, 3))
    by_point[..., 0, 0] = focal / depth
    by_point[..., 0, 2] = focal * x / depth
    by_point[..., 1, 1] = -focal / depth
    by_point[..., 1, 2] = -focal * y / depth
    # d(exp(w) q) / dw = -[q]x, so each row g of by_point gives q x g
    by_turn = np.cross(turned[:, :, None, :], by_point)
    return Projection(
        points=points,
        by_pose=np.concatenate([by_turn, by_point], axis=-1),
        by_vertex=by_point @ pose.rotation[:, None],
        by_log_focal=points - centre,
    )
