"""The record of an execution as a message, and back."""

from datetime import datetime

from talkmill.api.common.v1.common_pb2 import ExecutionSummary
from talkmill.artifacts.manifest import StageRecord


def fill_summary(record: StageRecord, summary: ExecutionSummary) -> None:
    """Write a record into a message; times are kept to the microsecond."""
    summary.cached_result = record.cached
    summary.start_time.FromDatetime(datetime.fromisoformat(record.started_at))
    for seconds, duration in (
        (record.fetch_seconds, summary.fetch_duration),
        (record.execute_seconds, summary.execute_duration),
        (record.upload_seconds, summary.upload_duration),
    ):
        duration.FromMicroseconds(max(0, round(seconds * 1e6)))
    summary.stage_version = record.stage_version
    for name, digest in record.models.items():
        summary.models.add(id=name, sha256=digest)
    summary.worker = record.worker
    summary.action_digest = record.action_digest
    summary.execution_provider = record.execution_provider


def record_of(summary: ExecutionSummary) -> StageRecord:
    """Return what a message says."""
    return StageRecord(
        cached=summary.cached_result,
        stage_version=summary.stage_version,
        action_digest=summary.action_digest,
        started_at=summary.start_time.ToJsonString(),
        fetch_seconds=summary.fetch_duration.ToMicroseconds() / 1e6,
        execute_seconds=summary.execute_duration.ToMicroseconds() / 1e6,
        upload_seconds=summary.upload_duration.ToMicroseconds() / 1e6,
        execution_provider=summary.execution_provider,
        worker=summary.worker,
        models={model.id: model.sha256 for model in summary.models},
    )
