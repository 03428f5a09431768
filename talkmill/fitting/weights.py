"""How much each landmark counts."""

import numpy as np
import numpy.typing as npt

from talkmill.fitting.priors import FitPriors
from talkmill.landmarks.points import CONTOUR, COUNT


def point_weights(priors: FitPriors) -> npt.NDArray[np.float64]:
    """Return the weight of each of the 68 points, (68,)."""
    weights = np.ones(COUNT)
    weights[CONTOUR] = priors.contour_weight
    return weights


def huber_weights(residuals: npt.NDArray[np.float64], limit: float) -> npt.NDArray[np.float64]:
    """Return the weights of iteratively reweighted least squares for Huber's loss.

    Source: Huber, "Robust estimation of a location parameter", 1964.

    Args:
        residuals: (..., 2) in standard deviations.
        limit: Where the loss becomes linear.

    Returns:
        (...) in (0, 1].
    """
    length = np.linalg.norm(residuals, axis=-1)
    return np.asarray(np.minimum(1.0, limit / np.maximum(length, 1e-12)))
