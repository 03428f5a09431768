"""The record of an execution as a message."""

import pytest

from talkmill.api.common.v1.common_pb2 import ExecutionSummary
from talkmill.artifacts.manifest import StageRecord
from talkmill.wire.summary import fill_summary, record_of

MODELS = {"modnet-photographic": "a" * 64, "u2netp": "b" * 64}


@pytest.mark.parametrize("cached", [False, True])
def test_a_record_comes_back_as_it_went(cached: bool) -> None:
    start = "2026-01-02T03:04:05.678901Z"
    record = StageRecord(cached, "3", "d" * 64, start, 0.000001, 2.5, 0.0, "cuda", "here:7", MODELS)
    summary = ExecutionSummary()
    fill_summary(record, summary)
    assert record_of(ExecutionSummary.FromString(summary.SerializeToString())) == record


def test_a_time_is_told_in_utc_and_no_length_is_below_zero() -> None:
    record = StageRecord(False, "3", "d" * 64, "2026-01-02T05:04:05+02:00", -0.5, 0.1234567, 1.0, "", "here:7")
    summary = ExecutionSummary()
    fill_summary(record, summary)
    assert summary.start_time.ToJsonString() == "2026-01-02T03:04:05Z"
    assert summary.fetch_duration.ToMicroseconds() == 0
    assert summary.execute_duration.ToMicroseconds() == 123_457
