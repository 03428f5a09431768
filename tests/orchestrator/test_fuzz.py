"""Malformed requests, over every field of every RPC: INVALID_ARGUMENT that names the field, or another honest answer."""

import asyncio
import base64
import json
import math
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy.local.cluster import Cluster
from orchestrator.uploads import upload_key
from services.executions import ExecutionPool
from services.servicer import StageServicer
from talkmill.api.pipeline.v1 import pipeline_pb2 as pb
from talkmill.artifacts.local import LocalStore
from talkmill.region import Region
from talkmill.serving.server import start_server
from talkmill.serving.settings import ServerSettings
from talkmill.stages.errors import NoFaceError
from talkmill.wire.messages import fill_message
from talkmill.wire.methods import stage_methods
from talkmill.wire.status import error_info

METHODS = stage_methods()
PIPELINE = {method.name: method for method in pb.DESCRIPTOR.services_by_name["PipelineService"].methods}
DEFECTS = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DATA_LOSS)
fuzzed = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

BAD_TEXT = [
    "",
    "\0",
    "a\0b",
    "../../etc/passwd",
    "/etc/passwd",
    "x" * 5000,
    "\U0001f4a5",
    "runs/",
    "runs/../x",
    "\u202e",
    "%s%n",
    "' OR 1=1 --",
]
BAD_INTEGERS = [-1, 0, 1, 2**31 - 1, -(2**31)]
BAD_LARGE = [*BAD_INTEGERS, 2**63 - 1, -(2**63)]
BAD_NUMBERS = [math.nan, math.inf, -math.inf, -1.0, 0.0, 1e300, -1e300]
INTEGERS = {FieldDescriptor.CPPTYPE_INT32: BAD_INTEGERS, FieldDescriptor.CPPTYPE_INT64: BAD_LARGE}


def scalars(field: Any) -> st.SearchStrategy[Any]:
    """Values that are bad, or could be."""
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_STRING:
        return st.one_of(
            st.sampled_from(BAD_TEXT),
            st.text(max_size=40).filter(lambda text: text.isascii() or text.encode("utf-8", "ignore").decode() == text),
        )
    if kind in INTEGERS:
        return st.sampled_from(INTEGERS[kind])
    if kind == FieldDescriptor.CPPTYPE_DOUBLE:
        return st.one_of(st.sampled_from(BAD_NUMBERS), st.floats())
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return st.sampled_from([0, 1, 2, 99, -1])
    return st.booleans()


@st.composite
def messages(draw: st.DrawFn, kind: type[Message], depth: int = 0) -> Message:
    """Any message of a kind: each field absent, or of any value."""
    message: Any = kind()
    for field in kind.DESCRIPTOR.fields:
        if depth > 3 or not draw(st.booleans()):
            continue
        inner = field.message_type
        if inner is not None and inner.GetOptions().map_entry:
            continue
        if inner is not None:
            target = getattr(message, field.name)
            made = [target.add() for _ in range(draw(st.integers(1, 2)))] if field.is_repeated else [target]
            for one in made:
                one.CopyFrom(draw(messages(type(one), depth + 1)))
        elif field.is_repeated:
            getattr(message, field.name).extend(draw(st.lists(scalars(field), max_size=4)))
        else:
            setattr(message, field.name, draw(scalars(field)))
    return message


