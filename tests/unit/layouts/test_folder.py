"""The list that an export keeps of its own files."""

from pathlib import Path

import pytest

from talkmill.layouts.folder import ExportFolder, Part


def test_a_list_that_names_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x_export.jsonl").write_text('{"part": "p", "fingerprint": null, "files": ["../../etc/passwd"]}\n')
    with pytest.raises(ValueError, match="names files outside its folder"):
        ExportFolder(tmp_path, "x")
    (tmp_path / "x_export.jsonl").write_text("hello\n")
    with pytest.raises(ValueError, match="is not the list of an export"):
        ExportFolder(tmp_path, "x")


def test_a_line_that_a_kill_cut_short_is_passed_over(tmp_path: Path) -> None:
    part = Part("p", "1", ("a/b.txt",))
    ExportFolder(tmp_path, "x").write(part, lambda folder: (folder / "a/b.txt").write_text("1"))
    with (tmp_path / "x_export.jsonl").open("ab") as file:
        file.write(b'{"part": "q", "finge')
    again = ExportFolder(tmp_path, "x")
    assert again.holds(part)
    again.write(Part("q", "1", ("c.txt",)), lambda folder: (folder / "c.txt").write_text("1"))
    assert ExportFolder(tmp_path, "x").holds(part)
