"""Turns Ctrl-C and SIGTERM into an event that the work checks."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def cancellation() -> Iterator[threading.Event]:
    """Set an event on Ctrl-C or SIGTERM; a second Ctrl-C stops at once."""
    cancelled = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        if cancelled.is_set():
            raise KeyboardInterrupt
        cancelled.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield cancelled
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
