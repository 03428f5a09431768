"""The two transactions around every execution: what it begins with, and what its end brings about.

Both are safe to repeat: an execution that is not the current one of its row changes nothing. Both hold their run open
before they lock anything else, so that a cancel comes before all of one or after all of it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from orchestrator.engine import FINISH, Engine, Task
from orchestrator.ledger.database import now_of
from orchestrator.ledger.queueing import add_executions, cancel_open, feed_sources, hold_open, kinds_of, row_of
from orchestrator.ledger.quotas import forget_uploads
from orchestrator.ledger.tables import (
    CANCELLED,
    FAILED,
    OPEN,
    PENDING,
    RUNNING,
    SUCCEEDED,
    clip,
    run,
    source,
    stage_run,
)
from orchestrator.ledger.values import ARTIFACT, CLIP, ERASED, PARAMETERS, RECORD, SOURCE, source_columns, source_of
from talkmill.artifacts.manifest import Rejection, StageRecord
from talkmill.dataset.names import clip_name
from talkmill.pipeline.graph import FIRST, PACK, RunParameters, after, names_of, node_of
from talkmill.pipeline.naming import NamedSource
from talkmill.stages.split.messages import CutClip, SplitOutputs

# Of runs for everything; a run for some kinds of files has some of them.
STAGES, SOURCE_STAGES, CLIP_STAGES = names_of(), names_of("source"), names_of("clip")


@dataclass(frozen=True, slots=True)
class Opening:
    """What an execution begins with.

    Attributes:
        parameters: Of the run.
        priority: Of the run.
        source: For `download` and `split`.
        clip: For the stages of a clip.
        outputs: Stage to the outputs, as JSON, of what was done for this source or clip before.
        skip_cache: Whether what is kept of this stage is not wanted.
        losses: How often a worker was lost with it.
        retries: How often it failed with an error that may pass.
        trace_context: Headers of the call that made the run, as `talkmill.telemetry.traces` reads them; may be empty.
    """

    parameters: RunParameters
    priority: int
    source: NamedSource | None
    clip: CutClip | None
    outputs: dict[str, str]
    skip_cache: bool
    losses: int
    retries: int
    trace_context: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ending:
    """What an end brought about, for the metrics.

    Attributes:
        clips: Clips that ended, by state.
        dead_letter: Stage and reason of what ended without outputs, or None.
    """

    clips: tuple[str, ...] = ()
    dead_letter: tuple[str, str] | None = None


class Executions:
    """The transactions of executions."""

    def __init__(self, database: sa.Engine, engine: Engine, fence: Callable[[sa.Connection], None]) -> None:
        """Create the transactions.

        Args:
            database: The ledger's.
            engine: Takes what comes next.
            fence: Raises where this replica may not write any more.
        """
        self._database, self._engine, self._fence = database, engine, fence

    def begin(self, task: Task) -> Opening | None:
        """Mark an execution as running and return what it needs; None where it is not wanted any more."""
        with self._database.begin() as connection:
            self._fence(connection)
            of_run = hold_open(connection, task.run_id)
            if of_run is None:
                self._give_up(connection, task)
                return None
            # What no stage does is done here: where it was begun before, the replica that did it was lost.
            lost_here = 0 if task.stage in STAGES else sa.case((stage_run.c.state == RUNNING, 1), else_=0)
            row = connection.execute(
                stage_run.update()
                .where(row_of(task), *_is_current(task))
                .values(state=RUNNING, started_at=now_of(self._database), losses=stage_run.c.losses + lost_here)
                .returning(stage_run.c.losses, stage_run.c.retries, stage_run.c.skip_cache)
            ).first()
            if row is None:
                return None
            if of_run["state"] == PENDING:
                connection.execute(run.update().where(run.c.id == task.run_id).values(state=RUNNING))
            named, found, outputs = self._subject(connection, task)
        return Opening(
            parameters=PARAMETERS.validate_json(of_run["parameters"]),
            priority=of_run["priority"],
            source=named,
            clip=found,
            outputs=outputs,
            skip_cache=row.skip_cache,
            losses=row.losses,
            retries=row.retries,
            trace_context=json.loads(of_run["trace_context"] or "{}"),
        )

    def succeed(self, task: Task, outputs: Any, outputs_json: str, record: StageRecord | None) -> Ending:
        """Record outputs and enqueue what comes next."""
        with self._database.begin() as connection:
            if not self._end(connection, task, SUCCEEDED, outputs_json, record, None):
                return Ending()
            if task.stage not in STAGES:
                return Ending()
            node = node_of(task.stage)
            if task.stage == FIRST:
                hidden = source.c.address.is_not(None)
                connection.execute(source.update().where(_source(task), hidden).values(address=ERASED))
            kinds = kinds_of(connection, task.run_id)
            following = after(node, kinds)
            if following is not None:
                where, table = (_source(task), source) if node.scope == "source" else (_clip(task), clip)
                connection.execute(table.update().where(where).values(stage=following.name, state=RUNNING))
                self._next(connection, task, [(following.name, task.subject)])
            elif node.scope == "source":
                self._clips_found(connection, task, outputs, names_of("clip", kinds=kinds)[0])
            elif node.scope == "clip":
                connection.execute(clip.update().where(_clip(task)).values(state=SUCCEEDED))
                self._count(connection, task, -1)
                return Ending(clips=(SUCCEEDED,))
            else:
                self._next(connection, task, [(FINISH, "")])
        return Ending()

    def fail(self, task: Task, rejection: Rejection, begin_again: str = "") -> Ending:
        """Record that there are no outputs: the source, the clip or the run ends with the reason.

        Args:
            task: The execution.
            rejection: Why it ended.
            begin_again: The stage that a retry begins with; the execution's own when empty.
        """
        verdict = _verdict(rejection) | {"stage": begin_again or task.stage}
        with self._database.begin() as connection:
            if not self._end(connection, task, FAILED, None, None, rejection.reason):
                return Ending()
            if task.stage in SOURCE_STAGES:
                connection.execute(source.update().where(_source(task)).values(state=FAILED, **verdict))
                self._feed(connection, task.run_id, 1)
                self._count(connection, task, -1)
                return Ending(dead_letter=(task.stage, rejection.reason))
            if task.stage in CLIP_STAGES:
                connection.execute(clip.update().where(_clip(task)).values(state=FAILED, **verdict))
                self._count(connection, task, -1)
                return Ending(clips=(FAILED,), dead_letter=(task.stage, rejection.reason))
            self._end_run(connection, task.run_id, FAILED, rejection.reason, rejection.message)
        return Ending(dead_letter=(task.stage, rejection.reason))

    def leave_out(
        self, task: Task, names: Sequence[str], rejection: Rejection, begin_again: str, priority: int
    ) -> Ending:
        """End clips that pack could not read, and pack the others.

        Args:
            task: The execution of pack.
            names: The clips.
            rejection: Why they are left out.
            begin_again: The stage that a retry of the clips begins with.
            priority: Of the run.
        """
        with self._database.begin() as connection:
            self._fence(connection)
            if not self._try_again(connection, task, 0.0, priority):
                return Ending()
            connection.execute(
                clip.update()
                .where(clip.c.run_id == task.run_id, clip.c.name.in_(names), clip.c.state == SUCCEEDED)
                .values(state=FAILED, **_verdict(rejection), stage=begin_again)
            )
        return Ending(clips=(FAILED,) * len(names), dead_letter=(task.stage, rejection.reason))

    def again(self, task: Task, delay_seconds: float, priority: int, lost: bool = False, retried: bool = False) -> None:
        """Enqueue the next try of an execution.

        Args:
            task: The try that ended.
            delay_seconds: How long the next one waits.
            priority: Of the run.
            lost: Whether a worker was lost with it.
            retried: Whether it failed with an error that may pass.
        """
        with self._database.begin() as connection:
            self._fence(connection)
            self._try_again(connection, task, delay_seconds, priority, lost, retried)

    def _try_again(
        self,
        connection: sa.Connection,
        task: Task,
        delay_seconds: float,
        priority: int,
        lost: bool = False,
        retried: bool = False,
    ) -> bool:
        """Enqueue the next try of an execution; says whether it was the current one of a run that goes on."""
        if hold_open(connection, task.run_id) is None:
            self._give_up(connection, task)
            return False
        changed = connection.execute(
            stage_run.update()
            .where(row_of(task), *_is_current(task))
            .values(
                state=PENDING,
                attempt=task.attempt + 1,
                losses=stage_run.c.losses + int(lost),
                retries=stage_run.c.retries + int(retried),
            )
        )
        if not changed.rowcount:
            return False
        following = Task(task.run_id, task.stage, task.subject, task.generation, task.attempt + 1)
        self._engine.enqueue(connection, [following], priority, delay_seconds)
        return True

    def take_in(self, task: Task, position: int, sources: Sequence[NamedSource], last: bool) -> bool:
        """Take a batch of sources into a run.

        Args:
            task: The intake.
            position: Number of the first; a batch that was taken before is left out.
            sources: The batch.
            last: Whether there are no more.

        Returns:
            Whether the run still wants sources.
        """
        with self._database.begin() as connection:
            self._fence(connection)
            of_run = hold_open(connection, task.run_id)
            if of_run is None:
                return False
            fresh = list(enumerate(sources, position))[max(0, of_run["source_count"] - position) :]
            if fresh:
                connection.execute(
                    source.insert(),
                    [
                        {
                            "run_id": task.run_id,
                            "name": one.name,
                            "position": number,
                            **source_columns(one),
                            "queued": False,
                            "skip_cache": False,
                            "state": PENDING,
                            "stage": FIRST,
                        }
                        for number, one in fresh
                    ],
                )
                connection.execute(
                    run.update()
                    .where(run.c.id == task.run_id)
                    .values(
                        source_count=position + len(sources), open_count=run.c.open_count + len(fresh), state=RUNNING
                    )
                )
            uploads = [one.upload.key for _, one in fresh if one.upload is not None]
            if last:
                uploads.append(ARTIFACT.validate_json(of_run["source_list"]).key)
            forget_uploads(connection, uploads)
            self._feed(connection, task.run_id)
            if last:
                connection.execute(run.update().where(run.c.id == task.run_id).values(sources_complete=True))
                self._end(connection, task, SUCCEEDED, None, None, None)
                self._count(connection, task, 0)
        return True

    def end_run(self, task: Task, state: str, reason: str | None, message: str | None) -> None:
        """Record the end of a run whose data set has its place."""
        with self._database.begin() as connection:
            if self._end(connection, task, SUCCEEDED, None, None, None):
                self._end_run(connection, task.run_id, state, reason, message)

    def _give_up(self, connection: sa.Connection, task: Task) -> None:
        """End an execution of a run that has ended without it."""
        given_up = stage_run.update().where(row_of(task), *_is_current(task)).values(state=CANCELLED)
        if not connection.execute(given_up).rowcount:
            return
        for table in (clip, source):
            connection.execute(
                table.update()
                .where(table.c.run_id == task.run_id, table.c.name == task.subject, table.c.state.in_(OPEN))
                .values(state=CANCELLED)
            )

    def _subject(
        self, connection: sa.Connection, task: Task
    ) -> tuple[NamedSource | None, CutClip | None, dict[str, str]]:
        if task.stage not in (*SOURCE_STAGES, *CLIP_STAGES):
            return None, None, {}
        done = connection.execute(
            sa.select(stage_run.c.stage, stage_run.c.outputs).where(
                stage_run.c.run_id == task.run_id,
                stage_run.c.subject == task.subject,
                stage_run.c.stage.in_(SOURCE_STAGES if task.stage in SOURCE_STAGES else CLIP_STAGES),
                stage_run.c.state == SUCCEEDED,
            )
        )
        outputs = {row.stage: row.outputs for row in done}
        if task.stage in SOURCE_STAGES:
            row = connection.execute(sa.select(source.c.given, source.c.address).where(_source(task))).one()
            if task.stage == FIRST:
                connection.execute(source.update().where(_source(task)).values(state=RUNNING))
            return source_of(row.given, row.address), None, outputs
        given = connection.execute(sa.select(clip.c.given).where(_clip(task))).scalar_one()
        return None, CLIP.validate_json(given), outputs

    def _end(
        self,
        connection: sa.Connection,
        task: Task,
        state: str,
        outputs_json: str | None,
        record: StageRecord | None,
        reason: str | None,
    ) -> bool:
        """End an execution, if it is the current one of its row and its run goes on."""
        self._fence(connection)
        if hold_open(connection, task.run_id) is None:
            self._give_up(connection, task)
            return False
        changed = connection.execute(
            stage_run.update()
            .where(row_of(task), *_is_current(task))
            .values(
                state=state,
                ended_at=now_of(self._database),
                outputs=outputs_json,
                record=RECORD.dump_json(record).decode() if record else None,
                reason=reason,
            )
        )
        return changed.rowcount == 1

    def _next(
        self,
        connection: sa.Connection,
        task: Task,
        following: Sequence[tuple[str, str]],
        priority: int | None = None,
    ) -> None:
        """Write rows for what comes next, and enqueue it."""
        if priority is None:
            priority = connection.execute(sa.select(run.c.priority).where(run.c.id == task.run_id)).scalar_one()
        add_executions(
            connection,
            self._engine,
            now_of(self._database),
            [Task(task.run_id, stage, subject, task.generation, 0) for stage, subject in following],
            priority,
        )

    def _clips_found(self, connection: sa.Connection, task: Task, outputs: SplitOutputs, first: str) -> None:
        where = _source(task)
        row = connection.execute(sa.select(source).where(where)).mappings().one()
        named = SOURCE.validate_json(row["given"])
        names = [clip_name(named.name, one.index, named.linked_person) for one in outputs.clips]
        connection.execute(
            clip.insert(),
            [
                {
                    "run_id": task.run_id,
                    "name": name,
                    "source_name": named.name,
                    "position": row["position"],
                    "number": one.index,
                    "given": CLIP.dump_json(one).decode(),
                    "frame_count": one.frame_count,
                    "state": PENDING,
                    "stage": first,
                }
                for name, one in zip(names, outputs.clips, strict=True)
            ],
        )
        connection.execute(source.update().where(where).values(state=SUCCEEDED))
        self._next(connection, task, [(first, name) for name in names])
        self._feed(connection, task.run_id, 1)
        self._count(connection, task, len(names) - 1)

    def _feed(self, connection: sa.Connection, run_id: str, count: int | None = None) -> None:
        """Give the engine sources that wait: as many as are said, or as fill the run's window."""
        feed_sources(connection, self._engine, now_of(self._database), run_id, count)

    def _count(self, connection: sa.Connection, task: Task, change: int) -> None:
        """Count what is open; at zero, pack what succeeded."""
        row = connection.execute(
            run.update()
            .where(run.c.id == task.run_id)
            .values(open_count=run.c.open_count + change)
            .returning(run.c.open_count, run.c.sources_complete, run.c.priority, run.c.generation)
        ).one()
        if row.open_count == 0 and row.sources_complete:
            current = Task(task.run_id, task.stage, task.subject, row.generation, 0)
            any_clip = connection.execute(
                sa.select(clip.c.name).where(clip.c.run_id == task.run_id, clip.c.state == SUCCEEDED).limit(1)
            ).first()
            self._next(connection, current, [(PACK if any_clip else FINISH, "")], row.priority)

    def _end_run(
        self, connection: sa.Connection, run_id: str, state: str, reason: str | None, message: str | None
    ) -> None:
        # Of a run that failed something may go on; what ends later finds that nobody wants it.
        cancel_open(connection, run_id)
        connection.execute(
            run.update()
            .where(run.c.id == run_id, run.c.state.in_(OPEN))
            .values(state=state, ended_at=now_of(self._database), reason=reason, message=message)
        )


def _verdict(rejection: Rejection) -> dict[str, Any]:
    return {
        "reason": rejection.reason,
        "message": rejection.message,
        "measure": rejection.measure,
        "threshold": rejection.threshold,
    }


def _is_current(task: Task) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        stage_run.c.generation == task.generation,
        stage_run.c.attempt == task.attempt,
        stage_run.c.state.in_(OPEN),
    )


def _clip(task: Task) -> sa.ColumnElement[bool]:
    return sa.and_(clip.c.run_id == task.run_id, clip.c.name == task.subject)


def _source(task: Task) -> sa.ColumnElement[bool]:
    return sa.and_(source.c.run_id == task.run_id, source.c.name == task.subject)
