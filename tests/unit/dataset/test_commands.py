"""What `talkmill dataset` shows of a set."""

import json
from pathlib import Path

import lmdb
import pytest

from talkmill.cli.dataset import inspect_dataset, remove_from_dataset, verify_dataset
from talkmill.cli.outcome import EXIT_FAILED, EXIT_OK, CommandError
from talkmill.dataset.writer import DatasetWriter
from tests.sets import SIZE, add, arrays, frames


def test_a_clip_without_frames_is_refused_by_a_writer_and_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with DatasetWriter(tmp_path, SIZE) as writer:
        add(writer, "a_000", 3)
        for name in ("a_000", "b_000"):
            with pytest.raises(ValueError, match=f"clip {name} has no frames"):
                writer.add(name, "train", "x", iter(()), arrays(0), {})
        assert list(writer.manifest.clips) == ["a_000"]
    # Another version may have let it in.
    entry = {"frame_count": 0, "split": "test", "fingerprint": "x", "checksum": "x"}
    with lmdb.open(str(tmp_path)) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"clip/b_000", json.dumps(entry).encode())
        for field, value in arrays(0).encoded().items():
            transaction.put(f"b_000-{field}".encode(), value)
        transaction.put(b"b_000-meta", b"{}")
    inspect_dataset(tmp_path)
    line = next(line for line in capsys.readouterr().out.splitlines() if "b_000" in line)
    assert [cell.strip() for cell in line.strip("│").split("│")] == ["b_000", "test", "0", "-", "-", "-", ""]


def test_brackets_are_shown_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "[bold]set[/bold]"
    with DatasetWriter(folder, SIZE) as writer:
        writer.add("a_000", "train", "x", iter(frames(3)), arrays(3), {"person": "[i]P[/i]"})
        writer.add("b_000", "[red]", "x", iter(frames(3)), arrays(3), {"person": "[/]"})
    inspect_dataset(folder)
    shown = capsys.readouterr().out
    assert f"2 clips of {SIZE} pixels in {folder}" in shown
    for text in ("[i]P[/i]", "[/]", "[red]"):
        assert text in shown
    verify_dataset(folder)
    assert capsys.readouterr().out == "2 clips, 6 frames: whole\n"


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A set of three clips, of which the entry of the second is damaged."""
    folder = tmp_path / str(SIZE)
    with DatasetWriter(folder, SIZE) as writer:
        for name in ("a_000", "b_000", "c_000"):
            add(writer, name, 3)
    with lmdb.open(str(folder)) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"clip/b_000", b"{")
    return folder


def test_a_damaged_clip_is_shown_among_the_others(damaged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect_dataset(damaged) == EXIT_FAILED
    told = capsys.readouterr()
    rows = [[cell.strip() for cell in line.strip("│").split("│")][:2] for line in told.out.splitlines() if "_0" in line]
    assert rows == [["a_000", "train"], ["b_000", "damaged"], ["c_000", "train"]]
    assert "3 clips" in told.out
    assert told.err.startswith("the entry of clip b_000 is damaged: ")


def test_a_damaged_clip_is_told_by_verify_and_can_be_removed(damaged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError, match=r"^the entry of clip b_000 is damaged: .*`talkmill dataset remove`"):
        verify_dataset(damaged)
    assert remove_from_dataset(damaged, ["b_000"]) == EXIT_OK
    verify_dataset(damaged)
    assert capsys.readouterr().out == "1 clip removed; 2 clips left\n2 clips, 6 frames: whole\n"


def test_a_folder_without_a_set_is_said(tmp_path: Path) -> None:
    for command in (inspect_dataset, verify_dataset, lambda folder: remove_from_dataset(folder, ["a_000"])):
        with pytest.raises(CommandError, match=f"^there is no data set in {tmp_path}$"):
            command(tmp_path)
