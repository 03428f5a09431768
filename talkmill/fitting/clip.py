"""One bundle adjustment over a clip: shared identity and focal, pose and expression of each frame, smooth in time.

Gauss-Newton with Levenberg's damping; the frames are eliminated by their Schur complement, so that the cost is linear
in frames. Terms other than landmarks can add their normal equations to `_NormalEquations`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_solve_banded, cholesky_banded
from scipy.spatial.transform import Rotation

from talkmill.fitting.frames import fit_frames
from talkmill.fitting.priors import FitPriors
from talkmill.fitting.projection import LandmarkBasis, Pose, Projection, project_with_jacobian
from talkmill.fitting.weights import huber_weights, point_weights
from talkmill.landmarks.points import outer_eye_distance

Array = npt.NDArray[np.float64]

MAX_ITERATIONS = 25
CONVERGED = 1e-5
# Clips up to this long are solved at once. In longer ones identity and focal come from this many frames spread over
# the clip, and the frames are solved in windows whose margins overlap (docs/decisions/0004-long-clips.md).
WINDOW, MARGIN = 500, 50
# Two-sided 90 % of a normal distribution.
NINETY_PERCENT = 1.645


@dataclass(frozen=True, slots=True)
class ClipFit:
    """A fitted clip.

    Attributes:
        pose: camera_from_model of each frame.
        identity: (K,) shared.
        expression: (N, E).
        focal: Focal length in pixels of the landmarks' image.
        log_focal_deviation: Posterior standard deviation of its logarithm.
        points: (N, 68, 2) projected landmarks in pixels.
        iterations: Steps of the solver.
        cost: Value of the objective.
    """

    pose: Pose
    identity: Array
    expression: Array
    focal: float
    log_focal_deviation: float
    points: Array
    iterations: int
    cost: float

    def focal_interval(self) -> tuple[float, float]:
        """Return the 90 % interval of the focal length in pixels."""
        spread = np.exp(NINETY_PERCENT * self.log_focal_deviation)
        return self.focal / float(spread), self.focal * float(spread)


@dataclass(frozen=True, slots=True)
class _State:
    pose: Pose
    expression: Array
    identity: Array
    log_focal: float


@dataclass(slots=True)
class _NormalEquations:
    """Hessian and gradient: frames in upper banded form, shared unknowns, and their coupling."""

    banded: Array
    frame_gradient: Array
    shared: Array
    shared_gradient: Array
    coupling: Array
    cost: float


def fit_clip(
    basis: LandmarkBasis,
    landmarks: npt.NDArray[np.floating],
    weights: npt.NDArray[np.floating],
    rate: float,
    centre: float,
    priors: FitPriors,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> ClipFit:
    """Fit a clip of any length from one frame up.

    Args:
        basis: The model's landmark vertices.
        landmarks: (N, 68, 2) finite pixels; the focal prior is for a 512 crop.
        weights: (N, 68) trust in each point; 0 where a frame was not measured.
        rate: Frames a second.
        centre: Principal point in pixels, for both axes.
        priors: Spreads of the unknowns.
        advance: Called with frames done and frames in all.

    Returns:
        The fit.

    Raises:
        ValueError: The landmarks are not finite, or no point has a weight.
    """
    points: Array = np.asarray(landmarks, np.float64)
    trust: Array = np.asarray(weights, np.float64)
    if not np.isfinite(points).all():
        raise ValueError("landmarks are not finite")
    if not (trust > 0).any():
        raise ValueError("no landmark has a weight above 0")
    count = len(points)
    if count <= WINDOW:
        start = _start(basis, points, trust, centre, priors)
        fit = _Problem(basis, points, trust, rate, centre, priors, smooth=True).solve(start)
        advance(count, count)
        return fit
    spread = np.unique(np.linspace(0, count - 1, WINDOW // 2).astype(int))
    start = _start(basis, points[spread], trust[spread], centre, priors)
    shared = _Problem(basis, points[spread], trust[spread], rate, centre, priors, smooth=False).solve(start)
    return _fit_windows(basis, points, trust, rate, centre, priors, shared, advance)


def _fit_windows(
    basis: LandmarkBasis,
    landmarks: Array,
    weights: Array,
    rate: float,
    centre: float,
    priors: FitPriors,
    shared: ClipFit,
    advance: Callable[[int, int], None],
) -> ClipFit:
    """Solve the frames with known identity and focal, window by window; only the middle of each is kept."""
    count = len(landmarks)
    whole = _start(basis, landmarks, weights, centre, priors)
    parts: list[_State] = []
    points, cost, iterations = [], 0.0, shared.iterations
    for begin in range(0, count, WINDOW - 2 * MARGIN):
        end = min(count, begin + WINDOW - 2 * MARGIN)
        low, high = max(0, begin - MARGIN), min(count, end + MARGIN)
        part = slice(low, high)
        pose = Pose(whole.pose.rotation[part], whole.pose.translation[part])
        start = _State(pose, whole.expression[part], shared.identity, float(np.log(shared.focal)))
        problem = _Problem(basis, landmarks[part], weights[part], rate, centre, priors, smooth=True, fixed=True)
        fit = problem.solve(start)
        kept = slice(begin - low, end - low)
        parts.append(
            _State(
                Pose(fit.pose.rotation[kept], fit.pose.translation[kept]),
                fit.expression[kept],
                shared.identity,
                0.0,
            )
        )
        points.append(fit.points[kept])
        cost, iterations = cost + fit.cost, iterations + fit.iterations
        advance(end, count)
    pose = Pose(
        np.concatenate([part.pose.rotation for part in parts]),
        np.concatenate([part.pose.translation for part in parts]),
    )
    expression = np.concatenate([part.expression for part in parts])
    return ClipFit(
        pose,
        shared.identity,
        expression,
        shared.focal,
        shared.log_focal_deviation,
        np.concatenate(points),
        iterations,
        cost,
    )


def _start(basis: LandmarkBasis, landmarks: Array, weights: Array, centre: float, priors: FitPriors) -> _State:
    """Fit each measured frame on its own at the prior's focal length; the others begin like the nearest of them."""
    seen = np.flatnonzero(weights.max(1) > 0)
    frames = fit_frames(basis, landmarks[seen], weights[seen], priors.focal_pixels, centre, priors)
    later = np.clip(np.searchsorted(seen, np.arange(len(landmarks))), 0, len(seen) - 1)
    earlier = np.maximum(later - 1, 0)
    index = np.arange(len(landmarks))
    nearest = np.where(np.abs(seen[later] - index) <= np.abs(index - seen[earlier]), later, earlier)
    pose = Pose(frames.pose.rotation[nearest], frames.pose.translation[nearest])
    return _State(pose, frames.expression[nearest], frames.identity.mean(0), float(np.log(priors.focal_pixels)))


