"""One bundle adjustment over a stretch of frames: shared identity and focal, pose and expression of each frame.

Gauss-Newton with Levenberg's damping; the frames are eliminated by their Schur complement, so that the cost is linear
in frames. Source: Triggs et al., "Bundle adjustment - a modern synthesis", 1999, sections 6.1 and 6.3.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from talkmill.arrays import Float64Array
from talkmill.fitting.banded import BandedFactor
from talkmill.fitting.priors import FitPriors
from talkmill.fitting.smoothness import Smoothness
from talkmill.fitting.state import POSE_COUNT, NormalEquations, State, Term

MAX_ITERATIONS = 30
# The constants below say how fast the minimum is found, hardly where it lies: on three made-up clips of 60 frames a
# convergence of 1e-4 or 1e-6, a first damping of 1e-5 to 1e-2, a factor of 3 to 30 and an idle weight of 1e-8 to 1e-4
# moved no rotation by more than 0.004 degrees and the cost by no more than 2e-6 of it.
# A step that changes the cost by a smaller share is the last: near the minimum the smoothness, whose gradient is not
# exact, lets it rise by some 1e-6.
CONVERGED = 1e-5
# Levenberg's damping: the first, the factor by which it falls after a good step and grows after a bad one, its bounds.
FIRST_DAMPING, DAMPING_FACTOR, LEAST_DAMPING, MOST_DAMPING = 1e-4, 10.0, 1e-9, 1e6
# What a frame without a measurement weighs: it stays where it is.
IDLE = 1e-6


@dataclass(frozen=True, slots=True)
class Solution:
    """A minimum.

    Attributes:
        state: Where.
        cost: Value of the objective.
        iterations: Steps tried.
    """

    state: State
    cost: float
    iterations: int


class Bundle:
    """The objective: terms, priors and smoothness."""

    def __init__(
        self,
        terms: Sequence[Term],
        smoothness: Smoothness,
        priors: FitPriors,
        measured: int,
        hold_shared: bool = False,
        hold_focal: bool = False,
    ) -> None:
        """Create the objective.

        Args:
            terms: What binds the unknowns to measurements.
            smoothness: What binds frames to each other.
            priors: Spreads of the unknowns.
            measured: Measured frames, which the priors of the shared unknowns grow with.
            hold_shared: Whether identity and focal stay as they are.
            hold_focal: Whether the focal alone does.
        """
        self._terms, self._smoothness, self._priors, self._hold = terms, smoothness, priors, hold_shared
        self._hold_focal = hold_focal
        self._links: Float64Array | None = None
        self._identity_scale = max(1.0, measured / priors.independent_frames)
        self._focal_scale = max(1.0, measured / priors.focal_frames)

    def solve(self, state: State, iterations: int = MAX_ITERATIONS) -> Solution:
        """Find the minimum near a state."""
        damping, cost, tried = FIRST_DAMPING, self.cost(state), 0
        equations: NormalEquations | None = None
        while tried < iterations:
            tried += 1
            equations = equations or self._linearise(state)
            trial = state.moved(*self._step(equations, damping))
            trial_cost = self.cost(trial)
            gain = cost - trial_cost
            if gain > 0:
                state, cost, equations = trial, trial_cost, None
                damping = max(damping / DAMPING_FACTOR, LEAST_DAMPING)
            else:
                damping *= DAMPING_FACTOR
            if abs(gain) < CONVERGED * max(cost, 1.0) or damping > MOST_DAMPING:
                break
        return Solution(state, cost, tried)

    def log_focal_deviation(self, state: State) -> float:
        """Return the posterior standard deviation of the focal length's logarithm; 0 where it is held.

        Laplace approximation: the inverse of the reduced Hessian of as many frames as are independent.
        """
        if self._hold or self._hold_focal:
            return 0.0
        equations = self._linearise(state)
        count, block, shared_count = equations.coupling.shape
        coupling = equations.coupling.reshape(count * block, shared_count)
        spread = self._factor(equations, 0.0).forward(coupling)
        reduced = equations.shared - spread.T @ spread
        variance = self._focal_scale * float(np.linalg.inv(reduced)[-1, -1])
        return float(np.sqrt(variance + self._priors.log_focal_basis**2))

    def cost(self, state: State) -> float:
        """Return the value of the objective."""
        cost = sum(term.cost(state) for term in self._terms) + self._smoothness.cost(state)
        cost += 0.5 * float((state.expression**2).sum()) / self._priors.expression**2
        if not self._hold:
            cost += 0.5 * self._identity_scale * float((state.identity**2).sum()) / self._priors.identity**2
            if not self._hold_focal:
                cost += 0.5 * self._focal_scale * (self._focal_offset(state) / self._priors.log_focal) ** 2
        return float(cost)

    def _focal_offset(self, state: State) -> float:
        return state.log_focal - float(np.log(self._priors.focal_pixels))

    def _linearise(self, state: State) -> NormalEquations:
        count, size = state.expression.shape
        equations = NormalEquations.zeros(count, POSE_COUNT + size, 0 if self._hold else len(state.identity) + 1)
        for term in self._terms:
            term.add_to(equations, state)
        precision = self._priors.expression**-2.0
        unit = np.arange(POSE_COUNT, POSE_COUNT + size)
        equations.blocks[:, unit, unit] += precision
        equations.gradient[:, POSE_COUNT:] -= precision * state.expression
        equations.gradient += self._smoothness.gradient(state)
        if not self._hold:
            identity = self._identity_scale * self._priors.identity**-2.0
            focal = self._focal_scale * self._priors.log_focal**-2.0
            known = np.append(np.full(len(state.identity), identity), focal)
            equations.shared[np.diag_indices(len(known))] += known
            equations.shared_gradient -= known * np.append(state.identity, self._focal_offset(state))
            if self._hold_focal:
                # The last shared unknown is bound to nothing and pulled nowhere: its step is 0.
                equations.coupling[..., -1] = 0
                equations.shared[-1], equations.shared[:, -1], equations.shared[-1, -1] = 0, 0, 1
                equations.shared_gradient[-1] = 0
        return equations

    def _step(self, equations: NormalEquations, damping: float) -> tuple[Float64Array, Float64Array]:
        count, block, shared_count = equations.coupling.shape
        factor = self._factor(equations, damping)
        coupling = equations.coupling.reshape(count * block, shared_count)
        right = np.concatenate([equations.gradient.reshape(-1, 1), coupling], axis=1)
        solved = factor.forward(right)
        alone, spread = solved[:, 0], solved[:, 1:]
        if not shared_count:
            return factor.back(alone).reshape(count, block), np.zeros(0)
        damped = equations.shared + damping * np.diag(np.diag(equations.shared))
        step = np.linalg.solve(damped - spread.T @ spread, equations.shared_gradient - spread.T @ alone)
        return factor.back(alone - spread @ step).reshape(count, block), np.asarray(step)

    def _factor(self, equations: NormalEquations, damping: float) -> BandedFactor:
        """Factor the frames' part of the Hessian."""
        if self._links is None:
            self._links = _banded(self._smoothness, *equations.blocks.shape[:2])
        count, block, _ = equations.blocks.shape
        banded = self._links.copy()
        row, column = np.tril_indices(block)
        banded[row - column, column + block * np.arange(count)[:, None]] += equations.blocks[:, row, column]
        banded[0] += damping * banded[0] + IDLE
        return BandedFactor(banded)


def _banded(smoothness: Smoothness, count: int, block: int) -> Float64Array:
    """Return what binds frames to each other, in LAPACK's lower banded form."""
    reach = smoothness.reach
    banded = np.zeros(((reach + 1) * block, count * block), order="F")
    links = smoothness.links(count)
    row, column = np.indices((block, block)).reshape(2, -1)
    for apart in range(reach + 1 if reach else 0):
        down = apart * block + row - column
        below = down >= 0
        place = column[below] + block * np.arange(count - apart)[:, None]
        values = links[apart][: count - apart, None] * smoothness.metric[row[below], column[below]]
        banded[np.broadcast_to(down[below], place.shape), place] = values
    return banded
