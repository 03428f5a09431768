"""One stage's server: fullness, joining, draining, replicas."""

import asyncio
import signal
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dnslib
import grpc
import pytest
from dnslib.server import BaseResolver, DNSLogger, DNSServer
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from benchmarks.noop_stages import noop_handler, outputs_of
from orchestrator.stage_caller import Failed, Finished, Refused, StageCaller
from orchestrator.tls import ClientTls
from talkmill.api.common.v1.common_pb2 import ExecutionContext
from talkmill.artifacts.artifact import Artifact, sha256_of
from talkmill.models.repository import ModelRepository
from talkmill.pipeline.graph import GRAPH, Node
from talkmill.region import Region
from talkmill.serving.server import start_server
from talkmill.serving.settings import ServerSettings, StoreSettings
from talkmill.serving.stores import open_store
from talkmill.stages.matting.messages import MattingInputs, MattingParameters
from talkmill.stages.split.messages import SplitInputs, SplitParameters, TimeRange
from talkmill.wire.methods import stage_methods
from tests.fixture_types import Sample
from tests.servers import is_ready, running_process, store_environment, wait_until

METHODS = stage_methods()


@pytest.fixture(scope="module")
def clip_inputs(
    store_settings: StoreSettings, sample: Sample, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Artifact, Artifact]:
    """The sample as a source in the store."""
    store = open_store(store_settings, "test")
    for bucket in (store_settings.work_bucket, store_settings.dataset_bucket):
        store.ensure_bucket(bucket, {})
    copy = tmp_path_factory.mktemp("upload") / "sample.mp4"
    copy.write_bytes(sample[0].read_bytes())
    digest = sha256_of(copy)
    source = store.put(copy, store_settings.work_bucket, f"uploads/{digest}/sample.mp4", "video/mp4")
    return source, source


class Served:
    """A stage in a process of its own."""

    def __init__(self, stage: str, port: int, log: Path) -> None:
        self.stage, self.port, self.log = stage, port, log
        self.caller = StageCaller(METHODS, {stage: f"dns:///localhost:{port}"}, ClientTls(), 30)

    def call(self, inputs: object, request_id: str, skip: bool = False) -> object:
        context = ExecutionContext(request_id=request_id, skip_cache_lookup=skip)
        return self.caller.call("run", self.stage, inputs, context)


