"""Prefetching: decoding, inference and encoding run beside each other."""

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

ItemT = TypeVar("ItemT")

# Frames that wait between two steps: enough to even out their times, few enough not to matter in memory.
DEPTH = 3


def prefetched(items: Iterable[ItemT], depth: int = DEPTH) -> Iterator[ItemT]:
    """Yield what an iterable yields, made by a thread of its own while the reader is busy.

    Args:
        items: Native code in it must let go of the GIL for this to help: decoders, networks and OpenCV do.
        depth: Items that may wait; the thread pauses when so many do.

    Yields:
        The items in order. An exception of the iterable is raised where its item would have come. Closing the iterator
        stops the thread before its next item.
    """
    waiting: queue.Queue[tuple[ItemT] | BaseException | None] = queue.Queue(depth)
    stopped = threading.Event()

    def put(entry: tuple[ItemT] | BaseException | None) -> None:
        while not stopped.is_set():
            try:
                return waiting.put(entry, timeout=0.1)
            except queue.Full:
                continue

    def work() -> None:
        iterator = iter(items)
        try:
            for item in iterator:
                put((item,))
                if stopped.is_set():
                    return
            put(None)
        except BaseException as error:  # it belongs to the reader, whatever it is
            put(error)
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()

    thread = threading.Thread(target=work, name="prefetch", daemon=True)
    thread.start()
    try:
        while (entry := waiting.get()) is not None:
            if isinstance(entry, BaseException):
                raise entry
            yield entry[0]
    finally:
        stopped.set()
        thread.join()
