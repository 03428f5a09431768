"""The remaining time of a run, from the pace of its stages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from orchestrator.ledger.queueing import kinds_of
from orchestrator.ledger.tables import OPEN, SUCCEEDED, clip, source, stage_run
from talkmill.pipeline.graph import names_of

# Up to the last stage of a clip, of runs for everything.
STAGE_ORDER = names_of("source", "clip")
# Replicas come and go: how fast a stage went before is not asked.
WINDOW_SECONDS = 1800.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a stage goes.

    Attributes:
        ended: Executions that ended within the window.
        span_seconds: From the first start within the window until now.
        seconds: Mean time of one execution.
    """

    ended: int
    span_seconds: float
    seconds: float


def seconds_left(waiting: Mapping[str, float], paces: Mapping[str, Pace]) -> float | None:
    """Return the seconds until the last clip has been through its last stage; pack is not in it.

    Stages work side by side, so that the slowest one decides: what waits for it at the pace at which it goes, and the
    time that the last clip then needs in the stages after it.

    Args:
        waiting: Stage to executions that it has yet to end, those that are not enqueued yet among them.
        paces: Stage to its pace.

    Returns:
        None where a stage has work to do and has not shown its pace.
    """
    longest, tail = 0.0, 0.0
    for stage in reversed(STAGE_ORDER):
        count = waiting.get(stage, 0.0)
        if not count:
            continue
        pace = paces.get(stage)
        if pace is None or not pace.ended:
            return None
        longest = max(longest, count * pace.span_seconds / pace.ended + tail)
        tail += pace.seconds
    return longest


def read_seconds_left(connection: sa.Connection, run_id: str, now: float) -> float | None:
    """Return `seconds_left` of a run that goes on."""
    return seconds_left(_waiting(connection, run_id), _paces(connection, run_id, now))


def _waiting(connection: sa.Connection, run_id: str) -> dict[str, float]:
    sources = _open_by_stage(connection, source, run_id)
    clips = _open_by_stage(connection, clip, run_id)
    cut = connection.execute(
        sa.select(sa.func.count()).select_from(source).where(source.c.run_id == run_id, source.c.state == SUCCEEDED)
    ).scalar_one()
    made = connection.execute(sa.select(sa.func.count()).select_from(clip).where(clip.c.run_id == run_id)).scalar_one()
    to_come = sum(sources.values()) * (made / cut if cut else 1.0)
    stages = names_of("clip", kinds=kinds_of(connection, run_id))
    waiting = _reaching(sources, names_of("source"), 0.0) | _reaching(clips, stages, to_come)
    return {stage: count for stage, count in waiting.items() if count}


def _open_by_stage(connection: sa.Connection, table: sa.Table, run_id: str) -> dict[str, int]:
    found = connection.execute(
        sa.select(table.c.stage, sa.func.count())
        .where(table.c.run_id == run_id, table.c.state.in_(OPEN))
        .group_by(table.c.stage)
    )
    return {row[0]: row[1] for row in found}


def _reaching(at: Mapping[str, int], order: Sequence[str], to_come: float) -> dict[str, float]:
    """Return how many have a stage before them, from how many are at each: all that are at it or before it."""
    waiting, count = {}, to_come
    for stage in order:
        count += at.get(stage, 0)
        waiting[stage] = count
    return waiting


def _paces(connection: sa.Connection, run_id: str, now: float) -> dict[str, Pace]:
    found = connection.execute(
        sa.select(
            stage_run.c.stage,
            sa.func.count(),
            sa.func.min(stage_run.c.started_at),
            sa.func.avg(stage_run.c.ended_at - stage_run.c.started_at),
        )
        .where(
            stage_run.c.run_id == run_id,
            stage_run.c.state == SUCCEEDED,
            stage_run.c.stage.in_(STAGE_ORDER),
            stage_run.c.ended_at > now - WINDOW_SECONDS,
        )
        .group_by(stage_run.c.stage)
    )
    return {
        stage: Pace(count, min(WINDOW_SECONDS, now - first), float(mean))
        for stage, count, first, mean in found
        if first is not None
    }
