"""Runs of sources and clips again, under the same run."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from orchestrator.engine import FINISH, INTAKE, Engine, Task
from orchestrator.ledger.forecast import STAGE_ORDER
from orchestrator.ledger.queueing import add_executions, feed_sources, lock_run
from orchestrator.ledger.quotas import check_running, lock_owner
from orchestrator.ledger.tables import (
    CANCELLED,
    ENDED,
    FAILED,
    PENDING,
    RUNNING,
    SUCCEEDED,
    clip,
    run,
    source,
    stage_run,
)
from orchestrator.ledger.values import ERASED, PARAMETERS, SOURCE
from talkmill.pipeline.graph import FIRST, PACK, names_of
from talkmill.stages.errors import (
    AddressErasedError,
    ClipNotFoundError,
    InvalidRequestError,
    RunNotEndedError,
    RunNotFoundError,
)

SOURCE_STAGES, CLIP_STAGES = names_of("source"), names_of("clip")
# Names in one statement.
BATCH = 500


def retry(
    connection: sa.Connection,
    engine: Engine,
    now: sa.ColumnElement[float],
    run_id: str,
    names: Sequence[str],
    from_stage: str,
    limit: int | None = None,
) -> int:
    """Run sources and clips of an ended run again, past what is kept of the first stage.

    Args:
        connection: In a transaction.
        engine: Takes what is run again.
        now: The database's clock.
        run_id: The run.
        names: Clips or sources; every one that has not succeeded when empty.
        from_stage: Where to begin; the stage that each ended in when empty.
        limit: Sources and clips of the run's owner that may be open; None for any number.

    Returns:
        How many run again.

    Raises:
        RunNotFoundError: There is no such run.
        RunNotEndedError: It has not ended.
        ClipNotFoundError: It has no such clip or source.
        AddressErasedError: A source that is named would be downloaded again, and its address is erased.
        QuotaExceededError: More would be open.
        InvalidRequestError: A stage that the run has not.
    """
    check_stage(from_stage)
    lock_run(connection, run_id)
    locked = sa.select(run).where(run.c.id == run_id).with_for_update()
    row = connection.execute(locked).mappings().first()
    if row is None:
        raise RunNotFoundError(f"there is no run {run_id}")
    stages = names_of("source", "clip", kinds=PARAMETERS.validate_json(row["parameters"]).kinds)
    if from_stage and from_stage not in stages:
        raise InvalidRequestError(
            f"from_stage: the run has {', '.join(stages)}, and no {from_stage}", field="from_stage"
        )
    if row["state"] not in ENDED:
        raise RunNotEndedError(f"run {run_id} is {row['state']}")
    chosen = _chosen(connection, run_id, names, from_stage)
    generation = row["generation"] + 1
    connection.execute(stage_run.delete().where(stage_run.c.run_id == run_id, stage_run.c.stage.in_((PACK, FINISH))))
    intake = not row["sources_complete"]
    if not chosen and not intake and row["state"] == SUCCEEDED:
        raise ClipNotFoundError(f"run {run_id} has nothing to run again: every clip succeeded")
    connection.execute(
        run.update().where(run.c.id == run_id).values(
            state=RUNNING, ended_at=None, reason=None, message=None, generation=generation,
            open_count=len(chosen),
        )
    )  # fmt: skip
    if limit is not None:
        lock_owner(connection, row["owner"])
        check_running(connection, run_id, row["owner"], limit)
    if intake:
        add_executions(connection, engine, now, [Task(run_id, INTAKE, "", generation, 0)], row["priority"])
    for begin_stage, skip_cache in sorted(set(chosen.values())):
        subjects = [name for name, begin in chosen.items() if begin == (begin_stage, skip_cache)]
        for begin in range(0, len(subjects), BATCH):
            part = subjects[begin : begin + BATCH]
            _reset(connection, run_id, begin_stage, part, skip_cache)
            if begin_stage != FIRST:
                tasks = [Task(run_id, begin_stage, name, generation, 0) for name in part]
                add_executions(connection, engine, now, tasks, row["priority"], skip_cache)
    fed = sa.select(sa.func.count()).where(source.c.run_id == run_id, source.c.queued == sa.true())
    connection.execute(run.update().where(run.c.id == run_id).values(fed_count=fed.scalar_subquery()))
    feed_sources(connection, engine, now, run_id)
    if not chosen and not intake:
        add_executions(connection, engine, now, [Task(run_id, PACK, "", generation, 0)], row["priority"])
    return len(chosen)


def check_stage(name: str) -> None:
    """Refuse what is no stage to begin from; raises InvalidRequestError. Empty is none in particular."""
    if name and name not in STAGE_ORDER:
        raise InvalidRequestError(f"from_stage: one of {', '.join(STAGE_ORDER)} is wanted", field="from_stage")


def _chosen(
    connection: sa.Connection, run_id: str, names: Sequence[str], from_stage: str
) -> dict[str, tuple[str, bool]]:
    """Return names with the stage that each begins from, and whether what is kept of it is not wanted."""
    found: dict[str, tuple[str, bool]] = {}
    asked = set(names)
    for table in (clip, source):
        wanted = sa.select(table).where(table.c.run_id == run_id)
        wanted = wanted.where(table.c.name.in_(names)) if names else wanted.where(
            table.c.state.in_((FAILED, CANCELLED))
        )  # fmt: skip
        for row in connection.execute(wanted).mappings():
            stage = from_stage or row["stage"]
            # What was only cancelled may find what others have done.
            skip = bool(from_stage) or row["state"] != CANCELLED
            asked.discard(row["name"])
            if table is clip and stage in SOURCE_STAGES:
                found[row["source_name"]] = (stage, skip)
            elif table is source and stage in CLIP_STAGES:
                if row["state"] == SUCCEEDED:
                    of_source = sa.select(clip.c.name).where(clip.c.run_id == run_id, clip.c.source_name == row["name"])
                    found.update({name: (stage, skip) for (name,) in connection.execute(of_source)})
                else:
                    found[row["name"]] = (row["stage"], skip)
            else:
                found[row["name"]] = (stage, skip)
    if asked:
        raise ClipNotFoundError(f"run {run_id} has no clip or source {sorted(asked)[0]!r}")
    erased = _erased(connection, run_id, [name for name, (stage, _) in found.items() if stage == FIRST])
    if erased and (names or len(erased) == len(found)):
        raise AddressErasedError.of(next(iter(erased.values())))
    # They stay as they are, with the clips that they have.
    return {name: begin for name, begin in found.items() if name not in erased}


def _erased(connection: sa.Connection, run_id: str, names: Sequence[str]) -> dict[str, str]:
    """Return those of some sources that cannot be downloaded again, with their addresses as they are shown."""
    found: dict[str, str] = {}
    for begin in range(0, len(names), BATCH):
        of_part = source.c.name.in_(names[begin : begin + BATCH])
        wanted = sa.select(source.c.name, source.c.given).where(
            source.c.run_id == run_id, source.c.address == ERASED, of_part
        )
        rows = connection.execute(wanted)
        found.update({name: SOURCE.validate_json(given).original_name for name, given in rows})
    return found


def _reset(connection: sa.Connection, run_id: str, stage: str, names: Sequence[str], skip_cache: bool) -> None:
    """Forget what sources or clips did from a stage on."""
    later = STAGE_ORDER[STAGE_ORDER.index(stage) :]
    empty: dict[str, Any] = {
        "state": PENDING,
        "stage": stage,
        "reason": None,
        "message": None,
        "measure": None,
        "threshold": None,
    }
    table = source if stage in SOURCE_STAGES else clip
    if table is source:
        empty |= {"queued": stage != FIRST, "skip_cache": skip_cache}
        of_sources = [clip.c.run_id == run_id, clip.c.source_name.in_(names)]
        clips = [row[0] for row in connection.execute(sa.select(clip.c.name).where(*of_sources))]
        connection.execute(
            stage_run.delete().where(
                stage_run.c.run_id == run_id, stage_run.c.subject.in_(clips), stage_run.c.stage.in_(CLIP_STAGES)
            )
        )
        connection.execute(clip.delete().where(*of_sources))
    connection.execute(
        stage_run.delete().where(
            stage_run.c.run_id == run_id, stage_run.c.subject.in_(names), stage_run.c.stage.in_(later)
        )
    )
    connection.execute(table.update().where(table.c.run_id == run_id, table.c.name.in_(names)).values(**empty))
