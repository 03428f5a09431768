"""Secrets of addresses on their way through real servers: the orchestrator, two stages and the store."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local.cluster import metrics_text
from talkmill.api.pipeline.v1 import pipeline_pb2 as pb
from talkmill.client.client import Client
from talkmill.client.sources import GivenSource
from talkmill.pipeline.graph import RunParameters
from tests.secret_site import BAD, GOOD, MARK, files_with_the_mark, secret_addresses
from tests.servers import is_ready, running_minio, running_process, store_environment, wait_until

ENDED = (pb.STATE_SUCCEEDED, pb.STATE_FAILED, pb.STATE_CANCELLED)


@pytest.fixture
def addresses(free_port: Callable[[], int]) -> Iterator[list[str]]:
    with secret_addresses(free_port) as found:
        yield found


def columns_with_the_mark(database: Path) -> set[tuple[str, str]]:
    """Return table and column of every value that has the secret."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        connection.row_factory = sqlite3.Row
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            (table, name)
            for table in tables
            for row in connection.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - of its own catalogue
            for name in row.keys()  # noqa: SIM118 - a row is no mapping
            if MARK in str(row[name])
        }


@pytest.mark.parametrize("listed", [False, True], ids=["inline", "list"])
def test_services_keep_and_show_no_secret_of_an_address(
    listed: bool,
    addresses: list[str],
    free_port: Callable[[], int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if listed:
        monkeypatch.setattr("talkmill.client.client.MAX_INLINE", 1)
    stages = ("download", "split")
    ports = {name: (free_port(), free_port()) for name in ("orchestrator", *stages)}

    def environment(name: str, **own: str) -> dict[str, str]:
        port, measured = ports[name]
        listen = {"TALKMILL_LISTEN__PORT": str(port), "TALKMILL_LISTEN__METRICS_PORT": str(measured)}
        scratch = {"TALKMILL_SCRATCH": str(tmp_path / name), "TALKMILL_LOG_LEVEL": "debug"}
        return store_environment(store) | listen | scratch | own

    targets = ", ".join(f'"{name}": "dns:///127.0.0.1:{ports[name][0]}"' for name in stages)
    database, logs = tmp_path / "orchestrator.sqlite", tmp_path / "logs"
    logs.mkdir()
    (tmp_path / "minio").mkdir()
    with (
        running_minio(tmp_path / "minio") as store,
        running_process(
            ["orchestrator"],
            logs / "orchestrator",
            environment(
                "orchestrator",
                TALKMILL_DATABASE_URL=f"sqlite:///{database}",
                TALKMILL_STAGE_TARGETS=f"{{{targets}}}",
            ),
        ),
        running_process(
            ["services", "download"],
            logs / "download",
            environment("download", TALKMILL_ALLOWED_NETWORKS='["127.0.0.0/8"]', TALKMILL_SLOTS="4"),
        ),
        running_process(["services", "split"], logs / "split", environment("split")),
    ):
        for name, (port, _) in ports.items():
            wait_until(lambda port=port: is_ready(port), 90, f"{name} is ready")  # type: ignore[misc]
        with Client(f"127.0.0.1:{ports['orchestrator'][0]}") as client:
            name = client.create([GivenSource(address) for address in addresses], RunParameters(), 0).name
            # A failure of the network is tried again for two minutes; the others have ended long before.
            wait_until(lambda: states(client, name)[0] >= len(addresses) - 1, 90, "the sources end")
            assert columns_with_the_mark(database) <= {("source", "address")}
            client.cancel(name)
            shown = [str(clip) for clip in client.clips(name)] + [str(client.get(name))]
            ended = {clip.source.rpartition("/")[2]: clip.reason for clip in client.clips(name)}
        measured = "".join(metrics_text(port) for _, port in ports.values())
        # The bytes of the good ones are no video: they came as far as split.
        expected = BAD | dict.fromkeys(GOOD, "NOT_A_VIDEO") | {"away.mp4": ""}
        assert ended == expected
        assert MARK not in "".join(shown) + measured
        # What MinIO was told to delete lies in its trash for a moment.
        stored = [path for path in files_with_the_mark(tmp_path / "minio") if ".trash" not in path.parts]
        assert stored == []
        assert not list((tmp_path / "minio/talkmill-work").rglob("sources-*"))
        assert {path.name: MARK in path.read_text() for path in logs.iterdir()} == dict.fromkeys(
            ("orchestrator", *stages), False
        )
    # Those that were downloaded are erased; those that were not can be retried.
    with sqlite3.connect(database) as connection:
        kept: dict[str, Any] = dict(connection.execute("SELECT name, address FROM source"))
    assert {name.partition(".")[0] for name, address in kept.items() if address} == {
        name.partition(".")[0] for name in BAD
    }


def states(client: Client, name: str) -> tuple[int, int]:
    """Return how many sources have failed, and how many there are."""
    run = client.get(name)
    return run.failed_source_count, run.source_count
