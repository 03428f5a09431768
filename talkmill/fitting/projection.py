"""Landmark projection of a linear head and its analytic Jacobian. Camera: `geometry.conventions`."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LandmarkBasis:
    """The landmark vertices of a morphable model.

    Attributes:
        mean: (P, 3).
        identity: (P, 3, K); a coefficient of 1 is one standard deviation.
        expression: (P, 3, E).
    """

    mean: Array
    identity: Array
    expression: Array

    @property
    def identity_count(self) -> int:
        """K."""
        return int(self.identity.shape[2])

    @property
    def expression_count(self) -> int:
        """E."""
        return int(self.expression.shape[2])

    def shape(self, identity: Array, expression: Array) -> Array:
        """Return landmark positions, (N, P, 3), for identity (K,) or (N, K) and expression (N, E)."""
        who = np.tensordot(np.atleast_2d(identity), self.identity, (1, 2))
        return np.asarray(self.mean + who + np.tensordot(expression, self.expression, (1, 2)))


@dataclass(frozen=True, slots=True)
class Pose:
    """Camera poses of N frames: rotation (N, 3, 3) and translation (N, 3), camera_from_model."""

    rotation: Array
    translation: Array

    def moved(self, turn: Array, shift: Array) -> "Pose":
        """Return the poses after a small turn (N, 3) on the camera's side, as a rotation vector, and a shift."""
        return Pose(Rotation.from_rotvec(turn).as_matrix() @ self.rotation, self.translation + shift)


@dataclass(frozen=True, slots=True)
class Projection:
    """Projected landmarks and their derivatives.

    Attributes:
        points: (N, P, 2) pixels.
        by_pose: (N, P, 2, 6): turn (3) and shift (3).
        by_identity: (N, P, 2, K).
        by_expression: (N, P, 2, E).
        by_log_focal: (N, P, 2).
    """

    points: Array
    by_pose: Array
    by_identity: Array
    by_expression: Array
    by_log_focal: Array


def project_with_jacobian(basis: LandmarkBasis, shapes: Array, pose: Pose, focal: float, centre: float) -> Projection:
    """Project landmarks and differentiate.

    Args:
        basis: The model's landmark vertices.
        shapes: (N, P, 3) landmark positions in the model's frame.
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
    by_vertex = by_point @ pose.rotation[:, None]
    return Projection(
        points=points,
        by_pose=np.concatenate([by_turn, by_point], axis=-1),
        by_identity=np.einsum("npij,pjk->npik", by_vertex, basis.identity, optimize=True),
        by_expression=np.einsum("npij,pjk->npik", by_vertex, basis.expression, optimize=True),
        by_log_focal=points - centre,
    )
