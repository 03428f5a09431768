"""Tasks, and what the ledger needs of the engine that runs them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import sqlalchemy as sa

# What is done once a run, beside the stages of services: taking sources in, and giving the data set its place.
INTAKE, FINISH = "intake", "finish"


@dataclass(frozen=True, slots=True)
class Task:
    """One execution of one stage for one source or clip.

    Attributes:
        run_id: The run.
        stage: A stage, `intake` or `finish`.
        subject: A source, a clip, or empty for what is done once a run.
        generation: Retries of the run so far.
        attempt: Tries of this execution so far.
    """

    run_id: str
    stage: str
    subject: str
    generation: int
    attempt: int

    @property
    def id(self) -> str:
        """Deterministic name: enqueued twice it runs once, and a stage joins calls of one name."""
        return f"{self.run_id}:{self.stage}:{self.subject}:{self.generation}:{self.attempt}"


class Engine(Protocol):
    """Takes tasks durably: whatever dies, a task that was enqueued is handled, by one replica at a time.

    The ledger and the leases see no more of DBOS than this. `DbosEngine` is the one that serves; the ledger's tests
    hand in a list that they empty in any order, where every interleaving is theirs to choose.
    """

    def enqueue(
        self, connection: sa.Connection, tasks: Sequence[Task], priority: int, delay_seconds: float = 0
    ) -> None:
        """Enqueue tasks in the caller's transaction; a task whose id is known already is not enqueued again.

        Args:
            connection: Of the ledger's database, in a transaction.
            tasks: What to enqueue.
            priority: Lower runs first, from 1.
            delay_seconds: How long the tasks wait at least.
        """
        ...

    def cancel(self, tasks: Sequence[Task]) -> None:
        """Take tasks that wait out of their queues."""
        ...

    def recover(self, live_executors: Collection[str]) -> int:
        """Put the tasks of every other executor back into their queues; returns how many executors were dead."""
        ...
