"""A run in somebody's own process."""

from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
from threadpoolctl import threadpool_info, threadpool_limits

import talkmill
from talkmill.pipeline import embedded


def blas_threads() -> set[int]:
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


def test_small_systems_are_solved_by_one_thread_whatever_was_loaded_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fits solve many; threads that wait for each other use three times the CPU."""
    assert np.__version__ and scipy.linalg
    seen: list[set[int]] = []
    monkeypatch.setattr(embedded, "build_stages", lambda *arguments: {})
    monkeypatch.setattr(embedded, "run_dataset", lambda *arguments: seen.append(blas_threads()))
    (tmp_path / "a.mp4").write_bytes(b"video")
    with threadpool_limits(2, "blas"):
        before = blas_threads()
        talkmill.run(tmp_path / "a.mp4", tmp_path / "out")
        assert blas_threads() == before, "the caller's own work goes on as before"
    assert seen == [{1}]
