"""Slots, joining, cancelling and draining, without a server."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from services.executions import ExecutionPool
from talkmill.stages.errors import CancelledError, InvalidRequestError, ServiceFullError


class Job:
    """Work that goes on until it is told to end, or cancelled."""

    def __init__(self) -> None:
        self.runs = 0
        self.may_end = threading.Event()
        self.seen_cancelled = threading.Event()

    def __call__(self, report: Callable[[int, int, str], None], cancelled: Callable[[], bool]) -> Any:
        self.runs += 1
        report(1, 2, "frames")
        while not self.may_end.wait(0.005):
            if cancelled():
                self.seen_cancelled.set()
                raise CancelledError("cancelled")
        return "done"


def run(test: Callable[[], Any]) -> None:
    asyncio.run(test())


def test_a_second_call_of_one_name_joins() -> None:
    async def test() -> None:
        executions, job = ExecutionPool(1, 1), Job()
        first = executions.join_or_start("id", "request", job)
        second = executions.join_or_start("id", "request", job)
        assert first is second
        job.may_end.set()
        assert await first.result == "done"
        # A result is kept for a while for who lost the stream just then.
        assert await executions.join_or_start("id", "request", job).result == "done"
        assert job.runs == 1

    run(test)


def test_a_name_stands_for_one_request() -> None:
    async def test() -> None:
        executions, job = ExecutionPool(1, 1), Job()
        executions.join_or_start("id", "request", job)
        with pytest.raises(InvalidRequestError, match="request_id"):
            executions.join_or_start("id", "another request", job)
        job.may_end.set()

    run(test)


def test_more_than_the_slots_are_refused_at_once() -> None:
    async def test() -> None:
        executions, job = ExecutionPool(2, 1), Job()
        works = [executions.join_or_start(name, name, job) for name in "ab"]
        with pytest.raises(ServiceFullError):
            executions.join_or_start("c", "c", job)
        job.may_end.set()
        await asyncio.gather(*(work.result for work in works))
        assert await executions.join_or_start("c", "c", job).result == "done"

    run(test)


def test_what_nobody_waits_for_is_cancelled_after_the_linger() -> None:
    async def test() -> None:
        executions, job = ExecutionPool(1, 0.2), Job()
        work = executions.join_or_start("id", "request", job)
        executions.watch(work)
        left = time.monotonic()
        executions.leave(work)
        with pytest.raises(CancelledError):
            await asyncio.shield(work.result)
        # A loop's clock may call a little early.
        assert time.monotonic() - left > 0.19
        assert job.seen_cancelled.is_set()

    run(test)


def test_who_comes_back_within_the_linger_finds_the_work() -> None:
    async def test() -> None:
        executions, job = ExecutionPool(1, 0.2), Job()
        work = executions.join_or_start("id", "request", job)
        executions.watch(work)
        executions.leave(work)
        assert executions.join_or_start("id", "request", job) is work
        executions.watch(work)
        await asyncio.sleep(0.3)
        job.may_end.set()
        assert await work.result == "done"
        assert job.runs == 1

    run(test)


def test_cancelled_work_is_begun_anew_by_the_next_call() -> None:
    async def test() -> None:
        executions, job = ExecutionPool(1, 5), Job()
        work = executions.join_or_start("id", "request", job)
        work.cancelled.set()
        with pytest.raises(CancelledError):
            await asyncio.shield(work.result)
        job.may_end.set()
        assert await executions.join_or_start("id", "request", job).result == "done"
        assert job.runs == 2

    run(test)


def test_a_drain_lets_work_end() -> None:
    async def test() -> None:
        executions, job = ExecutionPool(1, 1), Job()
        work = executions.join_or_start("id", "request", job)
        draining = asyncio.create_task(executions.drain(5))
        await asyncio.sleep(0.05)
        with pytest.raises(ServiceFullError, match="draining"):
            executions.join_or_start("other", "other", job)
        # Who lost the stream may still join.
        assert executions.join_or_start("id", "request", job) is work
        job.may_end.set()
        await draining
        assert work.result.result() == "done"

    run(test)


def test_a_drain_cancels_what_outlasts_its_grace() -> None:
    async def test() -> None:
        executions, job = ExecutionPool(1, 0.1), Job()
        work = executions.join_or_start("id", "request", job)
        await executions.drain(0.1)
        assert job.seen_cancelled.is_set()
        assert isinstance(work.result.exception(), CancelledError)

    run(test)
