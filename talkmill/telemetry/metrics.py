"""Every metric, declared once. Never a clip, a key or a request id as a label."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, Info

# From a cached answer to an hour.
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)

EXECUTIONS = Counter(
    "talkmill_stage_executions", "Executions by how they ended: OK, CACHED or a reason.", ["stage", "outcome"]
)
EXECUTION_DURATION = Histogram(
    "talkmill_stage_execution_duration_seconds", "Time of executions that were not cached.", ["stage", "phase"],
    buckets=_SECONDS,
)  # fmt: skip
IN_PROGRESS = Gauge("talkmill_stage_executions_in_progress", "Executions that go on.", ["stage"])
TRANSFER = Counter("talkmill_artifact_transfer_bytes", "Bytes from and to the object store.", ["stage", "direction"])
BACKLOG = Gauge(
    "talkmill_orchestrator_backlog", "Executions that wait or go on; every replica tells the same.", ["stage"]
)
OLDEST_PENDING = Gauge(
    "talkmill_orchestrator_oldest_pending_seconds", "Age of the oldest execution that waits.", ["stage"]
)
DEAD_LETTERS = Counter(
    "talkmill_orchestrator_dead_letters", "Sources and clips that ended without outputs.", ["stage", "reason"]
)
CLIPS_FINISHED = Counter("talkmill_orchestrator_clips_finished", "Clips that ended.", ["outcome"])
RPCS = Counter("talkmill_rpcs", "Calls of the API by code.", ["method", "code"])
BUILD = Info("talkmill_build", "Version.")


@contextmanager
def in_progress(stage: str) -> Iterator[None]:
    """Count an execution while it goes on."""
    gauge = IN_PROGRESS.labels(stage)
    gauge.inc()
    try:
        yield
    finally:
        gauge.dec()


def count_execution(stage: str, outcome: str) -> None:
    """Count an execution that ended."""
    EXECUTIONS.labels(stage, outcome).inc()


def observe_phases(stage: str, fetch_seconds: float, execute_seconds: float, upload_seconds: float) -> None:
    """Record where an execution's time went."""
    for phase, seconds in (("fetch", fetch_seconds), ("execute", execute_seconds), ("upload", upload_seconds)):
        EXECUTION_DURATION.labels(stage, phase).observe(max(0.0, seconds))


def serve(address: str, port: int, version: str) -> int:
    """Serve the metrics over HTTP on a port of their own; returns the port."""
    from prometheus_client import start_http_server

    BUILD.info({"version": version})
    server, _ = start_http_server(port, addr=address, registry=REGISTRY)
    return int(server.server_port)