@pytest.fixture(scope="module")
def split(
    store_settings: StoreSettings, free_port: Callable[[], int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    folder, port = tmp_path_factory.mktemp("split"), free_port()
    environment = store_environment(store_settings) | {
        "TALKMILL_LISTEN__PORT": str(port), "TALKMILL_LISTEN__METRICS_PORT": "0",
        "TALKMILL_SCRATCH": str(folder / "scratch"), "TALKMILL_LINGER_SECONDS": "5",
    }  # fmt: skip
    with running_process(["services", "split"], folder / "log", environment) as process:
        wait_until(lambda: is_ready(port), 60, "split is ready")
        served = Served("split", port, folder / "log")
        served.pid = process.pid  # type: ignore[attr-defined]
        yield served


def split_inputs(source: Artifact, end: float = 4.0) -> SplitInputs:
    # The end makes requests differ, and with them their digests.
    return SplitInputs(source, SplitParameters(ranges=(TimeRange(0.0, end),)))


def test_a_full_service_refuses_at_once_and_answers_health(
    split: Served, clip_inputs: tuple[Artifact, Artifact]
) -> None:
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(split.call, split_inputs(clip_inputs[0]), "full-0")
        time.sleep(0.5)
        began = time.monotonic()
        others = [pool.submit(split.call, split_inputs(clip_inputs[0], 3.0 + n / 10), f"full-{n}") for n in range(1, 6)]
        assert all(isinstance(one.result(10), Refused) for one in others)
        assert time.monotonic() - began < 5
        times = []
        with grpc.insecure_channel(f"localhost:{split.port}") as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            stub.Check(health_pb2.HealthCheckRequest(service="liveness"), wait_for_ready=True)
            while not first.done() and len(times) < 100:
                started = time.perf_counter()
                for name in ("liveness", "readiness"):
                    answer = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=5)
                    assert answer.status == health_pb2.HealthCheckResponse.SERVING
                times.append((time.perf_counter() - started) / 2)
                time.sleep(0.02)
        assert len(times) > 5, "the service was not busy while it was asked"
        print(
            f"health of a full service: median {statistics.median(times) * 1000:.1f} ms, most {max(times) * 1000:.1f} ms"
        )
        assert statistics.median(times) < 0.05
        assert isinstance(first.result(60), Finished)
        # What was refused is done later.
        assert isinstance(split.call(split_inputs(clip_inputs[0], 3.1), "full-1"), Finished)


def test_a_lost_stream_is_rejoined(split: Served, clip_inputs: tuple[Artifact, Artifact]) -> None:
    inputs = split_inputs(clip_inputs[0], 2.5)
    with ThreadPoolExecutor(2) as pool:
        lost = pool.submit(split.call, inputs, "rejoin", True)
        time.sleep(0.7)
        split.caller.stop("run")
        assert type(lost.result(10)).__name__ == "Stopped"
        before = split.log.read_text().count("execution ended")
        outcome = split.call(inputs, "rejoin", True)
    assert isinstance(outcome, Finished), outcome
    # It was joined: although the cache was not asked, one execution is all there was.
    assert split.log.read_text().count("execution ended") == before + 1


def test_an_error_carries_its_reason_and_measure(split: Served, clip_inputs: tuple[Artifact, Artifact]) -> None:
    inputs = SplitInputs(clip_inputs[0], SplitParameters(min_face_pixels=5000))
    for request_id in ("error-1", "error-2"):
        outcome = split.call(inputs, request_id)
        assert isinstance(outcome, Failed)
        assert outcome.error.reason == "FACE_TOO_SMALL"
        assert outcome.error.threshold == 5000
        assert 0 < outcome.error.measure < 5000


def test_a_bomb_is_refused_before_it_is_decoded(split: Served, store_settings: StoreSettings, tmp_path: Path) -> None:
    import av
    import numpy as np

    path = tmp_path / "bomb.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 8192, 8192, "gray"
        frame = av.VideoFrame.from_ndarray(np.zeros((8192, 8192), np.uint8), format="gray")
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    store = open_store(store_settings, "test")
    source = store.put(path, store_settings.work_bucket, "uploads/bomb/bomb.mkv", "video/x-matroska")
    outcome = split.call(SplitInputs(source), "bomb")
    assert isinstance(outcome, Failed)
    assert outcome.error.reason == "VIDEO_TOO_LARGE"
    assert "more than 33177600 pixels" in str(outcome.error)


def test_a_model_that_is_not_there_is_named(
    store_settings: StoreSettings,
    free_port: Callable[[], int],
    models: ModelRepository,
    tmp_path: Path,
    clip_inputs: tuple[Artifact, Artifact],
) -> None:
    port = free_port()
    (tmp_path / "models").mkdir()
    for name in ("selfie-256",):
        (tmp_path / "models" / name).symlink_to(models.folder / name)
    environment = store_environment(store_settings) | {
        "TALKMILL_LISTEN__PORT": str(port), "TALKMILL_LISTEN__METRICS_PORT": "0", "TALKMILL_METHODS": '["draft"]',
        "TALKMILL_SCRATCH": str(tmp_path / "scratch"), "TALKMILL_MODELS__DIRECTORY": str(tmp_path / "models"),
    }  # fmt: skip
    with running_process(["services", "matting"], tmp_path / "log", environment):
        wait_until(lambda: is_ready(port), 60, "matting is ready")
        served = Served("matting", port, tmp_path / "log")
        inputs = MattingInputs(
            clip_inputs[0], clip_inputs[0], clip_inputs[0], "25", parameters=MattingParameters("fusion")
        )
        outcome = served.call(inputs, "fusion")
        assert isinstance(outcome, Failed)
        assert outcome.error.reason == "MODEL_UNAVAILABLE"
        assert "u2netp" in str(outcome.error)


def test_sigterm_drains(
    store_settings: StoreSettings, free_port: Callable[[], int], clip_inputs: tuple[Artifact, Artifact], tmp_path: Path
) -> None:
    port = free_port()
    environment = store_environment(store_settings) | {
        "TALKMILL_LISTEN__PORT": str(port), "TALKMILL_LISTEN__METRICS_PORT": "0", "TALKMILL_SCRATCH": str(tmp_path / "scratch"),
    }  # fmt: skip
    with (
        running_process(["services", "split"], tmp_path / "log", environment) as process,
        ThreadPoolExecutor(2) as pool,
    ):
        wait_until(lambda: is_ready(port), 60, "split is ready")
        served = Served("split", port, tmp_path / "log")
        with grpc.insecure_channel(f"localhost:{port}") as channel:
            stub = health_pb2_grpc.HealthStub(channel)

            def status(name: str) -> int:
                return stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=5).status

            running = pool.submit(served.call, split_inputs(clip_inputs[0]), "drain-1", True)
            time.sleep(1)
            process.send_signal(signal.SIGTERM)
            wait_until(lambda: status("readiness") == health_pb2.HealthCheckResponse.NOT_SERVING, 10, "not ready")
            assert status("liveness") == health_pb2.HealthCheckResponse.SERVING
            assert isinstance(served.call(split_inputs(clip_inputs[0], 1.5), "drain-2"), Refused)
        assert isinstance(running.result(60), Finished)
        assert process.wait(30) == 0
    assert not list((tmp_path / "scratch").iterdir())
    assert '"event": "stopped"' in (tmp_path / "log").read_text()


