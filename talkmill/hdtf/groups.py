"""Items that belong together by pairs."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def group_numbers(count: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Return the group of each of `count` items: those that a chain of pairs joins share a number."""
    rows, columns = np.array(pairs, np.int64).reshape(-1, 2).T
    joined = coo_array((np.ones(len(pairs), np.int8), (rows, columns)), shape=(count, count))
    _, numbers = connected_components(joined, directed=False)
    return [int(number) for number in numbers]
