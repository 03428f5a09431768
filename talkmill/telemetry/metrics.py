"""All metrics. No label holds a clip, a key or a request id."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Gauge, Histogram, Info

# From a cached answer to an hour.
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
PHASES = ("fetch", "execute", "upload")

EXECUTIONS = Counter(
    "talkmill_stage_executions", "Executions by how they ended: OK, CACHED or a reason.", ["stage", "outcome"]
)
EXECUTION_DURATION = Histogram(
    "talkmill_stage_execution_duration_seconds", "Time of executions that were not cached.", ["stage", "phase"],
    buckets=_SECONDS,
)  # fmt: skip
FRAMES = Counter(
    "talkmill_stage_frames_processed",
    "Frames of the clips that an execution has been through, as it goes on.",
    ["stage"],
)
VIDEO = Counter(
    "talkmill_stage_video_seconds", "Length of the video that executions have been through, as they go on.", ["stage"]
)
INFERENCE_DURATION = Histogram(
    "talkmill_inference_duration_seconds",
    "Time of one run of a network.",
    ["stage", "model_id", "execution_provider"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
IN_PROGRESS = Gauge("talkmill_stage_executions_in_progress", "Executions that go on.", ["stage"])
TRANSFER = Counter("talkmill_artifact_transfer_bytes", "Bytes from and to the object store.", ["stage", "direction"])
BACKLOG = Gauge(
    "talkmill_orchestrator_backlog", "Executions that wait or go on; every replica tells the same.", ["stage"]
)
OLDEST_PENDING = Gauge(
    "talkmill_orchestrator_oldest_pending_seconds", "Age of the oldest execution that waits.", ["stage"]
)
REACHABLE = Gauge(
    "talkmill_orchestrator_dependency_reachable", "1 while the store, the database, answers the orchestrator, else 0.",
    ["dependency"],
)  # fmt: skip
TOKENS_OUTDATED = Gauge(
    "talkmill_orchestrator_tokens_outdated",
    "1 while the file of tokens cannot be read and the tokens read before hold on, else 0.",
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


def begin_at_zero(stage: str, reasons: Iterable[str]) -> None:
    """Show a stage's counters before its first execution: a rate needs the value from which it rose.

    Args:
        stage: Its name.
        reasons: Every way in which an execution can end without outputs.
    """
    IN_PROGRESS.labels(stage).set(0)
    FRAMES.labels(stage)
    VIDEO.labels(stage)
    for outcome in ("OK", "CACHED", *reasons):
        EXECUTIONS.labels(stage, outcome)
    for phase in PHASES:
        EXECUTION_DURATION.labels(stage, phase)
    for direction in ("download", "upload"):
        TRANSFER.labels(stage, direction)


def begin_endings_at_zero(stages: Iterable[str], reasons: Collection[str]) -> None:
    """Show the orchestrator's counters of clips and dead letters before the first of them."""
    for outcome in ("succeeded", "failed"):
        CLIPS_FINISHED.labels(outcome)
    for stage in stages:
        for reason in reasons:
            DEAD_LETTERS.labels(stage, reason)


def count_video(stage: str, frames: int, seconds: float) -> None:
    """Count frames, and the length of video that they are; 0 where it is not known."""
    FRAMES.labels(stage).inc(frames)
    VIDEO.labels(stage).inc(seconds)


class InferenceMetrics:
    """Records the runs of a stage's networks; see `talkmill.inference.observer`."""

    def __init__(self, stage: str) -> None:
        self._stage = stage

    def loaded(self, model_id: str, execution_provider: str) -> None:
        """Show a network before its first run."""
        INFERENCE_DURATION.labels(self._stage, model_id, execution_provider)

    def ran(self, model_id: str, execution_provider: str, seconds: float) -> None:
        """Record one run."""
        INFERENCE_DURATION.labels(self._stage, model_id, execution_provider).observe(seconds)


def count_execution(stage: str, outcome: str) -> None:
    """Count an execution that ended."""
    EXECUTIONS.labels(stage, outcome).inc()


def observe_phases(stage: str, fetch_seconds: float, execute_seconds: float, upload_seconds: float) -> None:
    """Record where an execution's time went."""
    for phase, seconds in zip(PHASES, (fetch_seconds, execute_seconds, upload_seconds), strict=True):
        EXECUTION_DURATION.labels(stage, phase).observe(max(0.0, seconds))
