"""A cluster with real MinIO, Postgres and services, in which marked clips take a short cut."""

import os
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from deploy.local.cluster import Cluster
from orchestrator.ledger.database import migrate, open_database
from orchestrator.ledger.tables import clip, run, source, stage_run
from talkmill.api.pipeline.v1 import pipeline_pb2 as pb
from talkmill.artifacts.s3 import S3Store
from talkmill.client.client import Client, ServerError
from talkmill.pipeline.graph import RunParameters, names_of
from talkmill.pipeline.naming import collect_sources
from talkmill.serving.settings import StoreSettings
from talkmill.serving.stores import open_store
from talkmill.stages.crop.messages import CropParameters
from talkmill.stages.matting.messages import MattingParameters
from talkmill.stages.split.messages import SplitParameters, TimeRange
from tests.fixture_types import Sample
from tests.orchestrator.ledgers import Ledger
from tests.servers import FAST_STAGES, client_of, running_cluster, wait_until

# What a real clip of these tests is asked for: enough for every stage, and quick.
QUICK = RunParameters(
    split=SplitParameters(ranges=(TimeRange(0.0, 1.2),)), matting=MattingParameters("draft"), crop=CropParameters(128)
)
ENDED = (pb.STATE_SUCCEEDED, pb.STATE_FAILED, pb.STATE_CANCELLED)


@pytest.fixture(scope="session")
def template(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample through the embedded pipeline: what fast clips are copies of."""
    folder = tmp_path_factory.mktemp("template")
    words = ["run", sample[0], "--out", folder, "--range", "0-1.2", "--matting", "draft", "--size", "128"]
    subprocess.run([sys.executable, "-m", "talkmill", *map(str, words)], check=True, timeout=600)
    return folder


@pytest.fixture(scope="session")
def fast_environment(template: Path) -> dict[str, str]:
    return {
        "TALKMILL_TEST_TEMPLATE": str(template),
        "TALKMILL_SLOTS": "2",
        "TALKMILL_CONCURRENCY": "4",
        "TALKMILL_METHODS": '["draft"]',
        "TALKMILL_IDLE_SECONDS": "20",
        "TALKMILL_LINGER_SECONDS": "8",
        "TALKMILL_LEASE_SECONDS": "6",
        "TALKMILL_LEASE_RENEW_SECONDS": "2",
        "TALKMILL_REAP_SECONDS": "2",
        "TALKMILL_DRAIN_GRACE_SECONDS": "60",
    }


@pytest.fixture(scope="session")
def cluster(fast_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = reachable(tmp_path_factory.mktemp("cluster"))
    with running_cluster(folder, stage_command=FAST_STAGES, environment=fast_environment) as cluster:
        yield cluster


@pytest.fixture
def client(cluster: Cluster) -> Iterator[Client]:
    with client_of(cluster) as client:
        yield client


def reachable(folder: Path) -> Path:
    """Let the user of Postgres through to a folder of root's."""
    for path in (folder, *folder.parents):
        if path.is_relative_to(tempfile.gettempdir()) and path.stat().st_uid == os.getuid():
            path.chmod(path.stat().st_mode | 0o711)
    return folder


def submit(client: Client, paths: Sequence[Path], parameters: RunParameters = QUICK) -> str:
    sources = collect_sources(map(str, paths), None, False, "train").sources
    return client.submit_sources(sources, parameters, 0, lambda name: None).name


def fast_sources(folder: Path, tags: Sequence[str]) -> list[Path]:
    """Files that the test stages recognise, such as `ok_none`, `poison_matting`."""
    paths = []
    for number, tag in enumerate(tags):
        path = folder / f"fast_{tag}_{number:03}.mp4"
        path.write_text(f"{tag} {number} {folder}")
        paths.append(path)
    return paths


def wait_for_end(client: Client, name: str, seconds: float = 900) -> pb.Run:
    def ended() -> bool:
        try:
            return client.get(name).state in ENDED
        except ServerError:  # the orchestrator may be what was killed
            return False

    wait_until(ended, seconds, f"{name} ends")
    return client.get(name)


def rows(cluster: Cluster, table: sa.Table, name: str) -> list[sa.RowMapping]:
    engine = sa.create_engine(cluster.database_url())
    column = table.c.id if table is run else table.c.run_id
    try:
        with closing(engine.connect()) as connection:
            wanted = sa.select(table).where(column == name.removeprefix("runs/"))
            return list(connection.execute(wanted).mappings())
    finally:
        engine.dispose()


def store_of(cluster: Cluster) -> S3Store:
    found = cluster.store_environment()
    settings = StoreSettings(
        endpoint=found["TALKMILL_STORE__ENDPOINT"],
        access_key=found["TALKMILL_STORE__ACCESS_KEY"],
        secret_key=found["TALKMILL_STORE__SECRET_KEY"],
    )
    return open_store(settings, "test")


def check_whole(cluster: Cluster, client: Client, name: str, clip_count: int, out: Path) -> None:
    """Every clip ended once, is in the set once, and nothing is open."""
    clips = rows(cluster, clip, name)
    assert len(clips) == clip_count
    assert {row["state"] for row in clips} == {"SUCCEEDED"}
    assert {row["state"] for row in rows(cluster, source, name)} == {"SUCCEEDED"}
    executions = rows(cluster, stage_run, name)
    assert {row["state"] for row in executions} == {"SUCCEEDED"}
    assert len(executions) == clip_count * len(names_of("source", "clip")) + 3  # intake, pack and finish once a run
    assert rows(cluster, run, name)[0]["open_count"] == 0
    client.fetch(name, out, lambda path: None)
    lines = (out / "lmdb/train_list.txt").read_text().splitlines()
    assert sorted(lines) == sorted(row["name"] for row in clips)
    assert (out / "rejected.jsonl").read_text() == ""


def stop_hard(cluster: Cluster, program: str) -> None:
    """kill -9, and stay down until it is started."""
    os.kill(cluster.pid(program), signal.SIGKILL)
    cluster.control("stop", program)


@pytest.fixture
def until_running(client: Client) -> Callable[[str, str, int], None]:
    """Wait until so many executions of a stage have succeeded."""

    def wait(name: str, stage: str, count: int) -> None:
        def reached() -> bool:
            return any(one.stage == stage and one.succeeded_count >= count for one in client.get(name).stages)

        wait_until(reached, 300, f"{count} executions of {stage}")

    return wait


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of its own."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/test.sqlite"
    cluster = request.getfixturevalue("cluster")
    name = f"test_{uuid.uuid4().hex}"
    admin = sa.create_engine(cluster.database_url(), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    admin.dispose()
    return str(cluster.database_url().rpartition("/")[0] + f"/{name}")


@pytest.fixture
def database(url: str) -> Iterator[sa.Engine]:
    engine = open_database(url, 4)
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def ledger(database: sa.Engine) -> Ledger:
    return Ledger(database)
