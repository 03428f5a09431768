"""Times of frames of sound: stamps that err for a moment are no gaps and no overlaps."""

from collections import deque
from collections.abc import Iterable, Iterator

import av

# A stamp that lies further from the end of the frame before is a gap or an overlap; less is rounding of the container.
JUMP_SECONDS = 0.015
# Recorders that stamp sound when it arrives err by tens of milliseconds: one way, and the other way soon after. What is
# a gap or an overlap stays for longer.
COMES_BACK_SECONDS = 0.5

Stamped = tuple[av.AudioFrame, float | None]


def steady(frames: Iterable[Stamped]) -> Iterator[tuple[av.AudioFrame, float]]:
    """Give each frame its time.

    A stamp that jumps while one of the next stands again where sound without a gap would have it is an error of the
    clock: the frame follows the one before. So does a frame without a stamp.

    Args:
        frames: Decoded frames, and their stamps in seconds; None where there is none.

    Yields:
        The frames, each with its time in seconds.
    """
    waiting: deque[Stamped] = deque()
    seconds, expected = 0.0, None

    def settled() -> tuple[av.AudioFrame, float]:
        frame, stamp = waiting.popleft()
        if expected is None:
            return frame, stamp or 0.0
        if stamp is None or (jumps(stamp, expected) and _comes_back(expected + _seconds(frame), waiting)):
            return frame, expected
        return frame, stamp

    for frame, stamp in frames:
        waiting.append((frame, stamp))
        seconds += _seconds(frame)
        while seconds > COMES_BACK_SECONDS and len(waiting) > 1:
            first, time = settled()
            seconds, expected = seconds - _seconds(first), time + _seconds(first)
            yield first, time
    while waiting:
        first, time = settled()
        expected = time + _seconds(first)
        yield first, time


def jumps(time: float, expected: float) -> bool:
    """Say whether a time is too far from the end of the frame before."""
    return abs(time - expected) > JUMP_SECONDS


def _comes_back(expected: float, following: Iterable[Stamped]) -> bool:
    for frame, stamp in following:
        if stamp is not None and not jumps(stamp, expected):
            return True
        expected += _seconds(frame)
    return False


def _seconds(frame: av.AudioFrame) -> float:
    return float(frame.samples / frame.sample_rate)
