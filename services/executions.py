"""The executions of one process: slots, joining work in flight, cancelling what nobody waits for.

Lives on one event loop; stages run on threads. Knows no gRPC.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from talkmill.stages.errors import InvalidRequestError, ServiceFullError
from talkmill.stages.execution import Execution

Report = Callable[[int, int, str], None]
Run = Callable[[Report, Callable[[], bool]], Execution[Any]]


@dataclass(slots=True, eq=False)
class Work:
    """One execution that goes on, or has just ended.

    Attributes:
        request: What was asked; a call that joins must ask the same.
        result: Ends with the execution, or with its error.
        progress: Latest done, total and unit; None before the first report.
        watchers: Calls that wait for it.
        cancelled: Set to stop it.
    """

    request: object
    result: "asyncio.Future[Execution[Any]]"
    progress: tuple[int, int, str] | None = None
    watchers: int = 0
    cancelled: threading.Event = field(default_factory=threading.Event)


class ExecutionPool:
    """Runs at most so many executions at a time, and refuses at once what would have to wait."""

    def __init__(self, slots: int, linger_seconds: float) -> None:
        """Create the pool of a process.

        Args:
            slots: Executions at a time.
            linger_seconds: How long work goes on that nobody waits for, and how long a result is kept for a caller
                that lost its stream.
        """
        self._slots = slots
        self._linger_seconds = linger_seconds
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="stage")
        self._works: dict[str, Work] = {}
        self.draining = False

    @property
    def running_count(self) -> int:
        """How many executions go on."""
        return sum(not work.result.done() for work in self._works.values())

    def join_or_start(self, request_id: str, request: object, run: Run) -> Work:
        """Return the work of a request: the one in flight, or a new one.

        Args:
            request_id: Names the work.
            request: What is asked.
            run: Does the work on a thread; called with a report function and a question whether to stop.

        Raises:
            ServiceFullError: Every slot is taken, or the process drains; nothing was begun.
            InvalidRequestError: The request_id is that of other work.
        """
        work = self._works.get(request_id)
        if work is not None and not (work.result.done() and _was_cancelled(work)):
            if work.request != request:
                raise InvalidRequestError(
                    "context.request_id: names other work that is in flight", field="context.request_id"
                )
            return work
        if self.draining:
            raise ServiceFullError("the server is draining")
        if self.running_count >= self._slots:
            raise ServiceFullError(f"all {self._slots} slots are taken")
        loop = asyncio.get_running_loop()
        work = Work(request, loop.create_future())
        self._works[request_id] = work
        started = work

        def report(done: int, total: int, unit: str) -> None:
            started.progress = (done, total, unit)

        def finish(future: "asyncio.Future[Execution[Any]]") -> None:
            if started.result.done():
                return
            error = future.exception()
            if error is None:
                started.result.set_result(future.result())
            else:
                started.result.set_exception(error)
                # Somebody may have closed the stream before: the error is told to whoever still listens.
                started.result.exception()
            loop.call_later(self._linger_seconds, self._forget, request_id, started)

        loop.run_in_executor(self._pool, run, report, work.cancelled.is_set).add_done_callback(finish)
        return work

    def watch(self, work: Work) -> None:
        """Count a call that waits for the work."""
        work.watchers += 1

    def leave(self, work: Work) -> None:
        """Count a call off; work that nobody waits for is cancelled after the linger."""
        work.watchers -= 1
        if not work.result.done():
            asyncio.get_running_loop().call_later(self._linger_seconds, self._cancel_if_alone, work)

    async def drain(self, grace_seconds: float) -> None:
        """Refuse new work, wait for what goes on, cancel what is left, and wait until it has stopped."""
        self.draining = True
        deadline = time.monotonic() + grace_seconds
        while self.running_count and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        for work in self._works.values():
            work.cancelled.set()
        while self.running_count or any(work.watchers for work in self._works.values()):
            await asyncio.sleep(0.05)
            if time.monotonic() > deadline + self._linger_seconds + 20:
                return

    def _cancel_if_alone(self, work: Work) -> None:
        if work.watchers == 0:
            work.cancelled.set()

    def _forget(self, request_id: str, work: Work) -> None:
        if self._works.get(request_id) is work:
            del self._works[request_id]


def _was_cancelled(work: Work) -> bool:
    return work.cancelled.is_set()
