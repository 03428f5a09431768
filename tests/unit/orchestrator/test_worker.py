"""A run whose own tasks kill every replica ends."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrator.engine import FINISH, INTAKE, Task
from orchestrator.ledger.executions import Ending, Opening
from orchestrator.worker import MAX_LOSSES, Worker
from talkmill.artifacts.manifest import Rejection
from talkmill.pipeline.graph import RunParameters


class Ledger:
    """Says that replicas were lost, and keeps what a task ended with."""

    def __init__(self, losses: int) -> None:
        self._losses, self.failed = losses, list[Rejection]()

    def begin(self, task: Task) -> Opening:
        return Opening(RunParameters(), 5, None, None, {}, False, self._losses, 0)

    def fail(self, task: Task, rejection: Rejection) -> Ending:
        self.failed.append(rejection)
        return Ending()


@pytest.mark.parametrize("stage", [INTAKE, FINISH])
@pytest.mark.parametrize("losses", [MAX_LOSSES - 1, MAX_LOSSES])
def test_a_task_that_killed_four_replicas_is_not_begun_again(stage: str, losses: int) -> None:
    begun: list[Task] = []
    ledger, own = Ledger(losses), cast(Any, SimpleNamespace(run=begun.append))
    worker = Worker(cast(Any, ledger), cast(Any, None), own, own, "talkmill-datasets", lambda: None)
    worker.handle(Task("0" * 32, stage, "", 0, 0))
    assert len(begun) == (losses < MAX_LOSSES)
    assert [rejection.reason for rejection in ledger.failed] == ["WORKER_LOST"] * (losses >= MAX_LOSSES)
