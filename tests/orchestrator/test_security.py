"""Tokens, TLS and mTLS on real servers; nothing secret in what they log."""

import asyncio
import datetime
import hashlib
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
import trustme
import yaml
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from deploy.local.cluster import metrics_text
from orchestrator.auth import SERVICE, AuthInterceptor, Tokens
from orchestrator.stage_caller import Refused, StageCaller
from orchestrator.tls import ClientTls
from orchestrator.tokens_file import TokensError
from talkmill.api.common.v1.common_pb2 import ExecutionContext
from talkmill.api.pipeline.v1 import pipeline_pb2 as pb
from talkmill.api.pipeline.v1.pipeline_pb2_grpc import PipelineServiceStub
from talkmill.artifacts.artifact import Artifact
from talkmill.client.client import Client, ServerError
from talkmill.client.sources import GivenSource
from talkmill.pipeline.graph import RunParameters
from talkmill.region import Region
from talkmill.serving.settings import StoreSettings
from talkmill.serving.stores import open_store
from talkmill.stages.errors import ScopeMissingError, UnauthenticatedError
from talkmill.telemetry import metrics
from talkmill.wire.messages import fill_message
from talkmill.wire.methods import stage_methods
from talkmill.wire.tokens import hash_token
from tests.servers import is_ready, running_process, store_environment, wait_until
from tests.unit.test_text import NAMES

WRITE, READ, EXPIRED, WRONG = "write-token-1", "read-token-2", "expired-token-3", "wrong-token-4"
OTHER, READ_ALL, WRITE_ALL = "other-token-5", "read-all-token-6", "write-all-token-7"
BOUNDED, ALSO_BOUNDED = "bounded-token-8", "bounded-token-9"


@dataclass
class Secured:
    port: int
    metrics_port: int
    health_port: int
    ca: Path
    authority: trustme.CA
    log: Path


