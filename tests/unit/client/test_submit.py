"""What a client makes of a folder. The server is real, its store is made up."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from typer.testing import CliRunner

from talkmill.api.pipeline.v1 import pipeline_pb2 as pb
from talkmill.api.pipeline.v1.pipeline_pb2_grpc import PipelineServiceServicer, add_PipelineServiceServicer_to_server
from talkmill.cli.app import app
from talkmill.client.client import Client
from talkmill.pipeline.search import PassedOver
from talkmill.stages.errors import InvalidRequestError
from talkmill.wire.status import trailing_status


class Servicer(PipelineServiceServicer):
    """Has every upload already, and remembers which run was asked for."""

    def __init__(self) -> None:
        self.runs: list[pb.CreateRunRequest] = []
        self.refuses = False

    def CreateUpload(self, request: pb.CreateUploadRequest, context: Any) -> pb.CreateUploadResponse:  # noqa: N802
        if request.file_name == "b.mxf" and self.refuses:
            code, message, metadata = trailing_status(InvalidRequestError("sha256: no", field="sha256"), "")
            context.set_trailing_metadata(metadata)
            context.abort(code, message)
        upload = {
            "bucket": "uploads",
            "key": request.sha256,
            "sha256": request.sha256,
            "size_bytes": request.size_bytes,
        }
        return pb.CreateUploadResponse(upload=upload)

    def CreateRun(self, request: pb.CreateRunRequest, context: object) -> pb.CreateRunResponse:  # noqa: N802
        self.runs.append(request)
        return pb.CreateRunResponse(run=pb.Run(name="runs/1"))


@pytest.fixture
def server() -> Iterator[tuple[str, Servicer]]:
    servicer, server = Servicer(), grpc.server(ThreadPoolExecutor(4))
    add_PipelineServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}", servicer
    server.stop(None).wait(10)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in {"a.mp4": "a", "a copy.mp4": "a", "b.mxf": "b", "._a.mp4": "x", "notes.txt": "n"}.items():
        (tmp_path / name).write_text(content)
    return tmp_path


def test_each_content_is_submitted_once_and_the_rest_is_told(server: tuple[str, Servicer], folder: Path) -> None:
    told: list[tuple[PassedOver, ...]] = []
    with Client(server[0]) as client:
        client.submit(folder, passed_over=told.append)
    (run,) = server[1].runs
    assert [source.uri for source in run.sources] == ["a.mp4", "b.mxf"]
    (rows,) = told
    assert {row.kind: row.count for row in rows} == {"duplicate": 1, "hidden file": 1, ".txt file": 1}


def test_the_command_prints_it(server: tuple[str, Servicer], folder: Path) -> None:
    result = CliRunner().invoke(app, ["submit", str(folder), "--server", server[0]])
    assert result.exit_code == 0, result.output
    assert "1 hidden file" in result.stderr
    assert result.stdout == "runs/1\n"


def test_a_file_that_the_server_refuses_is_named(server: tuple[str, Servicer], folder: Path) -> None:
    server[1].refuses = True
    result = CliRunner().invoke(app, ["submit", str(folder), "--server", server[0]])
    assert result.exit_code != 0
    assert "b.mxf cannot be uploaded: INVALID_REQUEST: sha256: no" in str(result.exception)


def test_more_sources_than_a_run_may_have_are_refused_before_an_upload(
    server: tuple[str, Servicer], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("talkmill.client.client.MAX_SOURCES", 1)
    result = CliRunner().invoke(app, ["submit", str(folder), "--server", server[0]])
    assert result.exit_code != 0
    assert "2 sources; a run has at most 1: submit them in several runs" in str(result.exception)
    assert not server[1].runs
