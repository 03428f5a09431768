"""What a person is told of a connection that cannot be. The servers are real."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

import grpc
import pytest
import trustme
from typer.testing import CliRunner

from talkmill.api.pipeline.v1 import pipeline_pb2 as pb
from talkmill.api.pipeline.v1.pipeline_pb2_grpc import PipelineServiceServicer, add_PipelineServiceServicer_to_server
from talkmill.cli.app import app
from talkmill.client.client import Client, ServerError
from talkmill.stages.errors import UnauthenticatedError
from talkmill.wire.status import trailing_status

MARK = "MaRkEdSeCrEt"


class Servicer(PipelineServiceServicer):
    """Has no runs, and wants a token where the test says so."""

    wants_token = False

    def ListRuns(self, request: pb.ListRunsRequest, context: Any) -> pb.ListRunsResponse:  # noqa: N802
        if self.wants_token:
            code, message, metadata = trailing_status(UnauthenticatedError("the call has no bearer token"), "")
            context.set_trailing_metadata(metadata)
            context.abort(code, message)
        return pb.ListRunsResponse()


class OfTheWeb(BaseRequestHandler):
    """Answers as a server of HTTP 1.1 does, and stays until the client goes."""

    def handle(self) -> None:
        with suppress(ConnectionError):
            self.request.recv(1 << 16)
            self.request.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            while self.request.recv(1 << 16):
                pass


@contextmanager
def serving(servicer: Servicer | None, credentials: grpc.ServerCredentials | None = None) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(2))
    if servicer:
        add_PipelineServiceServicer_to_server(servicer, server)
    port = (
        server.add_secure_port("localhost:0", credentials) if credentials else server.add_insecure_port("localhost:0")
    )
    server.start()
    yield f"localhost:{port}"
    server.stop(None).wait(10)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Addresses by what answers there, and two CA files."""
    folder, authority = tmp_path_factory.mktemp("tls"), trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    trustme.CA().cert_pem.write_to_path(folder / "other.pem")

    def credentials(name: str, mutual: bool = False, end: datetime | None = None) -> grpc.ServerCredentials:
        issued = authority.issue_cert(name, not_after=end)
        pair = issued.private_key_pem.bytes(), issued.cert_chain_pems[0].bytes()
        return grpc.ssl_server_credentials([pair], authority.cert_pem.bytes() if mutual else None, mutual)

    web = ThreadingTCPServer(("localhost", 0), OfTheWeb)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    with ExitStack() as stack:
        closed = Servicer()
        closed.wants_token = True
        yield {
            "ca": str(folder / "ca.pem"),
            "other ca": str(folder / "other.pem"),
            "open": stack.enter_context(serving(Servicer())),
            "closed": stack.enter_context(serving(closed)),
            "stage": stack.enter_context(serving(None)),
            "tls": stack.enter_context(serving(Servicer(), credentials("localhost"))),
            "expired": stack.enter_context(
                serving(Servicer(), credentials("localhost", end=datetime(2020, 1, 1, tzinfo=UTC)))
            ),
            "misnamed": stack.enter_context(serving(Servicer(), credentials("example.org"))),
            "mtls": stack.enter_context(serving(Servicer(), credentials("localhost", True))),
            "web": f"localhost:{web.server_address[1]}",
        }
    web.shutdown()
    web.server_close()


@pytest.mark.parametrize(
    ("server", "ca", "told"),
    [
        ("stage", "", "does not know this call: is it the port of a stage"),
        ("web", "", "is no gRPC server"),
        ("tls", "", "where it speaks TLS, set TALKMILL_SERVER_CA"),
        ("open", "ca", "speaks plain text, and TALKMILL_SERVER_CA asks for TLS"),
        ("tls", "other ca", "was not signed by who stands in TALKMILL_SERVER_CA"),
        ("misnamed", "ca", "is for another name"),
        ("expired", "ca", "has expired"),
        ("mtls", "ca", "wants a client's certificate"),
        ("closed", "", "UNAUTHENTICATED: the call has no bearer token; set TALKMILL_TOKEN"),
    ],
)
def test_what_is_wrong_is_told(server: str, ca: str, told: str, servers: dict[str, str]) -> None:
    with Client(servers[server], ca=servers[ca] if ca else None) as client, pytest.raises(ServerError) as caught:
        list(client.runs(1))
    assert told in str(caught.value)
    assert server == "closed" or servers[server] in str(caught.value)


def test_a_watch_does_not_wait_for_what_does_not_mend_itself(servers: dict[str, str]) -> None:
    with Client(servers["tls"], ca=servers["other ca"]) as client, pytest.raises(ServerError, match="not signed by"):
        list(client.watch("runs/1", patience_seconds=300))


@pytest.mark.parametrize(
    ("server", "told"),
    [
        ("", "is empty"),
        ("orchestrator", "orchestrator has no port"),
        ("http://orchestrator:50051", "without http://"),
        (f"https://me:{MARK}@host:50051/?k={MARK}", "without http://"),
        (f"me:{MARK}@host:50051", "no address of a server"),
        ("host:port", "no address of a server"),
        ("host:70000", "no address of a server"),
        ("host:0", "no address of a server"),
        ("::1", "no address of a server"),
        ("a b:1", "no address of a server"),
    ],
)
def test_what_is_no_address_is_told(server: str, told: str) -> None:
    with pytest.raises(ServerError) as caught:
        Client(server)
    assert told in str(caught.value)
    assert "host:port of the orchestrator, such as localhost:50051" in str(caught.value)
    assert MARK not in str(caught.value)


@pytest.mark.parametrize(
    "token", [f"{MARK}\nb", f"{MARK} b", f"{MARK}é", f"{MARK}\0b", f"Bearer {MARK}", f"{MARK}\udc80"]
)
def test_what_is_no_token_is_told_without_it(token: str) -> None:
    with pytest.raises(ServerError, match="TALKMILL_TOKEN has ") as caught:
        Client("localhost:1", token)
    assert MARK not in str(caught.value)


def test_line_breaks_around_a_token_are_left_out(servers: dict[str, str]) -> None:
    with Client(servers["open"], f" {MARK}\n") as client:
        assert list(client.runs(1)) == []


def test_a_file_that_is_no_authority_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(ServerError, match=r"TALKMILL_SERVER_CA: .*ca.pem cannot be used"):
        Client("localhost:1", ca=tmp_path / "ca.pem")


def test_a_list_of_nothing_is_a_sentence(servers: dict[str, str]) -> None:
    done = CliRunner().invoke(app, ["list", "--server", servers["open"]])
    assert (done.exit_code, done.stdout) == (0, "")
    assert "there are no runs" in done.stderr


def test_the_command_names_its_flag(servers: dict[str, str]) -> None:
    done = CliRunner().invoke(app, ["list", "--server", servers["stage"]])
    assert "--server is that of the orchestrator" in str(done.exception)
