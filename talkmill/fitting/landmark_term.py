"""Reprojection of the 68 landmarks, with Cauchy's loss."""

import numpy as np

from talkmill.arrays import Float64Array
from talkmill.fitting.priors import FitPriors
from talkmill.fitting.projection import LandmarkBasis, project_with_jacobian
from talkmill.fitting.state import NormalEquations, State
from talkmill.fitting.weights import cauchy_cost, cauchy_weights, point_weights


class LandmarkTerm:
    """Sum over frames and points of weight * loss(reprojection error / sigma)."""

    def __init__(
        self,
        basis: LandmarkBasis,
        landmarks: Float64Array,
        weights: Float64Array,
        sigma: float,
        centre: float,
        priors: FitPriors,
    ) -> None:
        """Create the term.

        Args:
            basis: The model's landmark points.
            landmarks: (N, 68, 2) pixels.
            weights: (N, 68) trust.
            sigma: Noise of a landmark in pixels.
            centre: Principal point in pixels, for both axes.
            priors: Gives loss and weight of the contour.
        """
        self._basis, self._landmarks, self._sigma, self._centre = basis, landmarks, sigma, centre
        self._trust = weights * point_weights(priors)
        self._scale = priors.cauchy

    def points(self, state: State) -> Float64Array:
        """Return the projected landmarks, (N, 68, 2) pixels."""
        placed = self._basis.place(state.identity, state.expression, state.pose)
        return project_with_jacobian(placed.points, state.pose, state.focal, self._centre).points

    def cost(self, state: State) -> float:
        """Return its value."""
        residual = (self._landmarks - self.points(state)) / self._sigma
        return float((self._trust * cauchy_cost(residual, self._scale)).sum())

    def add_to(self, equations: NormalEquations, state: State) -> None:
        """Add its quadratic; the share of the contour's candidates is held."""
        placed = self._basis.place(state.identity, state.expression, state.pose)
        projection = project_with_jacobian(placed.points, state.pose, state.focal, self._centre)
        residual = (self._landmarks - projection.points) / self._sigma
        weight = np.repeat(self._trust * cauchy_weights(residual, self._scale), 2, axis=1)
        count = len(residual)
        expression = placed.jacobian(projection.by_vertex, "expression")
        frame = np.concatenate([projection.by_pose, expression], axis=-1) / self._sigma
        shared = np.zeros((count, weight.shape[1], 0))
        if len(equations.shared):
            identity = placed.jacobian(projection.by_vertex, "identity")
            both = np.concatenate([identity, projection.by_log_focal[..., None]], axis=-1) / self._sigma
            shared = both.reshape(count, weight.shape[1], -1)
        rows = frame.reshape(count, weight.shape[1], -1)
        equations.add_rows(rows, shared, weight, residual.reshape(count, -1))
