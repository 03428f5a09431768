"""Work ahead of its reader: the same items, errors in their place, and no thread left behind."""

import threading
import time
from collections.abc import Iterator

import pytest

from talkmill.video.prefetch import prefetched


def left_behind() -> bool:
    return any(thread.name == "ahead" for thread in threading.enumerate())


def test_items_come_in_order() -> None:
    assert list(prefetched(range(50), depth=2)) == list(range(50))
    assert not left_behind()


def test_an_error_comes_where_its_item_would() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("frame 1")

    found = []
    with pytest.raises(ValueError, match="frame 1"):
        for item in prefetched(broken()):
            found.append(item)
    assert found == [1]
    assert not left_behind()


def test_closing_stops_the_thread_and_closes_the_source() -> None:
    made, closed = [], []

    def endless() -> Iterator[int]:
        try:
            while True:
                made.append(1)
                yield len(made)
        finally:
            closed.append(True)

    items = prefetched(endless(), depth=3)
    assert next(items) == 1
    items.close()
    assert closed == [True]
    assert len(made) <= 6
    assert not left_behind()


def test_a_reader_and_its_source_work_at_once() -> None:
    inside, together = threading.Event(), []

    def source() -> Iterator[int]:
        for item in range(4):
            together.append(inside.is_set())
            time.sleep(0.02)
            yield item

    for _ in prefetched(source(), depth=1):
        inside.set()
        time.sleep(0.03)
        inside.clear()
    assert any(together)
