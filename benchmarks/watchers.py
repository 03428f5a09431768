"""The orchestrator under many streams and half-open requests. Part of `python -m benchmarks orchestrator`."""

import asyncio
import contextlib
import socket
import statistics
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import grpc.aio

from benchmarks.load import MeasuredServer, resident
from benchmarks.noop_stages import SLOW
from benchmarks.quality import Figure, below
from talkmill.api.pipeline.v1 import pipeline_pb2 as pb
from talkmill.api.pipeline.v1.pipeline_pb2_grpc import PipelineServiceStub
from talkmill.client.client import Client
from talkmill.client.sources import GivenSource
from talkmill.pipeline.graph import RunParameters

STREAMS_PER_CHANNEL = 100
CALLS = 200
OPEN_SECONDS = 60.0


def measure_watchers(server: MeasuredServer, streams: int, half_open: int, say: Callable[[str], None]) -> list[Figure]:
    """Watch a run by many streams, and hold requests to the port of metrics half open.

    Args:
        server: What is measured.
        streams: WatchRun streams of one run that goes on.
        half_open: Connections to the port of metrics that send a part of a request and nothing more.
        say: Called with lines of progress.

    Returns:
        GetRun's latency without and with them, and what threads and memory grow by.
    """
    with Client(server.address) as client:
        source = GivenSource(f"https://example.com{SLOW}{uuid.uuid4().hex}.mp4")
        name = client.create([source], RunParameters(), 0).name
        try:
            return asyncio.run(_measure(server, name, streams, half_open, say))
        finally:
            client.cancel(name)


async def _measure(
    server: MeasuredServer, name: str, streams: int, half_open: int, say: Callable[[str], None]
) -> list[Figure]:
    process = _process_of(server.metrics_port)
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub: Any = PipelineServiceStub(channel)  # type: ignore[no-untyped-call]
        alone = await _latencies(stub, name)
        threads, memory = _threads(process), resident(server.metrics_port)
        with _half_open(server.metrics_port, half_open):
            async with _watching(server.address, name, streams) as seen:
                began = time.monotonic()
                while len(seen) < streams and time.monotonic() - began < OPEN_SECONDS:
                    await asyncio.sleep(0.5)
                say(f"{len(seen)} of {streams} streams have seen the run")
                crowded = await _latencies(stub, name)
                grown_threads = _threads(process) - threads
                grown_memory = await asyncio.to_thread(resident, server.metrics_port) - memory
    told = f"with {streams} streams and {half_open} half-open requests"
    return [
        Figure("GetRun alone, milliseconds, median", statistics.median(alone), "reported", True),
        below(f"streams that saw nothing of {streams}", float(streams - len(seen)), 1),
        below(f"GetRun {told}, milliseconds, median", statistics.median(crowded), 50),
        Figure("its longest", max(crowded), "reported", True),
        below(f"threads more {told}", float(grown_threads), 20),
        below(f"MB more {told}", grown_memory, 150),
    ]


async def _latencies(stub: Any, name: str) -> list[float]:
    found = []
    for _ in range(CALLS):
        began = time.perf_counter()
        await stub.GetRun(pb.GetRunRequest(name=name), timeout=30)
        found.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(0.02)
    return found


@asynccontextmanager
async def _watching(address: str, name: str, streams: int) -> AsyncIterator[set[int]]:
    """Open streams, and give the numbers of those that have seen the run."""
    seen: set[int] = set()

    async def watch(number: int, stub: Any) -> None:
        async for _ in stub.WatchRun(pb.WatchRunRequest(name=name)):
            seen.add(number)

    async with AsyncExitStack() as stack:
        # A pool of its own: channels to one address else share one connection.
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels = [
            await stack.enter_async_context(grpc.aio.insecure_channel(address, options=options))
            for _ in range(-(-streams // STREAMS_PER_CHANNEL))
        ]
        stubs: list[Any] = [PipelineServiceStub(channel) for channel in channels]  # type: ignore[no-untyped-call]
        tasks = [asyncio.create_task(watch(one, stubs[one // STREAMS_PER_CHANNEL])) for one in range(streams)]
        try:
            yield seen
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def _half_open(port: int, count: int) -> Iterator[None]:
    """Hold connections open that have sent the beginning of a request."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            held = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            with contextlib.suppress(OSError):
                held.sendall(b"GET /metr")
        yield


def _process_of(metrics_port: int) -> Path:
    """Return the folder in /proc of the process that was told to listen on a port."""
    wanted = f"TALKMILL_LISTEN__METRICS_PORT={metrics_port}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                return folder
    raise RuntimeError(f"no process here listens on port {metrics_port} for metrics")


def _threads(process: Path) -> int:
    return len([*(process / "task").iterdir()])
