"""The unknowns of a clip, and the normal equations that every term of the objective adds to."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float64Array
from talkmill.fitting.projection import Pose

POSE_COUNT = 6


@dataclass(frozen=True, slots=True)
class State:
    """The unknowns.

    Attributes:
        pose: camera_from_model of N frames.
        expression: (N, E).
        identity: (K,).
        log_focal: Logarithm of the focal length in pixels.
    """

    pose: Pose
    expression: Float64Array
    identity: Float64Array
    log_focal: float

    @property
    def focal(self) -> float:
        """Focal length in pixels."""
        return float(np.exp(self.log_focal))

    def part(self, frames: slice | npt.NDArray[np.int64]) -> "State":
        """Return the unknowns of some frames."""
        return State(self.pose.part(frames), self.expression[frames], self.identity, self.log_focal)

    def moved(self, frames: Float64Array, shared: Float64Array) -> "State":
        """Return the state after a step: frames (N, 6 + E): turn, shift, expression; shared (K + 1) or (0)."""
        pose = self.pose.moved(frames[:, :3], frames[:, 3:POSE_COUNT])
        expression = self.expression + frames[:, POSE_COUNT:]
        if not len(shared):
            return State(pose, expression, self.identity, self.log_focal)
        return State(pose, expression, self.identity + shared[:-1], self.log_focal + float(shared[-1]))


@dataclass(slots=True)
class NormalEquations:
    """Gauss-Newton's quadratic of the objective around a state, frames of b = 6 + E unknowns, s shared ones.

    Attributes:
        blocks: (N, b, b) Hessian of each frame.
        gradient: (N, b), downhill.
        coupling: (N, b, s).
        shared: (s, s).
        shared_gradient: (s,), downhill.
    """

    blocks: Float64Array
    gradient: Float64Array
    coupling: Float64Array
    shared: Float64Array
    shared_gradient: Float64Array

    @classmethod
    def zeros(cls, count: int, block: int, shared: int) -> "NormalEquations":
        """Return equations without a term."""
        return cls(
            np.zeros((count, block, block)),
            np.zeros((count, block)),
            np.zeros((count, block, shared)),
            np.zeros((shared, shared)),
            np.zeros(shared),
        )

    def add_rows(self, frame: Float64Array, shared: Float64Array, weight: Float64Array, residual: Float64Array) -> None:
        """Add weighted rows of a residual that shrinks by `jacobian @ step`.

        Args:
            frame: (N, R, b) Jacobian by the frame's unknowns.
            shared: (N, R, s) by the shared ones; s may be 0.
            weight: (N, R).
            residual: (N, R).
        """
        weighted = np.swapaxes(frame * weight[..., None], 1, 2)
        self.blocks += weighted @ frame
        self.gradient += (weighted @ residual[..., None])[..., 0]
        if shared.shape[2]:
            self.coupling += weighted @ shared
            flat = shared.reshape(-1, shared.shape[2])
            flat_weighted = flat * weight.reshape(-1, 1)
            self.shared += flat.T @ flat_weighted
            self.shared_gradient += flat_weighted.T @ residual.reshape(-1)


class Term(Protocol):
    """A part of the objective that binds no two frames."""

    def cost(self, state: State) -> float:
        """Return its value."""
        ...

    def add_to(self, equations: NormalEquations, state: State) -> None:
        """Add its quadratic around a state."""
        ...