def leaves(message: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Every scalar that is set: its path, the message that holds it, its descriptor."""
    for field, value in message.ListFields():
        where = f"{path}.{field.name}" if path else field.name
        if field.message_type is not None and not field.is_repeated:
            yield from leaves(value, where)
        elif field.message_type is not None and not field.message_type.GetOptions().map_entry:
            for index, item in enumerate(value):
                yield from leaves(item, f"{where}.{index}")
        elif not field.is_repeated:
            yield where, message, field


class Always:
    """A stage that rejects whatever it is given."""

    version, models, execution_provider, arithmetic, keeps_result = "0", (), "", "", True

    def __init__(self, name: str, outputs_type: type[Any]) -> None:
        self.name, self.outputs_type = name, outputs_type

    def load(self) -> None:
        pass

    def run(self, inputs: Any, context: Any) -> Any:
        raise NoFaceError("rejected by the test")


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[grpc.Channel]:
    """Every stage's service over stages that reject, in this process."""
    folder = tmp_path_factory.mktemp("fuzz")
    buckets = {"work": "talkmill-work", "dataset": "talkmill-datasets"}
    store = LocalStore({name: folder / name for name in buckets.values()})
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()

    async def serve() -> Any:
        def add(server: Any) -> list[str]:
            for name, method in METHODS.items():
                stage = Always(name, method.outputs)
                servicer = StageServicer(method, lambda inputs, s=stage: s, store, buckets, folder, ExecutionPool(8, 1))
                server.add_generic_rpc_handlers((servicer.handler(),))
            return [method.service for method in METHODS.values()]

        return await start_server(ServerSettings(listen={"port": 0, "metrics_port": 0}), add)

    running = asyncio.run_coroutine_threadsafe(serve(), loop).result(30)
    with grpc.insecure_channel(f"127.0.0.1:{running.port}") as channel:
        yield channel
    asyncio.run_coroutine_threadsafe(running.stop(0), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)


def call_stage(channel: grpc.Channel, stage: str, request: Message) -> grpc.RpcError | None:
    method = METHODS[stage]
    stream = channel.unary_stream(
        method.path,
        request_serializer=method.request.SerializeToString,
        response_deserializer=method.response.FromString,
    )
    try:
        list(stream(request, timeout=20))
    except grpc.RpcError as error:
        return error
    return None


def page_token(*values: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode()


def check(error: grpc.RpcError | None) -> Any:
    """An answer is honest: no defect, one ErrorInfo, and a field where a request is malformed."""
    if error is None:
        return None
    assert error.code() not in DEFECTS, f"{error.code()}: {error.details()}"
    info = error_info(error)
    assert info is not None, error
    if error.code() == grpc.StatusCode.INVALID_ARGUMENT:
        assert info.reason == "INVALID_REQUEST"
        assert info.metadata["field"], error.details()
    return info


def valid_request(stage: str) -> Message:
    """A request that is well formed: artifacts that are not there, everything else at its default."""
    method = METHODS[stage]
    request: Any = method.request()
    request.context.request_id = f"valid-{stage}"
    request.context.name = "runs/r1"
    request.context.output_bucket = "talkmill-work"
    request.context.output_key_prefix = "runs/r1/"
    for field in method.request.DESCRIPTOR.fields:
        if field.message_type is not None and field.message_type.name == "Artifact":
            getattr(request, field.name).MergeFrom(
                type(getattr(request, field.name))(
                    bucket="talkmill-work", key="not/there", sha256="a" * 64, size_bytes=1, media_type="x/y"
                )
            )
        elif field.name == "region":
            fill_message(Region(8, 8, 64, 64), request.region)
        elif field.name == "rate":
            request.rate = "25"
        elif field.name == "background_color":
            request.background_color.extend([255, 255, 255])
        elif field.name == "size":
            request.size = 512
        elif field.name == "uri":
            request.uri = "https://example.invalid/a.mp4"
        elif field.name == "parameters":
            hints = method.inputs.__annotations__["parameters"]
            request.parameters.SetInParent()
            fill_message(hints(), request.parameters)
    return request


@pytest.mark.parametrize("stage", METHODS)
def test_a_well_formed_request_is_not_refused(stage: str, stages: grpc.Channel) -> None:
    info = check(call_stage(stages, stage, valid_request(stage)))
    assert info.reason == "INPUT_MISSING"


@pytest.mark.parametrize("stage", METHODS)
@fuzzed
@given(data=st.data())
def test_any_request_gets_an_honest_answer(stage: str, stages: grpc.Channel, data: st.DataObject) -> None:
    check(call_stage(stages, stage, data.draw(messages(METHODS[stage].request))))


@pytest.mark.parametrize("stage", METHODS)
def test_each_field_that_is_spoiled_is_named(stage: str, stages: grpc.Channel) -> None:
    request = valid_request(stage)
    named = 0
    for path, _, field in list(leaves(request)):
        kind = field.cpp_type
        values = (
            BAD_TEXT
            if kind == FieldDescriptor.CPPTYPE_STRING
            else BAD_NUMBERS
            if kind == FieldDescriptor.CPPTYPE_DOUBLE
            else INTEGERS.get(kind, [])
        )
        for number, value in enumerate(values):
            spoiled = valid_request(stage)
            (holder,) = [one for where, one, _ in leaves(spoiled) if where == path]
            setattr(holder, field.name, value)
            if path != "context.request_id":
                spoiled.context.request_id = f"{path}-{number}"
            info = check(call_stage(stages, stage, spoiled))
            if info.reason == "INVALID_REQUEST":
                assert info.metadata["field"] in (path, path.rpartition(".")[0]), (path, value, info.metadata["field"])
                named += 1
    assert named > 5


def call_pipeline(channel: grpc.Channel, name: str, request: Message) -> grpc.RpcError | None:
    method = PIPELINE[name]
    path = f"/{pb.DESCRIPTOR.services_by_name['PipelineService'].full_name}/{name}"
    kinds = {
        "request_serializer": type(request).SerializeToString,
        "response_deserializer": getattr(pb, method.output_type.name).FromString,
    }
    try:
        if method.server_streaming:
            next(iter(channel.unary_stream(path, **kinds)(request, timeout=20)))
        else:
            channel.unary_unary(path, **kinds)(request, timeout=20)
    except grpc.RpcError as error:
        return error
    return None


@pytest.mark.parametrize("name", PIPELINE)
@fuzzed
@given(data=st.data())
def test_any_pipeline_request_gets_an_honest_answer(name: str, cluster: Cluster, data: st.DataObject) -> None:
    request = data.draw(messages(getattr(pb, PIPELINE[name].input_type.name)))
    with grpc.insecure_channel(cluster.server) as channel:
        check(call_pipeline(channel, name, request))


GARBAGE = [b"\xff" * 20, b"\x0a\xff", b"\x08"]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_bytes_that_are_no_message_are_the_senders_mistake(
    garbage: bytes, stages: grpc.Channel, cluster: Cluster
) -> None:
    with grpc.insecure_channel(cluster.server) as channel:
        service = pb.DESCRIPTOR.services_by_name["PipelineService"].full_name
        calls = [(stages, method.path) for method in METHODS.values()]
        calls += [(channel, f"/{service}/{name}") for name in PIPELINE]
        for where, path in calls:
            with pytest.raises(grpc.RpcError) as caught:
                list(where.unary_stream(path)(garbage, timeout=20))
            assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT, (path, caught.value.details())


@pytest.mark.parametrize(
    ("name", "request_", "field"),
    [
        ("CreateRun", pb.CreateRunRequest(), "sources"),
        ("CreateRun", pb.CreateRunRequest(sources=[pb.Source(uri="https://a.example/b")] * 1001), "sources"),
        ("CreateRun", pb.CreateRunRequest(sources=[pb.Source(uri="/etc/passwd")]), "sources.0.uri"),
        ("CreateRun", pb.CreateRunRequest(sources=[pb.Source(uri="file:///etc/passwd")]), "sources.0.uri"),
        ("CreateRun", pb.CreateRunRequest(sources=[pb.Source(uri="https://a.example/b", split=9)]), "sources.0.split"),
        ("CreateRun", pb.CreateRunRequest(sources=[pb.Source(uri="https://a.example/b", link_person=True)]), "sources.0.link_person"),
        ("CreateRun", pb.CreateRunRequest(sources=[pb.Source(uri="https://a.example/b")], priority=1001), "priority"),
        ("CreateRun", pb.CreateRunRequest(sources=[pb.Source(uri="https://a.example/b")], parameters={"crop": {"size": 1}}), "parameters.crop.size"),
        ("CreateRun", pb.CreateRunRequest(source_list={"bucket": "talkmill-work", "key": "uploads/x", "sha256": "z"}), "source_list.sha256"),
        ("CreateRun", pb.CreateRunRequest(source_list={"bucket": "talkmill-datasets", "key": "uploads/x", "sha256": "a" * 64}), "source_list"),
        ("CreateRun", pb.CreateRunRequest(source_list={"bucket": "talkmill-work", "key": f"uploads/{'b' * 64}/x", "sha256": "a" * 64}), "source_list"),
        ("CreateRun", pb.CreateRunRequest(source_list={"bucket": "talkmill-work", "key": upload_key("", "a" * 64, "x"), "sha256": "a" * 64, "size_bytes": 150_000_000}), "source_list.size_bytes"),
        ("GetRun", pb.GetRunRequest(name="nonsense"), "name"),
        ("ListRuns", pb.ListRunsRequest(page_size=-1), "page_size"),
        ("ListRuns", pb.ListRunsRequest(page_token="nonsense"), "page_token"),
        ("ListRuns", pb.ListRunsRequest(page_token=page_token(-1.0, "a")), "page_token"),
        ("ListRuns", pb.ListRunsRequest(page_token=page_token(float("nan"), "a")), "page_token"),
        ("ListRunArtifacts", pb.ListRunArtifactsRequest(parent="runs/000000000000", page_token=page_token(-3)), "page_token"),
        ("ListClips", pb.ListClipsRequest(parent="runs/000000000000", page_token=page_token(0, -2, "a")), "page_token"),
        ("CancelRun", pb.CancelRunRequest(), "name"),
        ("RetryRun", pb.RetryRunRequest(name="runs/a", from_stage="nonsense"), "from_stage"),
        ("WatchRun", pb.WatchRunRequest(name="runs/../a"), "name"),
        ("ListClips", pb.ListClipsRequest(parent="runs/a", page_size=1001), "page_size"),
        ("CreateUpload", pb.CreateUploadRequest(file_name="../a.mp4", sha256="a" * 64, size_bytes=1), "file_name"),
        ("CreateUpload", pb.CreateUploadRequest(file_name="a.mp4", sha256="A" * 64, size_bytes=1), "sha256"),
        ("CreateUpload", pb.CreateUploadRequest(file_name="a.mp4", sha256="a" * 64, size_bytes=6 << 30), "size_bytes"),
        ("ListRunArtifacts", pb.ListRunArtifactsRequest(parent="runs/a\0"), "parent"),
    ],
)  # fmt: skip
def test_the_pipeline_names_the_field(name: str, request_: Message, field: str, cluster: Cluster) -> None:
    with grpc.insecure_channel(cluster.server) as channel:
        info = check(call_pipeline(channel, name, request_))
    assert info.reason == "INVALID_REQUEST"
    assert info.metadata["field"] == field
