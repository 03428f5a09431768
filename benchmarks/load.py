"""The orchestrator's own cost: many clips through no-op stages. `python -m benchmarks orchestrator`.

Needs a cluster whose stages are `benchmarks.noop_stages`: `make bench-orchestrator` brings one up.
"""

import statistics
import time
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from benchmarks.quality import Figure, below
from orchestrator.ledger.runs import Runs
from orchestrator.ledger.tables import run as run_table
from orchestrator.ledger.tables import stage_run
from talkmill.api.pipeline.v1 import pipeline_pb2 as pb
from talkmill.client.client import ENDED, Client
from talkmill.client.sources import GivenSource
from talkmill.pipeline.graph import RunParameters, names_of

# Executions of one clip and its source; the rest are once a run.
EXECUTIONS_PER_CLIP = len(names_of("source", "clip"))
LOOK_SECONDS = 2.0
BACKLOG_LOOKS = 50
MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class MeasuredServer:
    """An orchestrator that is measured.

    Attributes:
        address: host:port.
        database_url: Of its database, to look at the backlog as the orchestrator does.
        metrics_port: Its port for metrics, on this machine.
    """

    address: str
    database_url: str
    metrics_port: int


def measure_throughput(server: MeasuredServer, clip_count: int, say: Callable[[str], None]) -> list[Figure]:
    """Run clips through no-op stages.

    Args:
        server: What is measured.
        clip_count: Clips, each of a source of its own.
        say: Called with lines of progress.

    Returns:
        Wall time per execution at steady state, where the run was long enough, memory and backlog query.
    """
    engine = sa.create_engine(server.database_url)
    done = sa.select(sa.func.count()).where(stage_run.c.state == "SUCCEEDED")
    samples: list[tuple[float, int]] = []
    memory: list[float] = []
    queries: list[float] = []
    with Client(server.address) as client:
        name, _ = _create(client, clip_count, say)
        run_id = name.removeprefix("runs/")
        total = clip_count * EXECUTIONS_PER_CLIP
        while True:
            with engine.connect() as connection:
                count = connection.execute(done.where(stage_run.c.run_id == run_id)).scalar_one()
            samples.append((time.monotonic(), count))
            memory.append(resident(server.metrics_port))
            queries.append(_backlog_seconds(engine))
            run = client.get(name)
            if len(samples) % 15 == 1:
                say(f"{count} of {total} executions, {memory[-1]:.0f} MB")
            if run.state in ENDED:
                break
            time.sleep(LOOK_SECONDS)
    if run.state != pb.STATE_SUCCEEDED or run.succeeded_clip_count != clip_count:
        raise RuntimeError(f"{name} ended as {pb.State.Name(run.state)} with {run.succeeded_clip_count} clips")
    steady = [sample for sample in samples if 0.1 * total <= sample[1] <= 0.9 * total]
    quarter = max(1, len(memory) // 4)
    figures = []
    # A short run ends between two looks.
    if len(steady) > 1:
        (begin, first), (end, last) = steady[0], steady[-1]
        each = (end - begin) / max(1, last - first) * 1000
        figures.append(below(f"wall milliseconds per execution at steady state, {clip_count} clips", each, 40))
    return [
        *figures,
        Figure("wall seconds of the run", samples[-1][0] - samples[0][0], "reported", True),
        Figure("orchestrator's memory at the end of the first quarter, MB", memory[quarter], "reported", True),
        below("its growth from there to the end, MB", max(memory[quarter:]) - memory[quarter], 100),
        below("backlog query, milliseconds, longest", max(queries) * 1000, 50),
    ]


def measure_create(server: MeasuredServer, source_count: int, say: Callable[[str], None]) -> list[Figure]:
    """Create a run of many sources, and cancel it when all are taken in.

    Returns:
        Seconds until all sources are in, until the first clip starts, memory, and the backlog query then.
    """
    engine = sa.create_engine(server.database_url)
    started = sa.select(sa.func.min(stage_run.c.started_at)).where(stage_run.c.stage == "matting")
    peak = 0.0
    with Client(server.address) as client:
        name, created = _create(client, source_count, say)
        wall = time.time() - time.monotonic() + created
        while True:
            peak = max(peak, resident(server.metrics_port))
            run = client.get(name)
            if run.sources_complete or run.state in ENDED:
                break
            time.sleep(LOOK_SECONDS)
        seconds = time.monotonic() - created
        with engine.connect() as connection:
            first = connection.execute(started.where(stage_run.c.run_id == name.removeprefix("runs/"))).scalar()
        query = max(_backlog_seconds(engine) for _ in range(5))
        say(f"{run.source_count} sources taken in")
        began = time.monotonic()
        client.cancel(name)
        cancelled = time.monotonic() - began
    return [
        below(f"seconds until {source_count} sources are taken in", seconds, 300),
        below("seconds until the first clip starts", (first or float("inf")) - wall, 10),
        below("orchestrator's memory, MB, highest", peak, 500),
        below("backlog query with these, milliseconds, longest of 5", query * 1000, 50),
        Figure("seconds to cancel it", cancelled, "reported", True),
    ]


def measure_backlog(server: MeasuredServer, clip_count: int, say: Callable[[str], None]) -> list[Figure]:
    """Measure the backlog query where so many clips wait at once, as of one source of many hours.

    The rows are written into the ledger for as long as it is measured; no stage is called for them.

    Returns:
        The query's wall time.
    """
    engine = sa.create_engine(server.database_url)
    run_id, now = f"backlog{uuid.uuid4().hex[:8]}", time.time()
    stages = names_of("clip")
    ended = stages[: len(stages) // 2]
    waiting = stages[len(ended)]
    rows = [
        {
            "run_id": run_id, "subject": f"clip_{number:06}", "stage": stage, "generation": 0,
            "enqueued_at": now - number, "state": "SUCCEEDED" if stage in ended else "PENDING",
            "outputs": "{}" if stage in ended else None,
        }
        for number in range(clip_count) for stage in (*ended, waiting)
    ]  # fmt: skip
    of_run = {
        "id": run_id, "state": "RUNNING", "priority": 1000, "parameters": "{}", "source_list": "{}", "created_at": now,
        "open_count": clip_count,
    }  # fmt: skip
    try:
        with engine.begin() as connection:
            connection.execute(run_table.insert().values(**of_run))
            connection.execute(stage_run.insert(), rows)
        say(f"{clip_count} clips wait for {waiting}")
        seconds = [_backlog_seconds(engine) for _ in range(BACKLOG_LOOKS)]
    finally:
        with engine.begin() as connection:
            connection.execute(stage_run.delete().where(stage_run.c.run_id == run_id))
            connection.execute(run_table.delete().where(run_table.c.id == run_id))
        engine.dispose()
    told = f"backlog query, {clip_count} clips wait, milliseconds"
    return [
        Figure(f"{told}, median of {BACKLOG_LOOKS}", statistics.median(seconds) * 1000, "reported", True),
        below(f"{told}, longest", max(seconds) * 1000, 50),
    ]


def _create(client: Client, count: int, say: Callable[[str], None]) -> tuple[str, float]:
    mark = uuid.uuid4().hex[:8]
    sources = [GivenSource(f"https://example.com/{mark}/{number:06}.mp4") for number in range(count)]
    began = time.monotonic()
    run = client.create(sources, RunParameters(), 0)
    say(f"{run.name} created in {time.monotonic() - began:.2f} s")
    return run.name, began


def _backlog_seconds(engine: sa.Engine) -> float:
    began = time.perf_counter()
    Runs(engine, None).backlog()  # type: ignore[arg-type]
    return time.perf_counter() - began


def resident(port: int) -> float:
    """Return the megabytes of memory that the process behind a port of metrics has."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
        for line in response.read().decode().splitlines():
            if line.startswith("process_resident_memory_bytes "):
                return float(line.split()[1]) / MEGABYTE
    raise RuntimeError(f"port {port} tells no memory")