class _Problem:
    """The objective of one stretch of frames, and its solver."""

    def __init__(
        self,
        basis: LandmarkBasis,
        landmarks: Array,
        weights: Array,
        rate: float,
        centre: float,
        priors: FitPriors,
        smooth: bool,
        fixed: bool = False,
    ) -> None:
        self.basis, self.landmarks, self.centre, self.priors = basis, landmarks, centre, priors
        self.trust = weights * point_weights(priors)
        seen = weights.max(1) > 0
        eyes = float(np.median(outer_eye_distance(landmarks[seen] if seen.any() else landmarks)))
        self.sigma = priors.landmark_fraction * eyes
        self.count = len(landmarks)
        self.block = 6 + basis.expression_count
        self.shared_count = 0 if fixed else basis.identity_count + 1
        self.smooth = smooth and self.count > 2
        measured = float(seen.sum())
        self.shared_scale = max(1.0, measured / priors.independent_frames)
        # A second difference over a shorter step is smaller by the square of the step.
        step = (rate / 25.0) ** 2
        spread = [priors.turn_acceleration] * 3 + [priors.shift_acceleration] * 3
        spread += [priors.expression_acceleration] * basis.expression_count
        self.smoothness = (step / np.array(spread)) ** 2
        self.half_width = 3 * self.block - 1 if self.smooth else self.block - 1

    def solve(self, state: _State) -> ClipFit:
        damping = 1e-4
        equations = self._linearise(state)
        iterations = 0
        for _ in range(MAX_ITERATIONS):
            iterations += 1
            trial = self._moved(state, *self._step(equations, damping))
            trial_cost = self._cost(trial)
            if not np.isfinite(trial_cost) or trial_cost > equations.cost:
                damping *= 10
                if damping > 1e6:
                    break
                continue
            gain = equations.cost - trial_cost
            state, damping = trial, max(damping / 10, 1e-9)
            equations = self._linearise(state)
            if gain < CONVERGED * max(equations.cost, 1.0):
                break
        points = self._project(state).points
        focal = float(np.exp(state.log_focal))
        deviation = self._log_focal_deviation(equations)
        return ClipFit(
            state.pose, state.identity, state.expression, focal, deviation, points, iterations, equations.cost
        )

    def _project(self, state: _State) -> Projection:
        shapes = self.basis.shape(state.identity, state.expression)
        return project_with_jacobian(self.basis, shapes, state.pose, float(np.exp(state.log_focal)), self.centre)

    def _residuals(self, points: Array) -> tuple[Array, Array]:
        """Return residuals (N, P, 2) in standard deviations and robust weights (N, P)."""
        residual = (self.landmarks - points) / self.sigma
        return residual, self.trust * huber_weights(residual, self.priors.huber)

    def _accelerations(self, state: _State) -> Array:
        """Second differences of pose and expression, (N - 2, block)."""
        turns = Rotation.from_matrix(state.pose.rotation[1:] @ np.swapaxes(state.pose.rotation[:-1], 1, 2)).as_rotvec()
        return np.concatenate(
            [
                np.diff(turns, axis=0),
                np.diff(state.pose.translation, 2, axis=0),
                np.diff(state.expression, 2, axis=0),
            ],
            axis=1,
        )

    def _cost(self, state: _State) -> float:
        residual, _ = self._residuals(self._project(state).points)
        length, limit = np.linalg.norm(residual, axis=-1), self.priors.huber
        robust = np.where(length <= limit, 0.5 * length**2, limit * (length - 0.5 * limit))
        cost = float((self.trust * robust).sum())
        cost += 0.5 * float((state.expression**2).sum()) / self.priors.expression**2
        shared = 0.5 * float((state.identity**2).sum()) / self.priors.identity**2
        shared += 0.5 * ((state.log_focal - np.log(self.priors.focal_pixels)) / self.priors.log_focal) ** 2
        cost += self.shared_scale * shared
        if self.smooth:
            cost += 0.5 * float((self._accelerations(state) ** 2 * self.smoothness).sum())
        return float(cost)

    def _linearise(self, state: _State) -> _NormalEquations:
        projection = self._project(state)
        residual, weight = self._residuals(projection.points)
        rows = np.repeat(weight, 2, axis=1)[..., None]
        flat = residual.reshape(self.count, -1)
        frame = np.concatenate([projection.by_pose, projection.by_expression], axis=-1)
        frame = frame.reshape(self.count, -1, self.block) / self.sigma
        weighted = frame * rows
        blocks = np.swapaxes(frame, 1, 2) @ weighted
        gradient = np.einsum("nri,nr->ni", weighted, flat)
        precision = self.priors.expression**-2.0
        diagonal = np.arange(6, self.block)
        blocks[:, diagonal, diagonal] += precision
        gradient[:, 6:] -= precision * state.expression
        banded = np.zeros((self.half_width + 1, self.count * self.block))
        _add_blocks(banded, blocks)
        if self.smooth:
            self._add_smoothness(banded, gradient, self._accelerations(state))

        shared = np.zeros((self.shared_count, self.shared_count))
        shared_gradient = np.zeros(self.shared_count)
        coupling = np.zeros((self.count * self.block, self.shared_count))
        if self.shared_count:
            both = np.concatenate([projection.by_identity, projection.by_log_focal[..., None]], axis=-1)
            both = both.reshape(self.count, -1, self.shared_count) / self.sigma
            coupling = (np.swapaxes(weighted, 1, 2) @ both).reshape(-1, self.shared_count)
            stacked, stacked_weighted = (
                both.reshape(-1, self.shared_count),
                (both * rows).reshape(-1, self.shared_count),
            )
            shared = stacked.T @ stacked_weighted
            shared_gradient = stacked_weighted.T @ flat.reshape(-1)
            known = self.shared_scale * np.append(
                np.full(self.shared_count - 1, self.priors.identity**-2.0), self.priors.log_focal**-2.0
            )
            offset = np.append(state.identity, state.log_focal - np.log(self.priors.focal_pixels))
            shared[np.diag_indices(self.shared_count)] += known
            shared_gradient -= known * offset
        return _NormalEquations(banded, gradient.reshape(-1), shared, shared_gradient, coupling, self._cost(state))

    def _add_smoothness(self, banded: Array, gradient: Array, accelerations: Array) -> None:
        """Add the second differences, whose derivative is taken as 1, -2, 1 of the neighbouring frames' steps."""
        stencil = (1.0, -2.0, 1.0)
        inner = self.count - 2
        for first, a in enumerate(stencil):
            gradient[first : first + inner] -= a * self.smoothness * accelerations
            for second in range(first, 3):
                offset = (second - first) * self.block
                columns = slice(second * self.block, (second + inner) * self.block)
                banded[self.half_width - offset, columns] += np.tile(a * stencil[second] * self.smoothness, inner)

    def _step(self, equations: _NormalEquations, damping: float) -> tuple[Array, Array]:
        factor = self._factor(equations, damping)
        alone = cho_solve_banded(factor, equations.frame_gradient, check_finite=False)
        if not self.shared_count:
            return alone.reshape(self.count, -1), np.zeros(0)
        spread = cho_solve_banded(factor, equations.coupling, check_finite=False)
        shared = equations.shared * (1 + damping * np.eye(self.shared_count))
        reduced = shared - equations.coupling.T @ spread
        right = equations.shared_gradient - equations.coupling.T @ alone
        step: Array = np.asarray(np.linalg.solve(reduced, right), np.float64)
        frames: Array = np.asarray(alone - spread @ step, np.float64)
        return frames.reshape(self.count, -1), step

    def _factor(self, equations: _NormalEquations, damping: float) -> tuple[Array, bool]:
        banded = equations.banded.copy()
        banded[-1] += damping * banded[-1] + 1e-9
        factor: Array = np.asarray(cholesky_banded(banded, check_finite=False), np.float64)
        return factor, False

    def _moved(self, state: _State, frames: Array, shared: Array) -> _State:
        pose = state.pose.moved(frames[:, :3], frames[:, 3:6])
        if not self.shared_count:
            return _State(pose, state.expression + frames[:, 6:], state.identity, state.log_focal)
        return _State(
            pose,
            state.expression + frames[:, 6:],
            state.identity + shared[:-1],
            state.log_focal + float(shared[-1]),
        )

    def _log_focal_deviation(self, equations: _NormalEquations) -> float:
        """Laplace approximation: the inverse of the reduced Hessian of as many frames as are independent."""
        if not self.shared_count:
            return 0.0
        spread = cho_solve_banded(self._factor(equations, 0.0), equations.coupling, check_finite=False)
        reduced = equations.shared - equations.coupling.T @ spread
        return float(np.sqrt(self.shared_scale * np.linalg.inv(reduced)[-1, -1]))


def _add_blocks(banded: Array, blocks: Array) -> None:
    """Add diagonal blocks (N, b, b) to a matrix in the upper banded form of LAPACK."""
    block = blocks.shape[1]
    for row in range(block):
        for column in range(row, block):
            banded[banded.shape[0] - 1 - (column - row), column::block] += blocks[:, row, column]
