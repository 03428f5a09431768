"""Trajectories over time: gaps filled, noise taken out, motion kept."""

import numpy as np
import numpy.typing as npt
from scipy.linalg import solveh_banded

ORDER = 3


def smooth_over_time(
    values: npt.NDArray[np.floating],
    weights: npt.NDArray[np.floating],
    rate: float,
    cutoff: float,
) -> npt.NDArray[np.float64]:
    """Smooth trajectories without delay, weighted by trust.

    Minimises sum_k w_k (z_k - y_k)^2 + lambda * sum_k (third difference of z)^2, whose frequency response at equal
    weights is 1 / (1 + lambda (2 - 2 cos w)^3): half at the cut-off, symmetric in time.
    Source: Eilers, "A perfect smoother", Analytical Chemistry 2003, eq. 3-4.

    Args:
        values: (N, ...) one value a frame.
        weights: (N,) or (N, ...), in (0, 1]; a frame that was filled in deserves little.
        rate: Frames a second.
        cutoff: Frequency in Hz at which half the amplitude passes.

    Returns:
        (N, ...) float64.

    Raises:
        ValueError: A weight is 0.
    """
    flat = np.asarray(values, np.float64).reshape(len(values), -1)
    trust = np.broadcast_to(np.asarray(weights, np.float64).reshape(len(values), -1), flat.shape)
    if not (trust > 0).all():
        raise ValueError("every weight must be above 0; fill gaps first")
    if len(flat) <= ORDER:
        return flat.reshape(np.shape(values))
    strength = 1 / (2 - 2 * np.cos(np.pi * min(1.0, 2 * cutoff / rate))) ** ORDER
    penalty = strength * _difference_penalty(len(flat))
    result = np.empty_like(flat)
    for column in range(flat.shape[1]):
        banded = penalty.copy()
        banded[-1] += trust[:, column]
        result[:, column] = solveh_banded(banded, trust[:, column] * flat[:, column])
    return result.reshape(np.shape(values))


def fill_gaps(values: npt.NDArray[np.floating], valid: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Replace frames that could not be measured: linear between neighbours, the nearest at the ends.

    Args:
        values: (N, ...).
        valid: (N,) bool.

    Returns:
        (N, ...) float64.

    Raises:
        ValueError: No frame is valid.
    """
    if not valid.any():
        raise ValueError("no frame is valid")
    flat = np.asarray(values, np.float64).reshape(len(values), -1)
    frames, known = np.arange(len(flat)), np.flatnonzero(valid)
    filled = [np.interp(frames, known, flat[known, column]) for column in range(flat.shape[1])]
    return np.stack(filled, axis=1).reshape(np.shape(values))


def _difference_penalty(count: int) -> npt.NDArray[np.float64]:
    """Return D'D of third differences in the upper banded form of LAPACK, (ORDER + 1, count)."""
    coefficients = np.array([-1.0, 3.0, -3.0, 1.0])
    banded = np.zeros((ORDER + 1, count))
    for first in range(ORDER + 1):
        for second in range(first, ORDER + 1):
            offset = second - first
            product = coefficients[first] * coefficients[second]
            banded[ORDER - offset, second : count - ORDER + second] += product
    return banded


def jitter(points: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return the length of the second difference of each point and inner frame, (N, P, 2) to (N - 2, P)."""
    second = points[2:].astype(np.float64) - 2 * points[1:-1] + points[:-2]
    return np.asarray(np.linalg.norm(second, axis=-1))