@pytest.mark.parametrize("entry", GRAPH, ids=[entry.name for entry in GRAPH])
def test_every_service_has_health_reflection_and_metrics(
    entry: Node, store_settings: StoreSettings, free_port: Callable[[], int], tmp_path: Path
) -> None:
    from deploy.local.cluster import metrics_text

    port, metrics_port = free_port(), free_port()
    environment = store_environment(store_settings) | {
        "TALKMILL_LISTEN__PORT": str(port), "TALKMILL_LISTEN__METRICS_PORT": str(metrics_port),
        "TALKMILL_SCRATCH": str(tmp_path / "scratch"),
    }  # fmt: skip
    with running_process(["services", entry.name], tmp_path / "log", environment):
        wait_until(lambda: is_ready(port), 90, "ready")
        with grpc.insecure_channel(f"localhost:{port}") as channel:
            stub = reflection_pb2_grpc.ServerReflectionStub(channel)
            request = reflection_pb2.ServerReflectionRequest(list_services="")
            (answer,) = stub.ServerReflectionInfo(iter([request]), timeout=10)
            assert METHODS[entry.name].service in str(answer)
        assert "talkmill_build_info" in metrics_text(metrics_port)
    logged = (tmp_path / "log").read_text()
    assert "**********" in logged
    assert store_settings.secret_key.get_secret_value() not in logged


class Addresses(BaseResolver):  # type: ignore[misc]
    """The headless service of two replicas."""

    def __init__(self) -> None:
        self.addresses = ["127.0.0.1"]

    def resolve(self, request: dnslib.DNSRecord, handler: object) -> dnslib.DNSRecord:
        reply = request.reply()
        if request.q.qtype == dnslib.QTYPE.A:
            for address in self.addresses:
                reply.add_answer(dnslib.RR(request.q.qname, dnslib.QTYPE.A, ttl=1, rdata=dnslib.A(address)))
        return reply


class NoopServers:
    """Replicas of a no-op stage on one port of several loopback addresses, on an event loop of their own."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._running: list[object] = []
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def start(self, address: str) -> None:
        artifact = Artifact("talkmill-work", "nothing", "0" * 64, 0, "")

        async def serve() -> None:
            settings = ServerSettings(
                listen={"address": address, "port": self._port, "metrics_port": 0, "max_connection_age_seconds": 2}
            )
            outputs = outputs_of(artifact)["crop"]
            # Tells who answered.
            named = type(outputs)(outputs.frames, outputs.geometry, {"address": address})

            def add(server: grpc.aio.Server) -> list[str]:
                server.add_generic_rpc_handlers((noop_handler(METHODS["crop"], named),))
                return [METHODS["crop"].service]

            running = await start_server(settings, add)
            self._running.append(running)
            await running.health.ready()

        asyncio.run_coroutine_threadsafe(serve(), self._loop).result(30)


def test_work_spreads_over_replicas_and_new_ones_are_found(free_port: Callable[[], int]) -> None:
    from talkmill.stages.crop.messages import CropInputs

    port, addresses = free_port(), Addresses()
    quiet = DNSLogger(log="-request,-reply", prefix=False)
    names = DNSServer(addresses, address="127.0.0.1", port=free_port(), logger=quiet)
    names.start_thread()
    servers = NoopServers(port)
    servers.start("127.0.0.1")
    caller = StageCaller(
        METHODS, {"crop": f"dns://127.0.0.1:{names.server.server_address[1]}/crop.test:{port}"}, ClientTls(), 10
    )
    artifact = Artifact("talkmill-work", "nothing", "0" * 64, 0, "")

    def answered(count: int) -> Counter[str]:
        found: Counter[str] = Counter()
        for number in range(count):
            outcome = caller.call(
                "r",
                "crop",
                CropInputs(artifact, artifact, artifact, "25", alpha=artifact, region=Region(0, 0, 8, 8)),
                ExecutionContext(request_id=str(number)),
            )
            found[
                outcome.outputs.measurements["address"] if isinstance(outcome, Finished) else type(outcome).__name__
            ] += 1
        return found

    try:
        wait_until(lambda: answered(1)["127.0.0.1"], 30, "the first replica answers")
        servers.start("127.0.0.2")
        addresses.addresses.append("127.0.0.2")
        began = time.monotonic()
        wait_until(lambda: answered(2)["127.0.0.2"], 120, "the new replica gets work")
        print(f"a new replica got work after {time.monotonic() - began:.0f} s")
        spread = answered(40)
        assert min(spread["127.0.0.1"], spread["127.0.0.2"]) >= 10, spread
    finally:
        names.stop()
        names.server.server_close()
