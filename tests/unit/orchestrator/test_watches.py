"""Many streams of a run cost one look at a time, and each of them sees every end."""

import asyncio
from typing import Any

import pytest

from orchestrator import watches
from orchestrator.watches import Look, Watches
from talkmill.api.pipeline.v1 import pipeline_pb2 as pb
from talkmill.stages.errors import QuotaExceededError, RunNotFoundError, ServiceFullError

STREAMS = 500


class Run:
    """A run that changes with every third look and ends after some changes."""

    def __init__(self, changes: int) -> None:
        self._changes, self.looks = changes, 0

    async def look(self, run_id: str, before: Any) -> Look:
        self.looks += 1
        version = min(1 + self.looks // 3, self._changes)
        if version == before:
            return Look(version)
        return Look(version, pb.Run(name=run_id, frame_count=version), version == self._changes)


async def counts(watched: Watches, run_id: str = "a", owner: str = "me") -> list[int]:
    return [run.frame_count async for run in watched.follow(run_id, owner)]


def test_many_streams_cost_one_look_at_a_time() -> None:
    run = Run(4)

    async def all_streams() -> list[list[int]]:
        watched = Watches(run.look, 0.02)
        return await asyncio.gather(*(counts(watched) for _ in range(STREAMS)))

    found = asyncio.run(all_streams())
    assert len(found) == STREAMS
    # A slow stream may miss a change, never the end.
    assert all(seen[-1] == 4 and seen == sorted(set(seen)) for seen in found)
    assert run.looks < 20


def test_who_comes_after_the_end_sees_the_end() -> None:
    async def twice() -> tuple[list[int], list[int]]:
        watched = Watches(Run(1).look, 0.01)
        return await counts(watched), await counts(watched)

    assert asyncio.run(twice()) == ([1], [1])


def test_a_stream_that_is_left_leaves_no_task() -> None:
    async def leave() -> int:
        watched = Watches(Run(1000).look, 0.01)
        stream = watched.follow("a", "me")
        await anext(stream)
        await stream.aclose()
        await asyncio.sleep(0.05)
        return len(asyncio.all_tasks())

    assert asyncio.run(leave()) == 1


def test_a_failure_reaches_every_stream_and_the_next_one_looks_anew() -> None:
    failing = True
    run = Run(1)

    async def look(run_id: str, before: Any) -> Look:
        if failing:
            raise RunNotFoundError("gone")
        return await run.look(run_id, before)

    async def follow() -> tuple[list[Any], list[int]]:
        nonlocal failing
        watched = Watches(look, 0.01)
        ended = await asyncio.gather(*(counts(watched) for _ in range(5)), return_exceptions=True)
        failing = False
        return ended, await counts(watched)

    ended, after = asyncio.run(follow())
    assert [type(one) for one in ended] == [RunNotFoundError] * 5
    assert after == [1]


def test_streams_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "MAX_STREAMS", 3)

    async def too_many() -> tuple[list[Any], list[int]]:
        watched = Watches(Run(3).look, 0.01)
        ended = await asyncio.gather(*(counts(watched) for _ in range(5)), return_exceptions=True)
        return ended, await counts(watched)

    ended, after = asyncio.run(too_many())
    assert sum(isinstance(one, ServiceFullError) for one in ended) == 2
    assert after[-1] == 3


def test_one_owner_cannot_take_the_streams_of_others() -> None:
    async def many() -> tuple[list[Any], list[Any], list[int]]:
        watched = Watches(Run(3).look, 0.01, streams_per_owner=3)
        # Of several runs: the bound is the owner's, not the run's.
        greedy = asyncio.gather(*(counts(watched, f"r{n}", "greedy") for n in range(5)), return_exceptions=True)
        others = asyncio.gather(*(counts(watched, "a", f"other-{number}") for number in range(5)))
        ended = await greedy, await others
        # Streams that have ended count no longer.
        return *ended, await counts(watched, "a", "greedy")

    greedy, others, after = asyncio.run(many())
    refused = [one for one in greedy if isinstance(one, QuotaExceededError)]
    assert len(refused) == 2
    assert refused[0].code == "RESOURCE_EXHAUSTED"
    assert "3 of yours are open" in str(refused[0]) and "close some" in str(refused[0])
    assert all(seen[-1] == 3 for seen in others)
    assert after[-1] == 3
