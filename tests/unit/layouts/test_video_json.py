"""The lists of video-json, of rows that pieces wrote, and its captions."""

import csv
import json
from fractions import Fraction
from pathlib import Path

import pytest

from talkmill.layouts.captions import caption
from talkmill.layouts.layout import Piece
from talkmill.layouts.options import ExportOptions
from talkmill.layouts.video_json import VideoJson


def piece(folder: Path, name: str, split: str, rate: int) -> Piece:
    """A piece whose row lies in the folder."""
    row = {"video": f"video/{name}.mp4", "audio": f"wav/{name}.wav", "control": f"control/{name}.mp4", "split": split}
    (folder / "clips").mkdir(exist_ok=True)
    (folder / f"clips/{name}.json").write_text(json.dumps(row | {"text": "One, two.", "width": 64, "height": 64}))
    return Piece(name, name, split, "somebody", Fraction(rate), 0, 5 * rate)


def test_clips_for_tests_have_lists_of_their_own(tmp_path: Path) -> None:
    pieces = [piece(tmp_path, "a", "train", 16), piece(tmp_path, "b", "test", 16)]
    lists = VideoJson().lists(pieces, ExportOptions(), tmp_path)
    for ending, key in (("json", "file_path"), ("csv", "video")):
        for name, clip in (("metadata", "a"), ("metadata_test", "b")):
            text = lists[f"{name}.{ending}"].decode()
            rows = json.loads(text) if ending == "json" else list(csv.DictReader(text.splitlines()))
            assert [row[key] for row in rows] == [f"video/{clip}.mp4"]
    assert [json.loads(line)["split"] for line in lists["metadata.jsonl"].splitlines()] == ["train", "test"]


def test_diffsynth_is_given_sound_at_its_own_rate_only(tmp_path: Path) -> None:
    pieces = [piece(tmp_path, "a", "train", 16), piece(tmp_path, "b", "train", 25)]
    (of_one, *_), both = (
        list(csv.DictReader(VideoJson().lists(some, ExportOptions(), tmp_path)["metadata.csv"].decode().splitlines()))
        for some in (pieces[:1], pieces)
    )
    assert of_one == {
        "video": "video/a.mp4",
        "prompt": "One, two.",
        "input_audio": "wav/a.wav",
        "s2v_pose_video": "control/a.mp4",
    }
    assert [list(row) for row in both] == [["video", "prompt"]] * 2


@pytest.mark.parametrize(
    ("faces_high", "others", "text"),
    [
        (1.2, 0, "A close-up of one person."),
        (2, None, "The head and shoulders of a person."),
        (4, 1, "The upper body of a person."),
        (9, 0, "A wide view of one person."),
    ],
)
def test_a_caption_says_what_is_known(faces_high: float, others: int | None, text: str) -> None:
    assert caption(faces_high, others) == text
