"""Two orchestrators on one Postgres: one is killed, one is frozen and woken."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from deploy.local.cluster import Cluster
from orchestrator.ledger.tables import stage_run
from talkmill.api.pipeline.v1 import pipeline_pb2 as pb
from talkmill.client.client import Client
from tests.orchestrator.conftest import check_whole, fast_sources, reachable, rows, stop_hard, submit, wait_for_end
from tests.servers import FAST_STAGES, running_cluster, wait_until

TAKEN_OVER_SECONDS = 60


@pytest.fixture(scope="module")
def pair(fast_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two orchestrators with the leases that a cluster has by default."""
    environment = {
        name: value for name, value in fast_environment.items() if "LEASE" not in name and "REAP" not in name
    }
    folder = reachable(tmp_path_factory.mktemp("pair"))
    environment |= {"TALKMILL_TEST_SECONDS": "3", "TALKMILL_SLOTS": "4"}
    with running_cluster(folder, stage_command=FAST_STAGES, environment=environment, orchestrators=2) as cluster:
        yield cluster


def executor(cluster: Cluster, program: str) -> str:
    """The id that a replica said it has."""
    lines = [line for line in cluster.log(program).read_text().splitlines() if '"executor"' in line]
    return lines[-1].split('"executor": "')[1].split('"')[0]


def pending(cluster: Cluster, executor_id: str) -> set[str]:
    """Executions that DBOS says a replica is at."""
    engine = sa.create_engine(cluster.database_url())
    text = "SELECT workflow_uuid FROM dbos.workflow_status WHERE status = 'PENDING' AND executor_id = :id"
    try:
        with closing(engine.connect()) as connection:
            return {row[0] for row in connection.execute(sa.text(text), {"id": executor_id})}
    finally:
        engine.dispose()


def test_the_dead_and_the_frozen_are_taken_over(pair: Cluster, tmp_path: Path) -> None:
    other = Client(f"127.0.0.1:{pair.ports['orchestrator-2']}")
    with other as client:
        name = submit(client, fast_sources(tmp_path, ["ok_none"] * 40))
        first = executor(pair, "orchestrator")
        wait_until(lambda: len(pending(pair, first)) >= 3, 60, "the first replica is at work")
        stop_hard(pair, "orchestrator")
        killed = time.monotonic()
        wait_until(lambda: not pending(pair, first), TAKEN_OVER_SECONDS, "the dead replica's work is taken over")
        print(f"taken over from the dead after {time.monotonic() - killed:.1f} s")

        pair.control("start", "orchestrator")
        wait_until(lambda: executor(pair, "orchestrator") != first, 60, "the first replica is back")
        first, pid = executor(pair, "orchestrator"), pair.pid("orchestrator")
        wait_until(lambda: len(pending(pair, first)) >= 3, 60, "the first replica is at work again")
        os.kill(pid, signal.SIGSTOP)
        frozen = time.monotonic()
        wait_until(lambda: not pending(pair, first), TAKEN_OVER_SECONDS, "the frozen replica's work is taken over")
        print(f"taken over from the frozen after {time.monotonic() - frozen:.1f} s")
        time.sleep(max(0.0, frozen + 60 - time.monotonic()))
        before = {(row["subject"], row["stage"]): row["ended_at"] for row in rows(pair, stage_run, name)}
        os.kill(pid, signal.SIGCONT)
        # It finds its lease gone and ends; supervisord starts a new one.
        wait_until(lambda: pair.pid("orchestrator") not in (0, pid), 180, "the woken replica has ended")
        assert wait_for_end(client, name).state == pb.STATE_SUCCEEDED
        after = {(row["subject"], row["stage"]): row["ended_at"] for row in rows(pair, stage_run, name)}
        # What was done while it slept was not done a second time.
        assert all(after[key] == ended for key, ended in before.items() if ended is not None)
        check_whole(pair, client, name, 40, tmp_path / "out")
