"""A ledger whose engine is the test."""

from collections.abc import Callable, Sequence

import sqlalchemy as sa

from benchmarks.noop_stages import outputs_of
from orchestrator.engine import FINISH, INTAKE, Task
from orchestrator.leases import LeaseLostError
from orchestrator.ledger.executions import Executions
from orchestrator.ledger.runs import Runs
from orchestrator.ledger.tables import metadata
from talkmill.artifacts.artifact import Artifact
from talkmill.artifacts.manifest import StageRecord
from talkmill.pipeline.graph import RunParameters, names_of
from talkmill.pipeline.kinds import Kind
from talkmill.pipeline.naming import NamedSource, name_source
from talkmill.wire.methods import stage_methods

ARTIFACT = Artifact("talkmill-work", "nothing", "0" * 64, 0, "")
OUTPUTS = outputs_of(ARTIFACT)
RECORD = StageRecord(False, "1", "d" * 64, "2026-01-01T00:00:00+00:00", 0.0, 0.0, 0.0, "", "here:1")
METHODS, CLIP_STAGES = stage_methods(), names_of("clip")


class Listing:
    """An engine that keeps what it is given; the test handles it."""

    def __init__(self) -> None:
        self.waiting: dict[str, Task] = {}
        self.delays: dict[str, float] = {}
        self.cancelled: list[str] = []

    def enqueue(
        self, connection: sa.Connection, tasks: Sequence[Task], priority: int, delay_seconds: float = 0
    ) -> None:
        for task in tasks:
            self.waiting.setdefault(task.id, task)
            self.delays[task.id] = delay_seconds

    def cancel(self, tasks: Sequence[Task]) -> None:
        self.cancelled += [task.id for task in tasks]

    def recover(self, live_executors: object) -> int:
        return 0

    def take(self, stage: str) -> list[Task]:
        found = [task for task in self.waiting.values() if task.stage == stage]
        for task in found:
            del self.waiting[task.id]
        return found


class Ledger:
    def __init__(self, database: sa.Engine) -> None:
        self.database, self.engine = database, Listing()
        self.fenced = False
        self.executions = Executions(database, self.engine, self._fence)
        self.runs = Runs(database, self.engine)

    def _fence(self, connection: sa.Connection) -> None:
        if self.fenced:
            raise LeaseLostError("taken over")

    def create(self, count: int, kinds: tuple[Kind, ...] = (), named: Sequence[NamedSource] = ()) -> str:
        run_id = self.runs.create("", "", RunParameters(kinds=kinds), 100, ARTIFACT)
        (intake,) = self.engine.take(INTAKE)
        assert self.executions.begin(intake)
        self.executions.take_in(intake, 0, named or sources(count), True)
        return run_id

    def dump(self) -> str:
        with self.database.connect() as connection:
            return repr([row for table in metadata.sorted_tables for row in connection.execute(sa.select(table))])

    def succeed(self, task: Task) -> object:
        outputs = OUTPUTS[task.stage]
        return self.executions.succeed(task, outputs, METHODS_JSON[task.stage](outputs), RECORD)

    def handle(self, stage: str) -> int:
        """Do everything that waits for a stage."""
        tasks = self.engine.take(stage)
        for task in tasks:
            assert self.executions.begin(task) is not None
            self.succeed(task)
        return len(tasks)

    def finish(self) -> None:
        (task,) = self.engine.take(FINISH)
        assert self.executions.begin(task)
        self.executions.end_run(task, "SUCCEEDED", None, None)


def _dumper(stage: str) -> Callable[[object], str]:
    from pydantic import TypeAdapter

    return lambda outputs: TypeAdapter(METHODS[stage].outputs).dump_json(outputs).decode()


METHODS_JSON = {stage: _dumper(stage) for stage in METHODS}


def sources(count: int) -> list[NamedSource]:
    return [
        name_source(f"https://example.com/{n:04}.mp4", f"https://example.com/{n:04}.mp4", "", 0, None, False, "train")
        for n in range(count)
    ]
