"""Runs that are watched: one look at a time at each, however many streams watch it."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from talkmill.api.pipeline.v1 import pipeline_pb2 as pb
from talkmill.stages.errors import QuotaExceededError, ServiceFullError, StageError

# Of one replica; each costs some kilobytes and no thread.
MAX_STREAMS = 4000
# Of them, where nothing else is said: nobody takes them all.
STREAMS_PER_OWNER = 2000


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a run saw.

    Attributes:
        version: Changes whenever the run does.
        run: The run; None where nothing changed.
        ended: Whether it has ended.
    """

    version: Any
    run: pb.Run | None = None
    ended: bool = False


class Watches:
    """Follows runs for the streams of one replica."""

    def __init__(
        self, look: Callable[[str, Any], Awaitable[Look]], seconds: float, streams_per_owner: int = STREAMS_PER_OWNER
    ) -> None:
        """Create it.

        Args:
            look: Looks at a run: its id, and the version that is known; raises StageError.
            seconds: Between two looks.
            streams_per_owner: Streams that one owner may have open at a time.
        """
        self._look, self._seconds, self._streams_per_owner = look, seconds, streams_per_owner
        self._watched: dict[str, _Watched] = {}
        self._owners: Counter[str] = Counter()

    async def follow(self, run_id: str, owner: str) -> AsyncGenerator[pb.Run]:
        """Yield a run as it is, and again at every change until it has ended.

        Args:
            run_id: The run.
            owner: Whose stream it is: the name of the token that asks.

        Raises:
            QuotaExceededError: The owner has too many streams open.
            ServiceFullError: All owners together have.
            StageError: The run cannot be looked at.
        """
        if self._owners[owner] >= self._streams_per_owner:
            raise QuotaExceededError(
                f"streams: {self._streams_per_owner} of yours are open on this replica, and no more are allowed to one "
                "owner; close some, watch each run by one stream, or ask with GetRun"
            )
        if self._owners.total() >= MAX_STREAMS:
            raise ServiceFullError(f"{MAX_STREAMS} streams are open on this replica")
        watched = self._watched.get(run_id)
        if watched is None:
            watched = self._watched[run_id] = _Watched()
            watched.task = asyncio.create_task(self._poll(run_id, watched))
        watched.streams += 1
        self._owners[owner] += 1
        seen = 0
        try:
            while True:
                async with watched.changed:
                    await watched.changed.wait_for(lambda: watched.number != seen)  # noqa: B023 - awaited at once
                seen = watched.number
                if watched.failure is not None:
                    raise watched.failure
                assert watched.run is not None  # noqa: S101 - the first look gives it
                yield watched.run
                if watched.ended:
                    return
        finally:
            self._owners[owner] -= 1
            if not self._owners[owner]:
                del self._owners[owner]
            watched.streams -= 1
            if not watched.streams:
                self._forget(run_id, watched)

    async def _poll(self, run_id: str, watched: "_Watched") -> None:
        """Look until the run has ended or cannot be looked at."""
        version: Any = None
        while not watched.done:
            try:
                look = await self._look(run_id, version)
            except StageError as error:
                watched.failure = error
            else:
                version, watched.ended = look.version, look.ended
                watched.run = look.run or watched.run
                if look.run is None:
                    await asyncio.sleep(self._seconds)
                    continue
            watched.number += 1
            if watched.done:
                # Who comes later looks anew.
                self._watched.pop(run_id, None)
            async with watched.changed:
                watched.changed.notify_all()
            if not watched.done:
                await asyncio.sleep(self._seconds)

    def _forget(self, run_id: str, watched: "_Watched") -> None:
        if self._watched.get(run_id) is watched:
            del self._watched[run_id]
        if watched.task is not None:
            with suppress(RuntimeError):
                # The loop may be closing.
                watched.task.cancel()


class _Watched:
    """A run that streams watch."""

    def __init__(self) -> None:
        self.streams = 0
        self.number = 0
        self.run: pb.Run | None = None
        self.ended = False
        self.failure: StageError | None = None
        self.changed = asyncio.Condition()
        self.task: asyncio.Task[None] | None = None

    @property
    def done(self) -> bool:
        """Whether nothing more will be seen."""
        return self.ended or self.failure is not None
