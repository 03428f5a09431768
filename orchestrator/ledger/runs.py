"""Runs for their users: create, read, cancel, retry."""

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from orchestrator.engine import INTAKE, Engine, Task
from orchestrator.ledger.database import now_of
from orchestrator.ledger.forecast import read_seconds_left
from orchestrator.ledger.queueing import add_executions, cancel_open, lock_run
from orchestrator.ledger.quotas import check_running, lock_owner
from orchestrator.ledger.retries import retry
from orchestrator.ledger.tables import (
    CANCELLED,
    ENDED,
    OPEN,
    PENDING,
    RUNNING,
    SUCCEEDED,
    clip,
    run,
    source,
    stage_run,
)
from orchestrator.ledger.values import ARTIFACT, ERASED, PARAMETERS, SOURCE
from talkmill.artifacts.artifact import Artifact
from talkmill.pipeline.graph import CLIPS_FROM, FIRST, RunParameters, names_of
from talkmill.pipeline.naming import NamedSource
from talkmill.stages.errors import RunNotFoundError

SOURCE_STAGES, CLIP_STAGES = names_of("source"), names_of("clip")
BATCH = 500
# What stands for the number of a clip where a source has not become clips: it comes before them.
NUMBER_OF_SOURCES = -1


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as it is now.

    Attributes:
        row: Its row.
        parameters: Of every stage.
        source_states: State to sources.
        clip_states: State to clips.
        frame_count: Frames of the clips that succeeded.
        stages: Stage to state to executions.
        seconds_left: Until the last clip has been through its last stage; None where that is not known.
    """

    row: sa.RowMapping
    parameters: RunParameters
    source_states: dict[str, int]
    clip_states: dict[str, int]
    frame_count: int
    stages: dict[str, dict[str, int]]
    seconds_left: float | None = None

    @property
    def ended(self) -> bool:
        """Whether the run has ended."""
        return self.row["state"] in ENDED


class Runs:
    """The runs of a ledger."""

    def __init__(self, database: sa.Engine, engine: Engine) -> None:
        self._database, self._engine = database, engine

    def create(
        self,
        owner: str,
        request_id: str,
        parameters: RunParameters,
        priority: int,
        source_list: Artifact,
        announced_count: int = 0,
        limit: int | None = None,
        trace_context: Mapping[str, str] | None = None,
    ) -> str:
        """Write a run and enqueue its intake; a request of an owner that was seen before gives its run.

        Args:
            owner: Whose run it is.
            request_id: Of the owner; may be empty.
            parameters: Of every stage.
            priority: Lower runs first.
            source_list: Where its sources are read from.
            announced_count: How many they are, where a limit is given.
            limit: Sources and clips of the owner that may be open; None for any number.
            trace_context: Headers of the trace that its executions belong to.

        Raises:
            QuotaExceededError: More would be open.
        """
        run_id = secrets.token_hex(6)
        with self._database.begin() as connection:
            if limit is not None:
                lock_owner(connection, owner)
            if request_id:
                known = self._by_request(connection, owner, request_id)
                if known:
                    return known
            connection.execute(
                run.insert().values(
                    id=run_id,
                    owner=owner,
                    request_id=_request(owner, request_id) if request_id else None,
                    state=PENDING,
                    priority=priority,
                    parameters=PARAMETERS.dump_json(parameters).decode(),
                    source_list=ARTIFACT.dump_json(source_list).decode(),
                    announced_count=announced_count,
                    created_at=now_of(self._database),
                    trace_context=json.dumps(dict(trace_context)) if trace_context else None,
                )
            )
            if limit is not None:
                check_running(connection, run_id, owner, limit)
            task = Task(run_id, INTAKE, "", 0, 0)
            add_executions(connection, self._engine, now_of(self._database), [task], priority)
        return run_id

    def find_request(self, owner: str, request_id: str) -> str | None:
        """Return the run that a request of an owner made, or None."""
        with self._database.begin() as connection:
            return self._by_request(connection, owner, request_id)

    def owner(self, run_id: str) -> str:
        """Return whose run it is.

        Raises:
            RunNotFoundError: There is none.
        """
        with self._database.begin() as connection:
            found = connection.execute(sa.select(run.c.owner).where(run.c.id == run_id)).scalar()
        if found is None:
            raise RunNotFoundError(f"there is no run {run_id}")
        return str(found)

    def get(self, run_id: str) -> RunView:
        """Return a run as it is now.

        Raises:
            RunNotFoundError: There is none.
        """
        with self._database.begin() as connection:
            row = self._row(connection, run_id)
            counts: dict[str, dict[str, int]] = {}
            for table in (source, clip):
                found = connection.execute(
                    sa.select(table.c.state, sa.func.count()).where(table.c.run_id == run_id).group_by(table.c.state)
                )
                counts[table.name] = {row[0]: row[1] for row in found}
            frames = connection.execute(
                sa.select(sa.func.sum(clip.c.frame_count)).where(clip.c.run_id == run_id, clip.c.state == SUCCEEDED)
            ).scalar()
            stages: dict[str, dict[str, int]] = {}
            for stage, state, count in connection.execute(
                sa.select(stage_run.c.stage, stage_run.c.state, sa.func.count())
                .where(stage_run.c.run_id == run_id)
                .group_by(stage_run.c.stage, stage_run.c.state)
            ):
                stages.setdefault(stage, {})[state] = count
            going_on = row["state"] == RUNNING and row["sources_complete"]
            left = read_seconds_left(connection, run_id, self._now(connection)) if going_on else None
        parameters = PARAMETERS.validate_json(row["parameters"])
        return RunView(row, parameters, counts["source"], counts["clip"], int(frames or 0), stages, left)

    def _now(self, connection: sa.Connection) -> float:
        return float(connection.execute(sa.select(now_of(self._database))).scalar_one())

    def source_list(self, run_id: str) -> Artifact:
        """Return where the list of a run's sources lies."""
        with self._database.begin() as connection:
            return ARTIFACT.validate_json(self._row(connection, run_id)["source_list"])

    def wants_list(self, source_list: Artifact) -> bool:
        """Say whether a run has still to take its sources in from a list."""
        wanted = sa.select(run.c.id).where(
            run.c.source_list == ARTIFACT.dump_json(source_list).decode(), run.c.sources_complete == sa.false()
        )
        with self._database.begin() as connection:
            return connection.execute(wanted.limit(1)).first() is not None

    def erase_addresses(self, older_than_seconds: float) -> int:
        """Erase the addresses that sources of runs still have, which ended so long ago; returns how many.

        Sources that were downloaded have none: these are sources that failed or were cancelled.
        """
        kept = source.c.address.is_not(None) & (source.c.address != ERASED)
        old = sa.select(run.c.id).where(
            run.c.state.in_(ENDED),
            run.c.ended_at <= now_of(self._database) - older_than_seconds,
            sa.exists().where(source.c.run_id == run.c.id, kept),
        )
        with self._database.begin() as connection:
            # Locked as a retry locks them: it finds addresses, or is refused.
            runs = connection.execute(old.with_for_update()).scalars().all()
            erased = connection.execute(source.update().where(kept, source.c.run_id.in_(runs)).values(address=ERASED))
            return int(erased.rowcount)

    def version(self, run_id: str) -> tuple[Any, ...]:
        """Return a value that changes when the run does; cheap."""
        with self._database.begin() as connection:
            row = self._row(connection, run_id)
            ended = connection.execute(
                sa.select(sa.func.count(), sa.func.max(stage_run.c.ended_at)).where(
                    stage_run.c.run_id == run_id, stage_run.c.state.in_(ENDED)
                )
            ).one()
        return (row["state"], row["source_count"], row["open_count"], row["generation"], *ended)

    def latest(self, owner: str | None, page_size: int, before: tuple[float, str] | None) -> Sequence[str]:
        """Return ids of runs, the latest first.

        Args:
            owner: Whose; None for all.
            page_size: How many.
            before: Creation time and id of the last run of the page before.
        """
        wanted = sa.select(run.c.id).order_by(run.c.created_at.desc(), run.c.id.desc()).limit(page_size)
        if owner is not None:
            wanted = wanted.where(run.c.owner == owner)
        if before:
            wanted = wanted.where(sa.tuple_(run.c.created_at, run.c.id) < sa.tuple_(*before))
        with self._database.begin() as connection:
            return [row[0] for row in connection.execute(wanted)]

    def clips(
        self, run_id: str, page_size: int, after: tuple[int, int, str] | None, state: str | None
    ) -> Sequence[sa.RowMapping]:
        """Return clips, and sources that have not become clips, in the order of sources.

        Args:
            run_id: The run.
            page_size: How many.
            after: Position, number and name of the last one of the page before.
            state: Only those in this state.

        Raises:
            RunNotFoundError: There is none.
        """
        of_clips = sa.select(
            clip.c.name, clip.c.position, clip.c.number, clip.c.source_name, clip.c.state, clip.c.stage,
            clip.c.frame_count, clip.c.reason, clip.c.message, clip.c.measure, clip.c.threshold,
            sa.literal(False).label("is_source"), source.c.given,
        ).join(source, (source.c.run_id == clip.c.run_id) & (source.c.name == clip.c.source_name)).where(
            clip.c.run_id == run_id
        )  # fmt: skip
        of_sources = sa.select(
            source.c.name, source.c.position, sa.literal(NUMBER_OF_SOURCES).label("number"),
            source.c.name.label("source_name"), source.c.state, source.c.stage, sa.literal(0).label("frame_count"),
            source.c.reason, source.c.message, source.c.measure, source.c.threshold,
            sa.literal(True).label("is_source"), source.c.given,
        ).where(source.c.run_id == run_id, source.c.state != SUCCEEDED)  # fmt: skip
        both = sa.union_all(of_clips, of_sources).subquery()
        wanted = sa.select(both).order_by(both.c.position, both.c.number, both.c.name).limit(page_size)
        if state:
            wanted = wanted.where(both.c.state == state)
        if after:
            wanted = wanted.where(sa.tuple_(both.c.position, both.c.number, both.c.name) > sa.tuple_(*after))
        with self._database.begin() as connection:
            self._row(connection, run_id)
            return connection.execute(wanted).mappings().all()

    def cancel(self, run_id: str) -> None:
        """End a run; what waits leaves its queue, what goes on is told by its replica.

        Raises:
            RunNotFoundError: There is none.
        """
        with self._database.begin() as connection:
            # Waits for the transactions that hold the run open; later ones find it ended.
            lock_run(connection, run_id)
            if self._row(connection, run_id)["state"] not in (*OPEN, CANCELLED):
                return
            connection.execute(
                run.update()
                .where(run.c.id == run_id, run.c.state.in_(OPEN))
                .values(state=CANCELLED, ended_at=now_of(self._database))
            )
            waiting = [Task(run_id, *row) for row in connection.execute(
                sa.select(stage_run.c.stage, stage_run.c.subject, stage_run.c.generation, stage_run.c.attempt).where(
                    stage_run.c.run_id == run_id, stage_run.c.state.in_(OPEN)
                )
            )]  # fmt: skip
            cancel_open(connection, run_id)
        self._engine.cancel(waiting)

    def cancelled(self, run_ids: Sequence[str]) -> set[str]:
        """Return those of some runs that are cancelled."""
        with self._database.begin() as connection:
            found = connection.execute(sa.select(run.c.id).where(run.c.id.in_(run_ids), run.c.state == CANCELLED))
            return {row[0] for row in found}

    def retry(self, run_id: str, names: Sequence[str], from_stage: str, limit: int | None = None) -> int:
        """See `orchestrator.ledger.retries.retry`."""
        with self._database.begin() as connection:
            return retry(connection, self._engine, now_of(self._database), run_id, names, from_stage, limit)

    def results(self, run_id: str) -> Iterator[tuple[NamedSource, sa.RowMapping, list[sa.RowMapping]]]:
        """Yield every clip of a run in order: its source, its row, and the executions behind it that succeeded."""
        position, number = -1, -1
        while True:
            with self._database.begin() as connection:
                rows = list(connection.execute(
                    sa.select(clip, source.c.given.label("source_given"))
                    .join(source, (source.c.run_id == clip.c.run_id) & (source.c.name == clip.c.source_name))
                    .where(
                        clip.c.run_id == run_id,
                        sa.tuple_(clip.c.position, clip.c.number) > sa.tuple_(sa.literal(position), sa.literal(number)),
                    )
                    .order_by(clip.c.position, clip.c.number)
                    .limit(BATCH)
                ).mappings())  # fmt: skip
                if not rows:
                    return
                subjects = {row["name"] for row in rows} | {row["source_name"] for row in rows}
                executions: dict[str, list[Any]] = {}
                for execution in connection.execute(
                    sa.select(stage_run).where(
                        stage_run.c.run_id == run_id, stage_run.c.subject.in_(subjects), stage_run.c.state == SUCCEEDED
                    )
                ).mappings():
                    executions.setdefault(execution["subject"], []).append(execution)
            for row in rows:
                of_source = [one for one in executions.get(row["source_name"], []) if one["stage"] in SOURCE_STAGES]
                of_clip = [one for one in executions.get(row["name"], []) if one["stage"] in CLIP_STAGES]
                yield SOURCE.validate_json(row["source_given"]), row, of_source + of_clip
            position, number = rows[-1]["position"], rows[-1]["number"]

    def sources(self, run_id: str) -> Iterator[tuple[NamedSource, sa.RowMapping, str | None]]:
        """Yield every source of a run in order: its name, its row, and the outputs that hold its clips."""
        position = -1
        while True:
            with self._database.begin() as connection:
                rows = list(connection.execute(
                    sa.select(source, stage_run.c.outputs)
                    .outerjoin(
                        stage_run,
                        (stage_run.c.run_id == source.c.run_id)
                        & (stage_run.c.subject == source.c.name)
                        & (stage_run.c.stage == CLIPS_FROM),
                    )
                    .where(source.c.run_id == run_id, source.c.position > position)
                    .order_by(source.c.position)
                    .limit(BATCH)
                ).mappings())  # fmt: skip
            if not rows:
                return
            for row in rows:
                yield SOURCE.validate_json(row["given"]), row, row["outputs"]
            position = rows[-1]["position"]

    def execution(self, run_id: str, stage: str) -> sa.RowMapping | None:
        """Return what is known of an execution that is made once a run."""
        wanted = sa.select(stage_run).where(
            stage_run.c.run_id == run_id, stage_run.c.subject == "", stage_run.c.stage == stage
        )
        with self._database.begin() as connection:
            return connection.execute(wanted).mappings().first()

    def backlog(self) -> dict[str, tuple[int, float]]:
        """Return, for each stage, how many executions are open and the age in seconds of the oldest that waits."""
        oldest = sa.func.min(sa.case((stage_run.c.state == PENDING, stage_run.c.enqueued_at)))
        wanted = (
            sa.select(stage_run.c.stage, sa.func.count(), now_of(self._database) - oldest)
            .where(stage_run.c.state.in_((sa.literal_column("'PENDING'"), sa.literal_column("'RUNNING'"))))
            .group_by(stage_run.c.stage)
        )
        waiting = sa.select(sa.func.sum(run.c.source_count - run.c.fed_count)).where(run.c.state.in_(OPEN))
        with self._database.begin() as connection:
            found = {stage: (count, float(age or 0)) for stage, count, age in connection.execute(wanted)}
            count, age = found.get(FIRST, (0, 0.0))
            found[FIRST] = (count + int(connection.execute(waiting).scalar() or 0), age)
        return found

    def _by_request(self, connection: sa.Connection, owner: str, request_id: str) -> str | None:
        wanted = sa.select(run.c.id).where(run.c.request_id == _request(owner, request_id))
        found = connection.execute(wanted).scalar()
        return None if found is None else str(found)

    def _row(self, connection: sa.Connection, run_id: str) -> sa.RowMapping:
        row = connection.execute(sa.select(run).where(run.c.id == run_id)).mappings().first()
        if row is None:
            raise RunNotFoundError(f"there is no run {run_id}")
        return row


def _request(owner: str, request_id: str) -> str:
    """Return what names a request among those of all owners."""
    return f"{hashlib.sha256(owner.encode()).hexdigest()}/{request_id}"
