"""Weights of the landmarks."""

import numpy as np

from talkmill.arrays import Float64Array
from talkmill.fitting.priors import FitPriors
from talkmill.landmarks.points import CONTOUR, COUNT


def point_weights(priors: FitPriors) -> Float64Array:
    """Return the weight of each of the 68 points, (68,)."""
    weights = np.ones(COUNT)
    weights[CONTOUR] = priors.contour_weight
    return weights


def cauchy_cost(residuals: Float64Array, scale: float) -> Float64Array:
    """Return Cauchy's loss, which a wild point leaves almost untouched; (..., 2) in standard deviations to (...).

    Source: Black and Rangarajan, "On the unification of line processes, outlier rejection, and robust statistics with
    applications in early vision", IJCV 1996 (there: Lorentzian).
    """
    return np.asarray(0.5 * scale**2 * np.log1p((residuals**2).sum(-1) / scale**2))


def cauchy_weights(residuals: Float64Array, scale: float) -> Float64Array:
    """Return the weights of iteratively reweighted least squares for Cauchy's loss, (..., 2) to (...) in (0, 1]."""
    return np.asarray(1 / (1 + (residuals**2).sum(-1) / scale**2))
