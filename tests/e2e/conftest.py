"""Runs of the real command line."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import lmdb
import pytest

from tests.fixture_types import Cli, Sample


@pytest.fixture(scope="session")
def talkmill() -> Cli:
    """Run `talkmill` with arguments; the output and exit code come back."""

    def run(*arguments: object, prelude: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
        script = f"{prelude}\nfrom talkmill.__main__ import main\nmain()"
        command = [sys.executable, "-c", script, *map(str, arguments)]
        return subprocess.run(
            command, capture_output=True, text=True, env=os.environ | environment, timeout=900, check=False
        )

    return run


@pytest.fixture(scope="session")
def dataset(talkmill: Cli, sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample through the whole default pipeline."""
    folder = tmp_path_factory.mktemp("dataset") / "out"
    result = talkmill("run", sample[0], "--out", folder, "--person", "EileenCollins")
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="session")
def contents() -> Callable[[Path], dict[bytes, bytes]]:
    def read(folder: Path) -> dict[bytes, bytes]:
        with lmdb.open(str(folder), readonly=True, lock=False) as environment, environment.begin() as transaction:
            return {bytes(key): bytes(value) for key, value in transaction.cursor()}

    return read
