"""kill -9 in the middle of every stage, then the same command: the set holds the same values."""

from pathlib import Path

import pytest

from talkmill.pipeline.graph import GRAPH
from tests.fixture_types import Cli, Contents, Sample

# Frames enough for every stage to be in the middle of something, few enough to be quick.
OPTIONS = ("--matting", "draft", "--range", "0-1.2", "--size", "128")

# Dies inside the stage's run, after some of its work: at the second report of progress, or at a frame of pack.
KILL = """
import os, signal
from talkmill.stages import contract
import talkmill.stages.pack.stage as pack
stage, advance, coded, calls = {stage!r}, contract.StageContext.advance, pack.read_coded, []
def die_if(due):
    calls.append(1)
    if due and len(calls) == {calls}:
        os.kill(os.getpid(), signal.SIGKILL)
def killing_advance(self, *arguments):
    if stage != "pack":
        die_if(self.scratch.name.startswith(stage + "-")) if self.scratch.name.startswith(stage + "-") else None
    advance(self, *arguments)
def killing_read(path):
    for image in coded(path):
        if stage == "pack":
            die_if(True)
        yield image
contract.StageContext.advance = killing_advance
pack.read_coded = killing_read
"""
# How many reports a stage makes at least; the kill comes at this one.
REPORTS = {"split": 20, "matting": 10, "crop": 10, "landmarks": 10, "pack": 15}


@pytest.fixture(scope="module")
def clean(talkmill: Cli, sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clean")
    result = talkmill("run", sample[0], "--out", folder, *OPTIONS)
    assert result.returncode == 0, result.stderr
    return folder


def test_a_kill_in_every_stage_loses_nothing(
    talkmill: Cli,
    sample: Sample,
    clean: Path,
    contents: Contents,
    tmp_path: Path,
) -> None:
    for stage in (entry.name for entry in GRAPH):
        prelude = KILL.format(stage=stage, calls=REPORTS.get(stage, 1))
        result = talkmill("run", sample[0], "--out", tmp_path, *OPTIONS, prelude=prelude)
        assert result.returncode == -9, f"{stage} was not killed: {result.stderr}"
        assert not (tmp_path / "report.json").exists()
    result = talkmill("run", sample[0], "--out", tmp_path, *OPTIONS)
    assert result.returncode == 0, result.stderr
    # Each kill came after the stages before were committed: only the last stage was left to do.
    assert "1 new result" in result.stderr
    assert contents(tmp_path / "lmdb/128") == contents(clean / "lmdb/128")


def test_ctrl_c_stops_cleanly_and_goes_on(
    talkmill: Cli,
    sample: Sample,
    clean: Path,
    contents: Contents,
    tmp_path: Path,
) -> None:
    interrupt = KILL.format(stage="matting", calls=5).replace("SIGKILL", "SIGINT")
    result = talkmill("run", sample[0], "--out", tmp_path, *OPTIONS, prelude=interrupt)
    assert result.returncode == 130
    assert "Re-run the command to resume" in result.stderr
    assert "Traceback" not in result.stderr
    assert talkmill("run", sample[0], "--out", tmp_path, *OPTIONS).returncode == 0
    assert contents(tmp_path / "lmdb/128") == contents(clean / "lmdb/128")
