"""`talkmill check`: which layout a folder is checked as."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from talkmill.cli.export import check
from talkmill.cli.outcome import EXIT_FAILED, CommandError


def findings_of(folder: Path, capsys: pytest.CaptureFixture[str], layout: str = "") -> list[dict[str, str]]:
    assert check(folder, layout, as_json=True) == EXIT_FAILED
    found: list[dict[str, str]] = json.loads(capsys.readouterr().out)
    return found


def test_a_folder_is_checked_as_what_its_record_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = {layout: findings_of(tmp_path, capsys, layout) for layout in ("wav2lip", "latentsync")}
    assert wanted["wav2lip"] != wanted["latentsync"]
    for layout, findings in wanted.items():
        (tmp_path / "export.json").write_text(json.dumps({"layout": layout}))
        assert findings_of(tmp_path, capsys) == findings
    # The record still names the other.
    assert findings_of(tmp_path, capsys, "wav2lip") == wanted["wav2lip"]


@pytest.mark.parametrize("record", [None, "{", "[]", "{}", '{"layout": null}'])
def test_a_folder_that_names_no_layout_is_told(tmp_path: Path, record: str | None) -> None:
    if record is not None:
        (tmp_path / "export.json").write_text(record)
    with pytest.raises(CommandError, match=r"has no export\.json that names its layout; give --layout"):
        check(tmp_path)


def test_a_record_of_another_tool_is_no_layout(tmp_path: Path) -> None:
    (tmp_path / "export.json").write_text('{"layout": "flat"}')
    with pytest.raises(CommandError, match="there is no layout 'flat'"):
        check(tmp_path)


@pytest.mark.parametrize("spoil", [os.mkfifo, os.mkdir])
def test_a_record_that_is_no_file_names_no_layout(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    spoil(tmp_path / "export.json")
    with pytest.raises(CommandError, match=r"has no export\.json that names its layout"):
        check(tmp_path)


def test_of_many_findings_of_a_kind_some_are_printed_and_the_rest_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = [f"/train/talking_face_data/square/speech/{number:05}" for number in range(12)]
    (tmp_path / "video_square_path.txt").write_text("\n".join(clips) + "\n")
    assert len(findings_of(tmp_path, capsys, "stableavatar")) >= 12
    assert check(tmp_path, "stableavatar") == EXIT_FAILED
    printed = capsys.readouterr().out.replace("\n", " ")
    assert printed.count("there is no such folder") == 6
    assert "7 more files: is named in a list, and there is no such folder" in printed
