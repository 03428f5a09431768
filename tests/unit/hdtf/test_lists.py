"""Any list of clips to a plan."""

import json
from pathlib import Path

import pytest

from talkmill.pipeline.plan import CropRegion, ListError, read_table


def test_any_list_of_clips_is_a_plan(tmp_path: Path) -> None:
    rows = [
        {"url": "https://site.example/a", "start": "1:05", "end": "1:00:00.5", "person": "Ann", "crop": [1, 2, 3, 4]},
        {"url": "https://site.example/b", "split": "test"},
    ]
    (tmp_path / "list.json").write_text(json.dumps(rows))
    first, second = read_table(tmp_path / "list.json")
    assert (first.name, first.start_seconds, first.end_seconds) == ("Ann_000", 65, 3600.5)
    assert first.crop == CropRegion(1, 2, 3, 4, 0)
    assert (second.start_seconds, second.end_seconds, second.split) == (0, None, "test")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,start\nx,1", "no column `url`"),
        ("url\nfile:///etc/passwd", "not an http"),
        ("url,start,end\nhttp://a,5,5", "ends at 5 s"),
        ("url,start\nhttp://a,soon", "'soon' is not a time"),
        ("url,crop\nhttp://a,1 2 3", "not `x y width height`"),
        ("url,split\nhttp://a,dev", "neither train nor test"),
        ("url", "holds no clip"),
    ],
)
def test_a_bad_row_is_named(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(ListError, match=words):
        read_table(tmp_path / "list.csv")
