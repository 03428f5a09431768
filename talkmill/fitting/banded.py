"""Cholesky's factor of a banded matrix, for many right sides at once.

LAPACK's own solver reads the whole factor again for each right side, and a clip has forty.
"""

import numpy as np
from scipy.linalg import cholesky_banded, lapack, solve_triangular

from talkmill.arrays import Float64Array

# Columns of the factor that are solved together; from 100 to 300 cost the same.
COLUMNS = 192


class BandedFactor:
    """The lower triangle L of a symmetric positive definite matrix L L'."""

    def __init__(self, banded: Float64Array) -> None:
        """Factor a matrix.

        Args:
            banded: Its lower triangle in LAPACK's form, (k + 1, N): row d, column j is what lies d below the diagonal.
                It is overwritten.

        Raises:
            LinAlgError: The matrix is not positive definite.
        """
        self._band = np.asfortranarray(cholesky_banded(banded, overwrite_ab=True, lower=True, check_finite=False))

    def forward(self, right: Float64Array) -> Float64Array:
        """Return Y of L Y = right, (N, R)."""
        solved, (reach, count) = right.copy(), self._band.shape
        for first in range(0, count, COLUMNS):
            width = min(COLUMNS, count - first)
            end = min(first + width + reach - 1, count)
            own, below = np.split(self._columns(first, width), [width])
            part = solve_triangular(own, solved[first : first + width], lower=True, check_finite=False)
            solved[first : first + width] = part
            solved[first + width : end] -= below[: end - first - width] @ part
        return solved

    def back(self, right: Float64Array) -> Float64Array:
        """Return x of L' x = right, (N,)."""
        solved, _ = lapack.dtbtrs(self._band, right[:, None], uplo="L", trans="T")
        return np.asarray(solved[:, 0], np.float64)

    def _columns(self, first: int, width: int) -> Float64Array:
        """Return some columns of L from their first diagonal element down, (width + k, width)."""
        reach = len(self._band)
        dense = np.zeros((width + reach - 1, width), order="F")
        down, across = dense.strides
        diagonals = np.lib.stride_tricks.as_strided(dense, (reach, width), (down, down + across))
        diagonals[...] = self._band[:, first : first + width]
        return dense
