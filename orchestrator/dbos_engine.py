"""The engine over DBOS Transact: one short workflow a task, one queue a stage.

What is private in DBOS 3.4.0 and used here is held by tests/orchestrator/test_engine.py.
"""

import json
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSConfig, EnqueueOptions, Serializer

from orchestrator.engine import Task
from orchestrator.ledger.database import IDLE_TRANSACTION_SECONDS

APPLICATION = "talkmill"
# Every replica handles what any other has enqueued: the body of the workflow is one call, its history is empty.
APPLICATION_VERSION = "1"
WORKFLOW = "task"
DELETED_AT_ONCE = 1000


class JsonSerializer(Serializer):
    """Plain JSON in place of DBOS's default, which is pickle."""

    def serialize(self, data: Any) -> str:
        """Return JSON."""
        return json.dumps(data)

    def deserialize(self, serialized_data: str) -> Any:
        """Read JSON."""
        return json.loads(serialized_data)

    def name(self) -> str:
        """Return the name that rows carry."""
        return "talkmill_json"


class DbosEngine:
    """Tasks as DBOS workflows. One a process: DBOS is a singleton."""

    def __init__(self, url: str, executor_id: str, concurrency: Mapping[str, int], polling_seconds: float) -> None:
        """Create the engine; nothing is handled before `launch`.

        Args:
            url: Of the database; the ledger's own.
            executor_id: Of this process and of no other, ever.
            concurrency: Stage to tasks at a time in this process.
            polling_seconds: How often a queue is looked at.
        """
        self._url, self._concurrency, self._polling_seconds = url, dict(concurrency), polling_seconds
        threads = sum(concurrency.values()) + 8
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_url": url,
            "executor_id": executor_id,
            "application_version": APPLICATION_VERSION,
            "serializer": JsonSerializer(),
            "log_level": "WARNING",
            "enable_otlp": False,
            "max_executor_threads": threads,
            "sys_db_pool_size": 12,
            "sys_db_idle_transaction_timeout_sec": IDLE_TRANSACTION_SECONDS,
            # Nobody waits for a workflow's result or events here.
            "use_listen_notify": False,
        }
        # A logger that has a handler gets none of DBOS's own: what it says goes where everything goes.
        logging.getLogger("dbos").addHandler(logging.NullHandler())
        self._dbos = DBOS(config=config)
        self._client: DBOSClient | None = None

    def launch(self, handler: Callable[[Task], None]) -> None:
        """Begin to handle tasks; creates DBOS's tables where there are none."""

        @DBOS.workflow(name=WORKFLOW)
        def run_task(task: dict[str, Any]) -> None:
            handler(Task(**task))

        self._prepare()
        DBOS.launch()
        for stage, limit in self._concurrency.items():
            DBOS.register_queue(
                _queue(stage),
                worker_concurrency=limit,
                polling_interval_sec=self._polling_seconds,
                on_conflict="always_update",
            )
        self._client = DBOSClient(
            system_database_url=self._url, serializer=JsonSerializer(), application_name=APPLICATION, lazy=True
        )

    def enqueue(
        self, connection: sa.Connection, tasks: Sequence[Task], priority: int, delay_seconds: float = 0
    ) -> None:
        """Enqueue tasks; see `Engine.enqueue`."""
        assert self._client is not None  # noqa: S101 - launched first
        for task in tasks:
            options: EnqueueOptions = {
                "workflow_name": WORKFLOW,
                "queue_name": _queue(task.stage),
                "workflow_id": task.id,
                "priority": priority,
                "app_version": APPLICATION_VERSION,
            }
            if delay_seconds > 0:
                options["delay_seconds"] = delay_seconds
            self._client.enqueue_in_transaction(connection, options, asdict(task))

    def cancel(self, tasks: Sequence[Task]) -> None:
        """Take waiting tasks out of their queues; those that are handled end by the ledger's word."""
        for begin in range(0, len(tasks), DELETED_AT_ONCE):
            DBOS.cancel_workflows([task.id for task in tasks[begin : begin + DELETED_AT_ONCE]])

    def recover(self, live_executors: Collection[str]) -> int:
        """Put the tasks of dead executors back into their queues; see `Engine.recover`."""
        table = self._status
        wanted = sa.select(table.c.executor_id).distinct().where(table.c.status == "PENDING")
        with self._engine.connect() as connection:
            owners = {row[0] for row in connection.execute(wanted) if row[0]}
        dead = sorted(owners - set(live_executors))
        if dead:
            DBOS._recover_pending_workflows(dead)
        return len(dead)

    def forget(self, older_than_seconds: float) -> int:
        """Delete what is kept of tasks that ended so long ago; returns how many."""
        table, count = self._status, 0
        before = round((time.time() - older_than_seconds) * 1000)
        wanted = (
            sa.select(table.c.workflow_uuid)
            .where(table.c.status.in_(("SUCCESS", "ERROR", "CANCELLED")), table.c.updated_at < before)
            .limit(DELETED_AT_ONCE)
        )
        while True:
            with self._engine.connect() as connection:
                ids = [row[0] for row in connection.execute(wanted)]
            if not ids:
                return count
            DBOS.delete_workflows(ids)
            count += len(ids)

    @property
    def _engine(self) -> sa.Engine:
        return self._dbos._sys_db.engine

    @property
    def _status(self) -> sa.Table:
        table: sa.Table = self._dbos._sys_db.tables.workflow_status
        return table

    def _prepare(self) -> None:
        """Put SQLite into WAL mode before DBOS makes its tables: without it, a fifth of the speed."""
        if self._url.startswith("sqlite"):
            engine = sa.create_engine(self._url)
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            engine.dispose()


def _queue(stage: str) -> str:
    return f"stage-{stage}"
