"""The factor of a banded matrix solves what the dense matrix solves."""

import numpy as np
import pytest

from talkmill.fitting.banded import COLUMNS, BandedFactor


@pytest.mark.parametrize("count", [3, COLUMNS - 1, 2 * COLUMNS, 2 * COLUMNS + 5])
def test_both_triangles_are_solved(count: int) -> None:
    """For sizes beside and between the columns that are solved together; the band is wider than the smallest."""
    rng = np.random.default_rng(count)
    reach = 7
    banded = rng.normal(size=(reach + 1, count))
    banded[0] += 4 * reach
    dense = np.zeros((count, count))
    for down in range(min(reach + 1, count)):
        dense += np.diag(banded[down, : count - down], -down)
    dense += np.tril(dense, -1).T
    right = rng.normal(size=(count, 3))
    factor = BandedFactor(banded.copy())
    forward = factor.forward(right)
    solved = np.stack([factor.back(column) for column in forward.T], axis=1)
    np.testing.assert_allclose(dense @ solved, right, atol=1e-10)
    np.testing.assert_allclose(forward.T @ forward, right.T @ np.linalg.solve(dense, right), atol=1e-10)


def test_a_matrix_that_is_not_positive_definite_is_refused() -> None:
    """The fit tells of it."""
    with pytest.raises(np.linalg.LinAlgError):
        BandedFactor(np.array([[1.0, 1.0], [2.0, 0.0]]))
