"""An export that is killed between any two of its files, and the export after it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from talkmill.layouts.otavatar_processing import CLIP_FILES
from tests.exports import OneHead, everything, export, make_set

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("files_before", [0, 2, 5, 13, 21])
def test_an_export_after_one_that_was_killed_gives_a_whole_folder(tmp_path: Path, files_before: int) -> None:
    run, heads = tmp_path / "set", OneHead(tmp_path)
    make_set(run, tmp_path / "in")
    script = f"""
import os, signal
from pathlib import Path
import talkmill.layouts.folder as export_folder
from talkmill.layouts.otavatar_processing import export_processing
from tests.exports import OneHead

moved = export_folder.move_durably
left = [{files_before}]
def move(source, target):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    moved(source, target)
export_folder.move_durably = move
export_processing(Path({str(run)!r}), Path({str(tmp_path / "out")!r}), "set", OneHead(Path({str(tmp_path)!r})))
"""
    killed = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    result = export(run, heads, tmp_path / "out")
    assert len(result.kept) == max(0, (files_before - 4) // len(CLIP_FILES))
    assert result.strangers == ()
    export(run, heads, tmp_path / "calm")
    assert everything(tmp_path / "out") == everything(tmp_path / "calm")
