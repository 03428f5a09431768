"""Frames taken a chunk at a time, on some threads: bounds memory, and no number of threads changes a sum's order."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

# Frames whose Jacobians are held at once by each thread.
CHUNK = 4


def by_chunks(work: Callable[[slice], T], count: int, threads: int) -> list[T]:
    """Do the work of a number of frames, chunk after chunk.

    Args:
        work: Takes the frames of a chunk; numpy and OpenCV let other threads run meanwhile.
        count: Frames in all.
        threads: Chunks at a time.

    Returns:
        The result of each chunk, in order.
    """
    chunks = [slice(begin, min(count, begin + CHUNK)) for begin in range(0, count, CHUNK)]
    if threads == 1:
        return [work(chunk) for chunk in chunks]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, chunks))
