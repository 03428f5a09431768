"""New executions: their rows and their queue entries in one transaction, and the window of a run's sources."""

from collections.abc import Sequence

import sqlalchemy as sa

from orchestrator.engine import Engine, Task
from orchestrator.ledger.tables import CANCELLED, OPEN, PENDING, clip, run, source, stage_run
from orchestrator.ledger.values import PARAMETERS
from talkmill.pipeline.graph import FIRST
from talkmill.pipeline.kinds import Kind

# Sources of a run that the engine has at a time: enough for every queue, few enough for quick ones.
SOURCE_WINDOW = 500


def add_executions(
    connection: sa.Connection,
    engine: Engine,
    now: sa.ColumnElement[float],
    tasks: Sequence[Task],
    priority: int,
    skip_cache: bool = False,
) -> None:
    """Write the rows of new executions, in place of earlier generations', and enqueue them."""
    if not tasks:
        return
    clock = connection.execute(sa.select(now)).scalar_one()
    rows = [
        {
            "run_id": task.run_id,
            "subject": task.subject,
            "stage": task.stage,
            "generation": task.generation,
            "attempt": task.attempt,
            "losses": 0,
            "retries": 0,
            "skip_cache": skip_cache,
            "state": PENDING,
            "enqueued_at": clock,
        }
        for task in tasks
    ]
    if tasks[0].generation:
        for task in tasks:
            connection.execute(stage_run.delete().where(row_of(task)))
    connection.execute(stage_run.insert(), rows)
    engine.enqueue(connection, tasks, priority)


def feed_sources(
    connection: sa.Connection, engine: Engine, now: sa.ColumnElement[float], run_id: str, count: int | None = None
) -> None:
    """Enqueue the download of sources that wait, in their order.

    Args:
        connection: In a transaction.
        engine: Takes the downloads.
        now: The database's clock.
        run_id: The run.
        count: How many; None fills the run's window.
    """
    if count is None:
        busy = sa.select(sa.func.count()).where(
            source.c.run_id == run_id, source.c.state.in_(OPEN), source.c.queued == sa.true()
        )
        count = SOURCE_WINDOW - connection.execute(busy).scalar_one()
    if count <= 0:
        return
    chosen = (
        sa.select(source.c.name, source.c.skip_cache)
        .where(source.c.run_id == run_id, source.c.queued == sa.false(), source.c.state == PENDING)
        .order_by(source.c.position)
        .limit(count)
        .with_for_update(skip_locked=True)
    )
    rows = connection.execute(chosen).all()
    if not rows:
        return
    names = [row.name for row in rows]
    connection.execute(source.update().where(source.c.run_id == run_id, source.c.name.in_(names)).values(queued=True))
    of_run = connection.execute(
        run.update()
        .where(run.c.id == run_id)
        .values(fed_count=run.c.fed_count + len(names))
        .returning(run.c.priority, run.c.generation)
    ).one()
    for skip_cache in (False, True):
        tasks = [Task(run_id, FIRST, row.name, of_run.generation, 0) for row in rows if row.skip_cache == skip_cache]
        add_executions(connection, engine, now, tasks, of_run.priority, skip_cache)


def hold_open(connection: sa.Connection, run_id: str) -> sa.RowMapping | None:
    """Return the row of a run that goes on, and let it go on until the transaction ends; None where it has ended.

    Transactions that hold a run do not wait for each other: only what ends the run for its user waits for them, and
    then those that come later wait for it.
    """
    lock_run(connection, run_id, shared=True)
    wanted = sa.select(run).where(run.c.id == run_id, run.c.state.in_(OPEN))
    return connection.execute(wanted).mappings().first()


def lock_run(connection: sa.Connection, run_id: str, shared: bool = False) -> None:
    """Lock a run until the transaction ends, before anything of the run. SQLite has one writer.

    A lock of the row would not do: many that share it make a new set of holders with each, and let nobody else in.
    """
    if connection.dialect.name == "postgresql":
        lock = sa.func.pg_advisory_xact_lock_shared if shared else sa.func.pg_advisory_xact_lock
        connection.execute(sa.select(lock(sa.func.hashtextextended(run_id, 1))))


def cancel_open(connection: sa.Connection, run_id: str) -> None:
    """Mark as cancelled what of a run has not ended."""
    for table in (stage_run, source, clip):
        connection.execute(
            table.update().where(table.c.run_id == run_id, table.c.state.in_(OPEN)).values(state=CANCELLED)
        )


def kinds_of(connection: sa.Connection, run_id: str) -> tuple[Kind, ...]:
    """Return the kinds of files that a run is for; none for all."""
    text = connection.execute(sa.select(run.c.parameters).where(run.c.id == run_id)).scalar_one()
    return PARAMETERS.validate_json(text).kinds


def row_of(task: Task) -> sa.ColumnElement[bool]:
    """Return what chooses the row of an execution."""
    return sa.and_(
        stage_run.c.run_id == task.run_id, stage_run.c.subject == task.subject, stage_run.c.stage == task.stage
    )
