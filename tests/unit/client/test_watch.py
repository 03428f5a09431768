"""A watched run survives restarts of the server. The server is real, its runs are made up."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from talkmill.api.pipeline.v1 import pipeline_pb2 as pb
from talkmill.api.pipeline.v1.pipeline_pb2_grpc import (
    PipelineServiceServicer,
    add_PipelineServiceServicer_to_server,
)
from talkmill.client.client import Client, ServerError
from talkmill.stages.errors import DatabaseUnavailableError, RunNotFoundError
from talkmill.wire.status import trailing_status

NAME = "runs/1"


def state(done: int, ended: bool = False) -> pb.Run:
    return pb.Run(name=NAME, succeeded_clip_count=done, state=pb.STATE_SUCCEEDED if ended else pb.STATE_RUNNING)


class Server:
    """A PipelineService that streams what it is told to, and can go away and come back at its address."""

    def __init__(self, port: int) -> None:
        self.address = f"127.0.0.1:{port}"
        self.stream: Callable[[], Iterator[pb.Run]] = lambda: iter(())
        self.calls = 0
        self.leaving = threading.Event()

    def up(self) -> None:
        server = self
        self.leaving.clear()

        class Servicer(PipelineServiceServicer):
            def WatchRun(  # noqa: N802
                self, request: object, context: grpc.ServicerContext
            ) -> Iterator[pb.WatchRunResponse]:
                server.calls += 1
                try:
                    for run in server.stream():
                        yield pb.WatchRunResponse(run=run)
                except (RunNotFoundError, DatabaseUnavailableError) as error:
                    code, message, metadata = trailing_status(error, "orchestrator")
                    context.set_trailing_metadata(metadata)
                    context.abort(code, message)

        self._server = grpc.server(ThreadPoolExecutor(4))
        add_PipelineServiceServicer_to_server(Servicer(), self._server)
        assert self._server.add_insecure_port(self.address)
        self._server.start()

    def down(self) -> None:
        self.leaving.set()
        self._server.stop(None).wait(10)


@pytest.fixture
def server(free_port: Callable[[], int]) -> Iterator[Server]:
    server = Server(free_port())
    server.up()
    yield server
    server.down()


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.address) as client:
        yield client


def test_a_watch_survives_restarts_for_longer_in_all_than_its_patience(server: Server, client: Client) -> None:
    """Three breaks of 1 s each, with a patience of 2 s: patience is counted from each break."""

    def stream() -> Iterator[pb.Run]:
        yield state(server.calls, ended=server.calls == 4)
        if server.calls < 4:
            server.leaving.wait(30)

    server.stream = stream
    seen = []
    for run in client.watch(NAME, patience_seconds=2):
        seen.append(run.succeeded_clip_count)
        if len(seen) < 4:
            server.down()
            threading.Timer(1.0, server.up).start()
    assert seen == [1, 2, 3, 4]


def test_a_server_that_stays_away_ends_the_watch_with_one_error(server: Server, client: Client) -> None:
    server.stream = lambda: iter([state(1)])
    watch = client.watch(NAME, patience_seconds=0.3)
    assert next(watch).succeeded_clip_count == 1
    server.down()
    with pytest.raises(
        ServerError, match=r"no orchestrator answers at 127.*it was away for .* `talkmill watch runs/1`"
    ):
        list(watch)
    server.up()


def test_a_stream_that_ends_before_its_run_is_opened_again(server: Server, client: Client) -> None:
    """A server that stops in good order ends its streams without an error."""
    server.stream = lambda: iter([state(server.calls, ended=server.calls == 3)])
    assert [run.succeeded_clip_count for run in client.watch(NAME, patience_seconds=5)] == [1, 2, 3]


def test_a_refusal_is_explained_and_not_tried_again(server: Server, client: Client) -> None:
    def refuses() -> Iterator[pb.Run]:
        raise RunNotFoundError("there is no run 1")
        yield

    server.stream = refuses
    with pytest.raises(ServerError, match="RUN_NOT_FOUND: there is no run 1"):
        list(client.watch(NAME, patience_seconds=60))
    assert server.calls == 1


def test_a_server_without_its_database_is_waited_for(server: Server, client: Client) -> None:
    def stream() -> Iterator[pb.Run]:
        if server.calls < 3:
            raise DatabaseUnavailableError("the database does not answer")
        yield state(9, ended=True)

    server.stream = stream
    assert [run.succeeded_clip_count for run in client.watch(NAME, patience_seconds=60)] == [9]


def test_a_store_that_cannot_be_reached_is_named(client: Client, free_port: Callable[[], int]) -> None:
    import tempfile
    from pathlib import Path
    from types import SimpleNamespace

    from talkmill.artifacts.artifact import Artifact

    port = free_port()
    entry = SimpleNamespace(
        path="report.json",
        get_uri=f"http://127.0.0.1:{port}/talkmill/report.json?X-Amz-Signature=secret",
        artifact=Artifact("talkmill", "report.json", "0" * 64, 1, "t"),
    )
    client._call = lambda method, request: SimpleNamespace(artifacts=[entry], next_page_token="")
    with (
        tempfile.TemporaryDirectory() as folder,
        pytest.raises(ServerError, match=rf"the object store at 127\.0\.0\.1:{port} does not serve") as caught,
    ):
        client.fetch(NAME, Path(folder), lambda path: None)
    assert "secret" not in str(caught.value)
