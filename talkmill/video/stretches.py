"""Stretches of frames or packets: first, and the one after the last."""

from collections.abc import Iterable

import numpy as np

from talkmill.arrays import BoolArray


def joined(stretches: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join stretches that meet or overlap, and bring them into order."""
    apart: list[tuple[int, int]] = []
    for first, end in sorted(stretches):
        if apart and first <= apart[-1][1]:
            apart[-1] = (apart[-1][0], max(end, apart[-1][1]))
        else:
            apart.append((first, end))
    return apart


def stretches_of(holds: BoolArray) -> list[tuple[int, int]]:
    """Return every stretch in which something holds, in order, for (N,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], holds, [False]])))
    return [(first, end) for first, end in edges.reshape(-1, 2).tolist()]
