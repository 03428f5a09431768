"""Smoothness of pose and expression in time, by a cut-off frequency.

A penalty on the n-th difference, measured in the metric of the data's own Hessian, is a low-pass filter whose amplitude
response is 1 / (1 + (sin(pi f / rate) / sin(pi f0 / rate))^(2 n)): one half at f0 whatever the landmarks' noise,
without lag. Source: Whittaker, "On a new method of graduation", 1923 (penalised differences); response derived here.
"""

import itertools

import numpy as np
import numpy.typing as npt
from scipy.special import comb

from talkmill.arrays import Float64Array
from talkmill.fitting.state import POSE_COUNT, State
from talkmill.geometry.rotations import turns_between

ORDER = 6
# Unmeasured frames that are bridged; over a longer gap the movement before says nothing of that after.
BRIDGE = 5


class Smoothness:
    """Penalty on the differences of neighbouring frames."""

    def __init__(self, metric: Float64Array, linked: npt.NDArray[np.bool_]) -> None:
        """Create the penalty.

        Args:
            metric: (b, b) symmetric weights of the differences of turn, shift and expression.
            linked: (N,) frames that take part.
        """
        self._metric = metric
        count = len(linked)
        self._stencil = np.array([(-1) ** (ORDER - k) * comb(ORDER, k) for k in range(ORDER + 1)])
        rows = max(0, count - ORDER)
        self._used = np.array([bool(linked[i : i + ORDER + 1].all()) for i in range(rows)], bool)

    @property
    def reach(self) -> int:
        """Frames that a difference reaches over; 0 where nothing is linked."""
        return ORDER if self._used.any() else 0

    def _differences(self, state: State) -> Float64Array:
        turns = np.diff(turns_between(state.pose.rotation), ORDER - 1, axis=0)
        others = np.concatenate([state.pose.translation, state.expression], axis=1)
        return np.asarray(np.concatenate([turns, np.diff(others, ORDER, axis=0)], axis=1) * self._used[:, None])

    def cost(self, state: State) -> float:
        """Return its value."""
        if not self.reach:
            return 0.0
        differences = self._differences(state)
        return 0.5 * float(((differences @ self._metric) * differences).sum())

    def gradient(self, state: State) -> Float64Array:
        """Return its downhill gradient, (N, b); the derivative of a difference is taken as the stencil."""
        count = len(state.expression)
        gradient = np.zeros((count, len(self._metric)))
        if self.reach:
            pull = self._differences(state) @ self._metric
            for offset, factor in enumerate(self._stencil):
                gradient[offset : offset + len(pull)] -= factor * pull
        return gradient

    def links(self, count: int) -> Float64Array:
        """Return the factor of the metric between frames i and i + d, (ORDER + 1, N), row d."""
        links = np.zeros((ORDER + 1, count))
        for first, second in itertools.combinations_with_replacement(range(ORDER + 1), 2):
            rows = np.flatnonzero(self._used) + first
            np.add.at(links[second - first], rows, self._stencil[first] * self._stencil[second])
        return links

    @property
    def metric(self) -> Float64Array:
        """The (b, b) metric."""
        return self._metric


def metric_from_data(blocks: Float64Array, rate: float, pose_cutoff: float, expression_cutoff: float) -> Float64Array:
    """Return the metric that puts the filter's half amplitude at a frequency.

    Args:
        blocks: (N, b, b) Hessians of measured frames, priors of the expression included.
        rate: Frames a second.
        pose_cutoff: Hz, of turn and shift.
        expression_cutoff: Hz.

    Returns:
        (b, b).
    """
    pose, expression = slice(0, POSE_COUNT), slice(POSE_COUNT, None)
    mean = blocks.mean(0)
    metric = np.zeros_like(mean)
    # What a frame tells of its pose once its expression is free.
    across = np.linalg.solve(blocks[:, expression, expression], blocks[:, expression, pose])
    alone = (blocks[:, pose, pose] - blocks[:, pose, expression] @ across).mean(0)
    metric[pose, pose] = alone / _difference_power(rate, pose_cutoff)
    metric[expression, expression] = mean[expression, expression] / _difference_power(rate, expression_cutoff)
    return np.asarray((metric + metric.T) / 2)


def linked_frames(measured: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the frames that smoothing passes over: measured ones and short gaps between them."""
    linked = measured.copy()
    for value, group in itertools.groupby(range(len(measured)), key=lambda i: bool(measured[i])):
        gap = list(group)
        inside = gap[0] > 0 and gap[-1] < len(measured) - 1
        if not value and inside and len(gap) <= BRIDGE:
            linked[gap] = True
    return linked


def _difference_power(rate: float, frequency: float) -> float:
    """Squared response of the n-th difference at a frequency."""
    return float((2 * np.sin(np.pi * min(frequency, rate / 2) / rate)) ** (2 * ORDER))
