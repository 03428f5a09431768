"""A run that is killed in pack, and the run after it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.made_up_stages import run_made_up, set_of, write_sources

ROOT = Path(__file__).parents[2]


def run_killed_in_pack(folder: Path, point: str, *inputs: Path) -> int:
    """Run files in a process that is killed where pack reaches a point."""
    script = f"""
import os, signal
from pathlib import Path
from talkmill.dataset import lists, writer
from tests.made_up_stages import run_made_up

def reached(found):
    if found == {point!r}:
        os.kill(os.getpid(), signal.SIGKILL)
writer.reached = lists.reached = reached
run_made_up(Path({str(folder)!r}), *map(Path, {[str(path) for path in inputs]!r}))
"""
    return subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode


@pytest.mark.parametrize("point", ["clip is to be written", "clip is written", "list is to be written"])
def test_a_run_after_one_that_was_killed_in_pack_finds_the_set_and_not_its_memory(tmp_path: Path, point: str) -> None:
    """A; B killed in pack; A again: all of A is there, and the lists are those of the set."""
    a, b, c = write_sources(tmp_path / "in", "a.mp4", "b.mp4", "c.mp4")
    run_made_up(tmp_path / "out", a, b)
    before = set_of(tmp_path / "out")
    assert run_killed_in_pack(tmp_path / "out", point, c) == -signal.SIGKILL
    summary = run_made_up(tmp_path / "out", a, b)
    assert summary.packed == ("a_000", "b_000")
    after = set_of(tmp_path / "out")
    assert before.keys() <= after.keys()
    run_made_up(tmp_path / "out", c)
    run_made_up(tmp_path / "calm", a, b)
    run_made_up(tmp_path / "calm", c)
    assert set_of(tmp_path / "out") == set_of(tmp_path / "calm")
    assert (tmp_path / "out/lmdb/train_list.txt").read_text().split() == ["a_000", "b_000", "c_000"]