@pytest.fixture(scope="module")
def secured(
    store_settings: StoreSettings, free_port: Callable[[], int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Secured]:
    """An orchestrator on SQLite with TLS and tokens."""
    folder = tmp_path_factory.mktemp("secured")
    authority = trustme.CA()
    server = authority.issue_cert("localhost", "127.0.0.1")
    server.private_key_pem.write_to_path(folder / "key.pem")
    server.cert_chain_pems[0].write_to_path(folder / "certificate.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    past = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    tokens = [
        {"name": "writer", "sha256": hash_token(WRITE), "scopes": ["write"]},
        {"name": "reader", "sha256": hash_token(READ), "scopes": ["read"], "expires": "2999-01-01T00:00:00Z"},
        {"name": "other", "sha256": hash_token(OTHER), "scopes": ["write"]},
        {"name": "watcher", "sha256": hash_token(READ_ALL), "scopes": ["read:all"]},
        {"name": "admin", "sha256": hash_token(WRITE_ALL), "scopes": ["write:all"]},
        {"name": "left", "sha256": hash_token(EXPIRED), "scopes": ["write"], "expires": past.isoformat()},
    ]
    quota = {"running_clips": 3, "upload_bytes": 5000}
    tokens += [
        {"name": name, "sha256": hash_token(token), "scopes": ["write"], "quota": quota}
        for name, token in (("ann", BOUNDED), ("bob", ALSO_BOUNDED))
    ]
    (folder / "tokens.yaml").write_text(yaml.safe_dump(tokens))
    found = Secured(free_port(), free_port(), free_port(), folder / "ca.pem", authority, folder / "log")
    environment = store_environment(store_settings) | {
        "TALKMILL_DATABASE_URL": f"sqlite:///{folder}/orchestrator.sqlite",
        "TALKMILL_LISTEN__PORT": str(found.port),
        "TALKMILL_LISTEN__METRICS_PORT": str(found.metrics_port),
        "TALKMILL_LISTEN__HEALTH_PORT": str(found.health_port),
        "TALKMILL_TLS__CERTIFICATE": str(folder / "certificate.pem"),
        "TALKMILL_TLS__KEY": str(folder / "key.pem"),
        "TALKMILL_TOKENS_FILE": str(folder / "tokens.yaml"),
        "TALKMILL_LOG_LEVEL": "debug",
        "TALKMILL_STREAMS_PER_OWNER": "3",
    }
    with running_process(["orchestrator"], found.log, environment):
        wait_until(lambda: is_ready(found.health_port), 60, "the plain health port says ready")
        yield found


def client(secured: Secured, token: str) -> Client:
    return Client(f"localhost:{secured.port}", token, secured.ca)


def create(connection: Client) -> str:
    return connection.create([GivenSource("http://example.invalid/a.mp4")], RunParameters(), 0).name


def test_a_write_token_writes_and_reads(secured: Secured) -> None:
    with client(secured, WRITE) as connection:
        name = create(connection)
        assert connection.get(name).name == name
        connection.cancel(name)


def test_a_read_token_only_reads(secured: Secured) -> None:
    with client(secured, READ) as connection:
        list(connection.runs(5))
        for call in (
            lambda: create(connection),
            lambda: connection.cancel("runs/abc"),
            lambda: connection.retry("runs/abc", [], ""),
        ):
            with pytest.raises(ServerError, match="SCOPE_MISSING"):
                call()


def test_file_names_of_every_language_are_taken(secured: Secured, tmp_path: Path) -> None:
    for number, name in enumerate([*NAMES, " .mp4", "two  spaces.mp4"]):
        (tmp_path / name).write_text(f"{number}")
    with client(secured, WRITE) as connection:
        run = connection.submit(tmp_path)
        wait_until(lambda: connection.get(run.name).sources_complete, 30, "the run has taken its sources in")
        taken = {clip.source for clip in connection.clips(run.name)}
        connection.cancel(run.name)
    assert taken == {*NAMES, ".mp4", "two spaces.mp4"}


@contextmanager
def methods(secured: Secured, token: str) -> Iterator[Callable[..., Any]]:
    """Call the service as any client may: method, then the request."""
    credentials = grpc.ssl_channel_credentials(secured.ca.read_bytes())
    with grpc.secure_channel(f"localhost:{secured.port}", credentials) as channel:
        stub = PipelineServiceStub(channel)
        metadata = [("authorization", f"Bearer {token}")]
        yield lambda method, request: getattr(stub, method)(request, timeout=10, metadata=metadata)


def about_anothers(random: Random, name: str, upload: Artifact) -> tuple[str, Any]:
    """Return a method and a request for what is another's."""
    method = random.choice(
        ["GetRun", "CancelRun", "RetryRun", "WatchRun", "ListClips", "ListRunArtifacts", "CreateRun"]
    )
    request = getattr(pb, f"{method}Request")()
    if method == "CreateRun":
        request.request_id = random.choice(["", "monday", "tuesday"])
        fill_message(upload, request.source_list if random.random() < 0.5 else request.sources.add().upload)
    elif method in ("ListClips", "ListRunArtifacts"):
        request.parent, request.page_size = name, random.choice([0, 1, 1000])
    else:
        request.name = name
        if method == "RetryRun":
            request.from_stage = random.choice(["", "split"])
    return method, request


def test_what_one_owns_another_can_neither_see_nor_change(secured: Secured, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"a video of mine")
    digest = hashlib.sha256(b"a video of mine").hexdigest()
    request = pb.CreateRunRequest(request_id="monday", sources=[pb.Source(uri="http://example.invalid/a.mp4")])
    with client(secured, WRITE) as mine, methods(secured, WRITE) as call:
        upload = mine.upload(tmp_path / "a.mp4", "a.mp4", digest, 15)
        name = call("CreateRun", request).run.name
        mine.cancel(name)
        before = mine.get(name)
        assert call("CreateRun", request).run.name == name
    random, refusals = Random(0), Counter[grpc.StatusCode]()
    with methods(secured, OTHER) as call:
        for _ in range(200):
            method, asked = about_anothers(random, name, upload)
            with pytest.raises(grpc.RpcError) as caught:
                answer = call(method, asked)
                list(answer) if method == "WatchRun" else None
            refusals[caught.value.code()] += 1
        assert set(refusals) == {grpc.StatusCode.NOT_FOUND}
        # A hash tells nothing of what others have.
        wanted = pb.CreateUploadRequest(file_name="a.mp4", sha256=digest, size_bytes=15)
        assert call("CreateUpload", wanted).put_uri
        assert name not in {run.name for run in call("ListRuns", pb.ListRunsRequest()).runs}
        another = call("CreateRun", request).run.name
        assert another != name
    with client(secured, WRITE) as mine:
        assert mine.get(name) == before
        assert another not in {run.name for run in mine.runs(100)}


def test_one_name_cannot_take_the_streams_of_others(secured: Secured) -> None:
    """Also not by streams of another's run, which a token of all may watch."""
    with client(secured, WRITE) as connection, methods(secured, WRITE) as mine, methods(secured, READ_ALL) as other:
        name = create(connection)
        request = pb.WatchRunRequest(name=name)
        try:
            streams = [mine("WatchRun", request) for _ in range(3)]
            assert {next(iter(stream)).run.name for stream in streams} == {name}
            with pytest.raises(grpc.RpcError) as caught:
                next(iter(mine("WatchRun", request)))
            assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "3 of yours are open on this replica" in caught.value.details()
            theirs = other("WatchRun", request)
            assert next(iter(theirs)).run.name == name
            for stream in (*streams[1:], theirs):
                stream.cancel()
            wait_until(lambda: _may_watch(mine, request), 10, "what was closed counts no longer")
        finally:
            connection.cancel(name)


def _may_watch(call: Callable[..., Any], request: pb.WatchRunRequest) -> bool:
    stream = call("WatchRun", request)
    try:
        return bool(next(iter(stream)).run.name)
    except grpc.RpcError:
        return False
    finally:
        stream.cancel()


def test_two_tokens_have_a_quota_each(
    secured: Secured, store_settings: StoreSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sources(count: int) -> list[GivenSource]:
        return [GivenSource(f"http://example.invalid/{number}.mp4") for number in range(count)]

    def wanted(name: str, size_bytes: int) -> pb.CreateUploadRequest:
        digest = hashlib.sha256(name.encode()).hexdigest()
        return pb.CreateUploadRequest(file_name=name, sha256=digest, size_bytes=size_bytes)

    monkeypatch.setattr("talkmill.client.client.MAX_INLINE", 1)
    with client(secured, BOUNDED) as ann, client(secured, ALSO_BOUNDED) as bob, methods(secured, BOUNDED) as call:
        (tmp_path / "a.mp4").write_bytes(b"a" * 800)
        taken = ann.upload(tmp_path / "a.mp4", "a.mp4", hashlib.sha256(b"a" * 800).hexdigest(), 800)
        with pytest.raises(grpc.RpcError) as caught:
            call("CreateUpload", wanted("b.mp4", 4201))
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "limit of the token is 5000; 800 are" in caught.value.details()
        name = ann.create([GivenSource("a.mp4", taken)], RunParameters(), 0).name
        wait_until(lambda: ann.get(name).sources_complete, 30, "the run has taken its sources in")
        assert call("CreateUpload", wanted("b.mp4", 4201)).put_uri
        with methods(secured, ALSO_BOUNDED) as call_of_bob:
            assert call_of_bob("CreateUpload", wanted("b.mp4", 4201)).put_uri
        ann.cancel(name)

        # The first is inline, the second a list.
        first, second = (ann.create(sources(count), RunParameters(), 0).name for count in (1, 2))
        store = open_store(store_settings, "test")
        before = set(store.list_keys("talkmill-work", "uploads/"))
        for count in (1, 2):
            with pytest.raises(
                ServerError, match=rf"QUOTA_EXCEEDED.* token is 3; other runs have 3 .* run has {count}"
            ):
                ann.create(sources(count), RunParameters(), 0)
        # A list that the orchestrator wrote itself goes with the refusal; what a client put there stays.
        assert len(set(store.list_keys("talkmill-work", "uploads/")) - before) == 1
        of_bob = bob.create(sources(3), RunParameters(), 0).name
        ann.cancel(first)
        third = ann.create(sources(1), RunParameters(), 0).name
        with pytest.raises(ServerError, match="QUOTA_EXCEEDED"):
            ann.retry(first, [], "")
        for name in (second, third):
            ann.cancel(name)
        bob.cancel(of_bob)


def test_scopes_of_all_reach_what_others_made(secured: Secured) -> None:
    with client(secured, WRITE) as mine:
        name = create(mine)
    with client(secured, READ_ALL) as watcher:
        assert watcher.get(name).name == name
        assert name in {run.name for run in watcher.runs(100)}
        with pytest.raises(ServerError, match="SCOPE_MISSING"):
            watcher.cancel(name)
    with client(secured, WRITE_ALL) as admin:
        admin.cancel(name)
    wait_until(lambda: '"caller": "admin"' in secured.log.read_text(), 5, "the log says who cancelled")


@pytest.mark.parametrize(("token", "why"), [("", "no bearer token"), (WRONG, "not known"), (EXPIRED, "expired")])
def test_other_tokens_are_refused_and_logged_without_the_secret(token: str, why: str, secured: Secured) -> None:
    with client(secured, token) as connection:
        with pytest.raises(ServerError, match=f"UNAUTHENTICATED.*{why}"):
            list(connection.runs(1))
        with pytest.raises(ServerError, match="UNAUTHENTICATED"):
            create(connection)
        # A stream is refused too.
        with pytest.raises(ServerError, match="UNAUTHENTICATED"):
            list(connection.watch("runs/abc"))
    wait_until(lambda: why in secured.log.read_text(), 5, "the refusal is logged")


def test_every_method_of_the_service_wants_a_token(secured: Secured) -> None:
    credentials = grpc.ssl_channel_credentials(secured.ca.read_bytes())
    with grpc.secure_channel(f"localhost:{secured.port}", credentials) as channel:
        stub = PipelineServiceStub(channel)
        for method in pb.DESCRIPTOR.services_by_name["PipelineService"].methods:
            request = getattr(pb, method.input_type.name)()
            with pytest.raises(grpc.RpcError) as caught:
                answer = getattr(stub, method.name)(request, timeout=10)
                list(answer) if method.server_streaming else None
            assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED, method.name


def test_health_and_reflection_are_open(secured: Secured) -> None:
    credentials = grpc.ssl_channel_credentials(secured.ca.read_bytes())
    assert is_ready(secured.port, credentials, "localhost")
    with grpc.secure_channel(f"localhost:{secured.port}", credentials) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        (answer,) = stub.ServerReflectionInfo(iter([request]), timeout=10)
        assert "talkmill.api.pipeline.v1.PipelineService" in str(answer)


def test_plain_text_to_the_tls_port_is_refused(secured: Secured) -> None:
    with Client(f"localhost:{secured.port}", WRITE) as connection, pytest.raises(ServerError):
        list(connection.runs(1))
    assert not is_ready(secured.port)


def test_a_server_that_another_authority_signed_is_not_trusted(secured: Secured, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    connection = Client(f"localhost:{secured.port}", WRITE, tmp_path / "ca.pem")
    with connection, pytest.raises(ServerError):
        list(connection.runs(1))


def test_a_token_is_not_sent_in_plain_text_to_another_machine() -> None:
    with pytest.raises(ServerError, match="plain text"):
        Client("orchestrator.example:50051", WRITE)


def test_no_secret_is_logged_or_measured(secured: Secured, store_settings: StoreSettings) -> None:
    logged, measured = secured.log.read_text(), metrics_text(secured.metrics_port)
    assert "**********" in logged
    tokens = WRITE, READ, EXPIRED, WRONG, OTHER, READ_ALL, WRITE_ALL, BOUNDED, ALSO_BOUNDED
    for secret in (store_settings.secret_key.get_secret_value(), *tokens):
        assert secret not in logged
        assert secret not in measured
    assert "PRIVATE KEY" not in logged


def test_a_change_within_a_tick_of_the_clock_counts(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    path.write_text(yaml.safe_dump([{"name": "a", "sha256": hash_token("one"), "scopes": ["read"]}]))
    before = path.stat()
    tokens = Tokens(path)
    path.write_text(yaml.safe_dump([{"name": "a", "sha256": hash_token("two"), "scopes": ["read"]}]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(UnauthenticatedError):
        tokens.check("Bearer one", "read")


@pytest.mark.parametrize("left", [[], [{"name": "a", "sha256": hash_token("one"), "scopes": ["read"]}]])
def test_a_stream_ends_with_its_token(left: list[object], tmp_path: Path) -> None:
    """With the token itself, or with what it allowed."""
    path = tmp_path / "tokens.yaml"
    path.write_text(yaml.safe_dump([{"name": "a", "sha256": hash_token("one"), "scopes": ["read:all"]}]))

    async def numbers(request: object, context: object) -> AsyncIterator[int]:
        for number in range(3):
            yield number

    async def take_away() -> list[int]:
        handler = grpc.unary_stream_rpc_method_handler(numbers)

        async def found(details: object) -> object:
            return handler

        async def abort(code: grpc.StatusCode, *rest: object) -> None:
            raise ConnectionAbortedError(code.name)

        details = SimpleNamespace(method=f"/{SERVICE}/WatchRun", invocation_metadata=(("authorization", "Bearer one"),))
        stream = (await AuthInterceptor(Tokens(path)).intercept_service(found, details)).unary_stream(
            None, SimpleNamespace(abort=abort)
        )
        seen = [await anext(stream)]
        path.write_text(yaml.safe_dump(left))
        with pytest.raises(ConnectionAbortedError, match="UNAUTHENTICATED"):
            await anext(stream)
        return seen

    assert asyncio.run(take_away()) == [0]


def test_callers_without_a_token_make_no_series(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    path.write_text("[]")
    interceptor = AuthInterceptor(Tokens(path))

    async def nothing(details: object) -> None:
        return None

    def series() -> set[str]:
        return {sample.labels["method"] for metric in metrics.RPCS.collect() for sample in metric.samples}

    async def call(method: str) -> None:
        await interceptor.intercept_service(nothing, SimpleNamespace(method=method, invocation_metadata=()))

    asyncio.run(call(f"/{SERVICE}/GetRun"))
    known = series()
    for number in range(100):
        asyncio.run(call(f"/{SERVICE}/Made{number}"))
        asyncio.run(call(f"/other.Service{number}/GetRun"))
    assert series() - known <= {""}


def test_tokens_can_be_changed_while_the_server_runs(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    path.write_text(yaml.safe_dump([{"name": "a", "sha256": hash_token("one"), "scopes": ["read"]}]))
    tokens = Tokens(path)
    assert tokens.check("Bearer one", "read").name == "a"
    with pytest.raises(ScopeMissingError):
        tokens.check("bearer one", "write")
    path.write_text(yaml.safe_dump([{"name": "b", "sha256": hash_token("two"), "scopes": ["write"]}]))
    with pytest.raises(UnauthenticatedError):
        tokens.check("Bearer one", "read")
    assert tokens.check("Bearer two", "read").name == "b"
    # A file that was spoiled does not lock everybody out, nor let anybody in.
    path.write_text("{{{")
    assert tokens.check("Bearer two", "write").name == "b"
    with pytest.raises(UnauthenticatedError):
        tokens.check("Basic two", "read")


@pytest.mark.parametrize(
    "content",
    [
        "{{{",
        "- name: a",
        "- {name: a, sha256: short, scopes: [read]}",
        "- {name: a, sha256: %s, scopes: [admin]}" % ("0" * 64),
        "- {name: a, sha256: %s, scopes: [read], quota: {clips: 5}}" % ("0" * 64),
        "- {name: a, sha256: %s, scopes: [read], quota: {running_clips: -1}}" % ("0" * 64),
        "- {name: a, sha256: %s, scopes: [read], quotas: {running_clips: 5}}" % ("0" * 64),
    ],
)
def test_a_file_that_is_no_list_of_tokens_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    path.write_text(content)
    with pytest.raises(TokensError, match="tokens"):
        Tokens(path)


def refused_settings(module: str, tmp_path: Path, **settings: str) -> str:
    log = tmp_path / "log"
    with running_process(module.split(), log, {"TALKMILL_LISTEN__METRICS_PORT": "0", **settings}) as process:
        assert process.wait(60) != 0
    return log.read_text()


@pytest.mark.parametrize("module", ["orchestrator", "services crop"])
def test_nothing_listens_beyond_loopback_in_plain_text_unless_told(module: str, tmp_path: Path) -> None:
    told = refused_settings(module, tmp_path, TALKMILL_LISTEN__ADDRESS="0.0.0.0")
    assert "TALKMILL_TLS__CERTIFICATE" in told


def test_the_orchestrator_wants_tokens_beyond_loopback(tmp_path: Path) -> None:
    told = refused_settings(
        "orchestrator", tmp_path, TALKMILL_LISTEN__ADDRESS="0.0.0.0", TALKMILL_LISTEN__PLAIN_TEXT="true",
        TALKMILL_DATABASE_URL=f"sqlite:///{tmp_path}/db",
    )  # fmt: skip
    assert "TALKMILL_TOKENS_FILE" in told


def test_a_stage_with_mtls_takes_only_clients_with_a_certificate(
    store_settings: StoreSettings, free_port: Callable[[], int], tmp_path: Path
) -> None:
    authority = trustme.CA()
    for name, identity in (("server", "localhost"), ("client", "orchestrator")):
        issued = authority.issue_cert(identity)
        issued.private_key_pem.write_to_path(tmp_path / f"{name}.key")
        issued.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    port, health = free_port(), free_port()
    environment = store_environment(store_settings) | {
        "TALKMILL_LISTEN__PORT": str(port),
        "TALKMILL_LISTEN__METRICS_PORT": "0",
        "TALKMILL_LISTEN__HEALTH_PORT": str(health),
        "TALKMILL_TLS__CERTIFICATE": str(tmp_path / "server.pem"),
        "TALKMILL_TLS__KEY": str(tmp_path / "server.key"),
        "TALKMILL_TLS__CLIENT_CA": str(tmp_path / "ca.pem"),
        "TALKMILL_SCRATCH": str(tmp_path / "scratch"),
    }

    def call(tls: ClientTls) -> object:
        from talkmill.artifacts.artifact import Artifact
        from talkmill.stages.crop.messages import CropInputs

        methods = stage_methods()
        caller = StageCaller(methods, {"crop": f"dns:///localhost:{port}"}, tls, 10)
        absent = Artifact("talkmill-work", "not/there", "0" * 64, 1, "")
        return caller.call(
            "r",
            "crop",
            CropInputs(absent, absent, absent, "25", alpha=absent, region=Region(0, 0, 8, 8)),
            ExecutionContext(request_id="id"),
        )

    with running_process(["services", "crop"], tmp_path / "log", environment):
        wait_until(lambda: is_ready(health), 60, "the stage is ready")
        assert isinstance(call(ClientTls()), Refused)
        assert isinstance(call(ClientTls(tmp_path / "ca.pem")), Refused)
        trusted = ClientTls(tmp_path / "ca.pem", tmp_path / "client.pem", tmp_path / "client.key")
        assert "INPUT_MISSING" in repr(getattr(call(trusted), "error", "").reason)
