"""A secret in any text of any request is refused, or neither kept nor shown. The texts are found by the descriptor."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from deploy.local.cluster import metrics_text
from talkmill.api.pipeline.v1 import pipeline_pb2 as pb
from talkmill.api.pipeline.v1.pipeline_pb2_grpc import PipelineServiceStub
from talkmill.client.client import Client
from tests.orchestrator.test_addresses import columns_with_the_mark
from tests.secret_site import MARK, files_with_the_mark
from tests.servers import is_ready, running_minio, running_process, store_environment, wait_until

METHODS = pb.DESCRIPTOR.services_by_name["PipelineService"].methods_by_name
PLANTED = (
    f"https://me:{MARK}@a.example/x.mp4?token={MARK}#{MARK}",
    f"x.mp4?token={MARK}",
    f"see http://a.example/?k={MARK}",
)


@dataclass
class Server:
    address: str
    metrics_port: int
    folder: Path
    upload: Any


@pytest.fixture(scope="module")
def server(free_port: Callable[[], int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An orchestrator without stages, whose store and database can be searched."""
    folder = tmp_path_factory.mktemp("planted")
    (folder / "minio").mkdir()
    port, measured = free_port(), free_port()
    with running_minio(folder / "minio") as store, running_process(["orchestrator"], folder / "log", {
        **store_environment(store),
        "TALKMILL_DATABASE_URL": f"sqlite:///{folder}/db.sqlite",
        "TALKMILL_LISTEN__PORT": str(port),
        "TALKMILL_LISTEN__METRICS_PORT": str(measured),
        "TALKMILL_LOG_LEVEL": "debug",
    }):  # fmt: skip
        wait_until(lambda: is_ready(port), 60, "the orchestrator is ready")
        with Client(f"127.0.0.1:{port}") as client:
            (folder / "a.mp4").write_bytes(b"a video")
            digest = hashlib.sha256(b"a video").hexdigest()
            upload = client.upload(folder / "a.mp4", "a.mp4", digest, 7)
        yield Server(f"127.0.0.1:{port}", measured, folder, upload)


def texts(message: Message, path: str = "") -> Iterator[tuple[str, Callable[[str], None]]]:
    """Yield path and setter of every text of a message, and of the messages in it."""
    for field in message.DESCRIPTOR.fields:
        where = f"{path}{field.name}"
        value = getattr(message, field.name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            continue
        if field.message_type is not None:
            inner = (value[0] if len(value) else value.add()) if field.is_repeated else value
            yield from texts(inner, f"{where}.")
        elif field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
            if field.is_repeated:
                yield where, lambda text, value=value: value.append(text)  # type: ignore[misc]
            else:
                yield where, lambda text, name=field.name: setattr(message, name, text)  # type: ignore[misc]


def requests(server: Server) -> Iterator[tuple[str, Message]]:
    """Yield requests of every method that would be taken as they are."""
    artifact = {name: getattr(server.upload, name) for name in ("bucket", "key", "sha256", "size_bytes", "media_type")}
    with grpc.insecure_channel(server.address) as channel:
        stub = PipelineServiceStub(channel)
        source = pb.Source(uri="a.mp4", upload=artifact, person="somebody")
        run = stub.CreateRun(pb.CreateRunRequest(sources=[source]), timeout=20).run.name
    given = {
        "CreateRun": [
            pb.CreateRunRequest(sources=[source]),
            pb.CreateRunRequest(sources=[pb.Source(uri="https://a.example/b.mp4", person="somebody")]),
            pb.CreateRunRequest(source_list=artifact),
        ],
        "CreateUpload": [pb.CreateUploadRequest(file_name="b.mp4", sha256="a" * 64, size_bytes=3)],
        "RetryRun": [pb.RetryRunRequest(name=run)],
    }
    for name, method in METHODS.items():
        kind = getattr(pb, method.input_type.name)
        field = "name" if "name" in kind.DESCRIPTOR.fields_by_name else "parent"
        empty = kind(**{field: run}) if field in kind.DESCRIPTOR.fields_by_name else kind()
        for request in given.get(name, [empty]):
            yield name, request


def test_no_text_of_a_request_gives_a_secret_away(server: Server) -> None:
    planted, taken, answers = set(), set(), []
    with grpc.insecure_channel(server.address) as channel:
        stub = PipelineServiceStub(channel)
        for name, request in list(requests(server)):
            # Looking makes empty messages, which are fields that are set: each text has a copy of its own.
            for number in range(len(list(texts(clone(request))))):
                for text in PLANTED:
                    copy = clone(request)
                    where, plant = list(texts(copy))[number]
                    plant(text)
                    only(copy, request, where)
                    planted.add(f"{name}.{where}")
                    try:
                        answer = getattr(stub, name)(copy, timeout=20)
                        answers.append(str(next(iter(answer)) if METHODS[name].server_streaming else answer))
                        taken.add(f"{name}.{where}")
                    except grpc.RpcError as error:
                        answers.append(f"{error.details()} {error.trailing_metadata()}")
    assert {"CreateRun.request_id", "CreateRun.sources.person", "CreateUpload.file_name", "RetryRun.clips"} <= planted
    assert {"CreateRun.sources.person", "CreateRun.sources.uri", "CreateUpload.file_name"} <= taken
    with Client(server.address) as client:
        for run in list(client.runs(1000)):
            wait_until(lambda name=run.name: client.get(name).sources_complete or client.get(name).reason, 30, "intake")  # type: ignore[misc]
            answers += [str(clip) for clip in client.clips(run.name)] + [str(client.get(run.name))]
            client.cancel(run.name)
    assert [answer for answer in answers if MARK in answer] == []
    assert MARK not in (server.folder / "log").read_text() + metrics_text(server.metrics_port)
    assert columns_with_the_mark(server.folder / "db.sqlite") <= {("source", "address")}
    stored = [path for path in files_with_the_mark(server.folder / "minio") if ".trash" not in path.parts]
    assert stored == []


def clone(request: Message) -> Any:
    copy = type(request)()
    copy.CopyFrom(request)
    return copy


def only(copy: Any, request: Any, where: str) -> None:
    """Take out of a copy what looking for its texts has added beside the one that was planted."""
    for field in copy.DESCRIPTOR.fields:
        head = where.partition(".")[0]
        if field.message_type is None or field.name == head:
            continue
        if field.is_repeated:
            if not len(getattr(request, field.name)):
                copy.ClearField(field.name)
        elif not request.HasField(field.name):
            copy.ClearField(field.name)
