"""Clips as lists of videos and sounds, for the trainers of the Wan family: VideoX-Fun reads JSON, DiffSynth-Studio CSV.

Source: aigc-apps/VideoX-Fun 804a425: videox_fun/data/dataset_video.py (VideoSpeechDataset, VideoSpeechControlDataset),
bucket_sampler.py, scripts/wan2.2/train_s2v.py; modelscope/DiffSynth-Studio fed7b18:
diffsynth/core/data/unified_dataset.py, operators.py, diffsynth/pipelines/wan_video.py (WanVideoUnit_S2V).
"""

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, repeat
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from talkmill.arrays import Frame
from talkmill.layouts.checks.files import Checked, read_json, read_text
from talkmill.layouts.checks.lists import check_training
from talkmill.layouts.checks.media import MovieFacts, check_movie, check_wav, shown_rate
from talkmill.layouts.layout import WHOLE_FOLDER, Finding, Lengths, Piece
from talkmill.layouts.material import ClipMaterial
from talkmill.layouts.media import write_movie
from talkmill.layouts.options import ExportOptions
from talkmill.layouts.pictures import picture_of
from talkmill.layouts.rows import clip_row, read_rows, row_path
from talkmill.pipeline.kinds import Kind
from talkmill.sound.audio import SAMPLE_RATE, write_wav

# Of the control video, in the rows of VideoX-Fun.
CONTROL = "control_file_path"
LISTS = {"train": "metadata", "test": "metadata_test"}
# Columns of the CSV; the last two are what Wan2.2-S2V is trained with.
COLUMNS = ("video", "prompt", "input_audio", "s2v_pose_video")
# DiffSynth takes the sound to have so many video frames a second, whatever the video has.
DIFFSYNTH_RATE = 16
# VideoX-Fun leaves frames out until no more remain, and then counts whole frames a second.
VIDEOX_MOST_RATE = 30
# What pandas reads as no value where a text is wanted.
PANDAS_NONE = {"", "#N/A", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"}


class VideoJson:
    """Videos, sounds, black control videos, and lists of them with paths relative to the folder."""

    name = "video-json"
    version = "3"
    trainer = "aigc-apps/VideoX-Fun 804a425, modelscope/DiffSynth-Studio fed7b18 (Wan)"
    needs: ClassVar[frozenset[Kind]] = frozenset(
        {"video", "frame_table", "audio", "face_track", "landmarks", "geometry"}
    )
    options = frozenset({"size", "face_share", "least_seconds", "most_seconds", "encoder", "captions"})
    lengths = Lengths(4.0, 15.0)
    whole_runs = True
    rate = None
    list_files: ClassVar[tuple[str, ...]] = (
        "metadata.jsonl",
        *(f"{name}.{ending}" for name in LISTS.values() for ending in ("json", "csv")),
    )
    reads: ClassVar[tuple[str, ...]] = (WHOLE_FOLDER,)

    def paths(self, piece: Piece, options: ExportOptions) -> tuple[str, ...]:
        """See `Layout`."""
        name = piece.name
        return (f"video/{name}.mp4", f"wav/{name}.wav", f"control/{name}.mp4", row_path(piece))

    def write(self, piece: Piece, material: ClipMaterial, options: ExportOptions, folder: Path) -> None:
        """See `Layout`."""
        movie, sound, control, row = self.paths(piece, options)
        picture = picture_of(piece, material, options)
        samples = material.sound(piece.frames)
        write_movie(folder / movie, piece.rate, picture.frames(piece, material), samples, options.encoder)
        # Some samples more than the frames last: no rounding of a segment reaches past the end.
        wanted = math.ceil(piece.frame_count / piece.rate * SAMPLE_RATE) + 1
        write_wav(folder / sound, np.pad(samples, (0, wanted - len(samples))))
        black: Frame = np.zeros((picture.height, picture.width, 3), np.uint8)
        write_movie(folder / control, piece.rate, repeat(black, piece.frame_count), None, options.encoder)
        values = clip_row(piece, material, picture, {"video": movie, "audio": sound, "control": control})
        (folder / row).write_text(json.dumps(values))

    def lists(self, pieces: Sequence[Piece], options: ExportOptions, folder: Path) -> Mapping[str, bytes]:
        """See `Layout`. The rows are those that the pieces wrote."""
        rows = read_rows(pieces, folder, options)
        # At another rate the sound would not be that of the frames: the trainer is to stop, not to learn it.
        columns = COLUMNS if all(piece.rate == DIFFSYNTH_RATE for piece in pieces) else COLUMNS[:2]
        lists = {"metadata.jsonl": "".join(f"{json.dumps(row)}\n" for row in rows)}
        for split, name in LISTS.items():
            chosen = [row for row in rows if row["split"] == split]
            lists[f"{name}.json"] = json.dumps([_videox_row(row) for row in chosen], indent=1) + "\n"
            lists[f"{name}.csv"] = _table(columns, chosen)
        return {name: content.encode() for name, content in lists.items()}

    def check(self, folder: Path) -> Iterator[Finding]:
        """See `Layout`."""
        files = [f"{name}{ending}" for ending in (".json", ".csv") for name in LISTS.values()]
        here = [file for file in files if (folder / file).exists()]
        if not {"metadata.json", "metadata.csv"} & set(here):
            yield Finding("metadata.json", "there is no such list", "write a JSON array of clips")
            return
        rows: list[_Row] = []
        for file in here:
            read = _json_rows if file.endswith(".json") else _csv_rows
            found = yield from read(folder, file)
            if found is None:
                continue
            rows += found
            if Path(file).stem == LISTS["train"]:
                yield from check_training(file, sum(row.file == file for row in rows))
        clips: dict[str, list[_Row]] = {}
        for row in rows:
            clips.setdefault(row.video, []).append(row)
        for video, named in clips.items():
            for ending, times in Counter(Path(row.file).suffix for row in named).items():
                if times > 1:
                    yield Finding(video, f"is named {times} times in {ending} lists", "name it once, in one list")
            yield from _check_clip(folder, video, named)


def _videox_row(row: Mapping[str, Any]) -> dict[str, Any]:
    paths = {"file_path": row["video"], "audio_path": row["audio"], CONTROL: row["control"]}
    return paths | {"text": row["text"], "type": "video", "width": row["width"], "height": row["height"]}


def _table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([row["video"], row["text"], row["audio"], row["control"]][: len(columns)])
    return text.getvalue()


@dataclass(frozen=True, slots=True)
class _Row:
    """What a row of a list names.

    Attributes:
        file: The list.
        video: Path of the video.
        audio: Path of its sound; None where the row has none.
        control: Path of its control video; None where the row has none.
        size: Width and height that the row says; None where it says none.
    """

    file: str
    video: str
    audio: str | None
    control: str | None
    size: tuple[int, int] | None = None


def _json_rows(folder: Path, file: str) -> Checked[list[_Row]]:
    """Yield what VideoX-Fun trips over in a list, and return its rows."""
    rows = yield from read_json(folder, file, list, "list", "write a JSON array of clips")
    if rows is None:
        return None
    told = []
    wanted = ["file_path", "text", "audio_path"]
    if any(isinstance(row, dict) and CONTROL in row for row in rows):
        wanted.append(CONTROL)
    elif rows:
        yield Finding(
            file, f"no row has a `{CONTROL}`: Wan2.2-S2V skips them all, and never ends; other trainers do not read it",
            _MENDS[CONTROL],
        )  # fmt: skip
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            yield Finding(file, f"row {number} is no object", "write one object per clip")
            continue
        for key in wanted:
            if not isinstance(row.get(key), str):
                yield Finding(
                    file,
                    f"row {number} has no string `{key}`; the reader skips it, and never ends where all rows lack one",
                    _MENDS[key],
                )
        if row.get("type") != "video":
            yield Finding(
                file, f"row {number} has type {row.get('type')!r}; with buckets it is read as an image",
                'write "type": "video"',
            )  # fmt: skip
        video, audio, control = (row.get(key) for key in ("file_path", "audio_path", CONTROL))
        width, height = row.get("width"), row.get("height")
        size = (width, height) if isinstance(width, int) and isinstance(height, int) else None
        if size is None and (width, height) != (None, None):
            yield Finding(file, f"row {number} is {width!r} wide and {height!r} high", "write two whole numbers")
        if isinstance(video, str):
            told.append(_Row(file, video, _text(audio), _text(control), size))
    return told


_MENDS = {
    "file_path": "name the video",
    "text": 'write a caption, or ""',
    "audio_path": "name the sound",
    CONTROL: "name a control video; a black one of as many frames will do",
}


def _csv_rows(folder: Path, file: str) -> Checked[list[_Row]]:
    """Yield what DiffSynth trips over in a list, and return its rows."""
    # pandas passes over a byte order mark.
    text = yield from read_text(folder, file, "list", f"write the columns {','.join(COLUMNS)}", mark_is_read=False)
    if text is None:
        return None
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""))
        columns, rows = reader.fieldnames or [], list(reader)
    except csv.Error as error:
        yield Finding(file, f"is no CSV: {error}", f"write the columns {','.join(COLUMNS)}")
        return None
    missing = [column for column in COLUMNS[:2] if column not in columns]
    if missing:
        yield Finding(file, f"has no column {' and '.join(missing)}", f"write the columns {','.join(COLUMNS)}")
        return None
    told = []
    for number, row in enumerate(rows):
        for column in (name for name in COLUMNS if name in columns):
            if (row[column] or "") in PANDAS_NONE:
                yield Finding(
                    file, f"row {number} has {row[column]!r} as {column}, which pandas reads as NaN",
                    "write a text that says something",
                )  # fmt: skip
        if row["video"]:
            told.append(_Row(file, row["video"], row.get("input_audio") or None, row.get("s2v_pose_video") or None))
    return told


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _check_clip(folder: Path, video: str, rows: Sequence[_Row]) -> Iterator[Finding]:
    """Check a video with the sound and the control that rows name for it."""
    movie = yield from check_movie(folder, video, None)
    if movie is None or not movie.rate:
        return
    for file, size in dict.fromkeys((row.file, row.size) for row in rows):
        if size is not None and size != (movie.width, movie.height):
            yield Finding(
                file, f"says that {video} is {size[0]}x{size[1]}, and it is {movie.width}x{movie.height}",
                "write what the file has, or leave both out",
            )  # fmt: skip
    heard = [row for row in rows if row.audio is not None]
    if any(row.file.endswith(".json") for row in heard):
        yield from _check_videox_rate(video, movie)
    if any(row.file.endswith(".csv") for row in heard) and not movie.keeps(DIFFSYNTH_RATE):
        yield Finding(
            video,
            f"has {shown_rate(movie.measured_rate)} frames a second; DiffSynth reads its sound for {DIFFSYNTH_RATE}",
            "make it again at 16 frames a second, or leave `input_audio` out",
        )
    # The sound of a sample ends with the beginning of its last frame.
    least = math.ceil((movie.frame_count - 1) / movie.rate * SAMPLE_RATE)
    for audio in dict.fromkeys(row.audio for row in heard if row.audio is not None):
        yield from check_wav(folder, audio, least)
    for control in dict.fromkeys(row.control for row in rows if row.control is not None):
        yield from _check_control(folder, control, video, movie)


def _check_videox_rate(video: str, movie: MovieFacts) -> Iterator[Finding]:
    """Any rate is read, but what the file says is counted in whole frames: 24.99 is counted as 24."""
    stride = next(stride for stride in count(1) if movie.rate // stride <= VIDEOX_MOST_RATE)
    taken, counted = movie.measured_rate / stride, movie.rate // stride
    if not movie.keeps(counted * stride):
        yield Finding(
            video,
            f"gives {shown_rate(taken)} frames a second, and VideoX-Fun counts {counted}: sound and lips part by "
            f"{abs(1 - counted / taken):.1%} of the time",
            "make it again at a whole number of frames a second",
        )


def _check_control(folder: Path, control: str, video: str, movie: MovieFacts) -> Iterator[Finding]:
    found = yield from check_movie(folder, control, None)
    if found is None:
        return
    if found.frame_count != movie.frame_count:
        yield Finding(
            control,
            f"has {found.frame_count} frames, {video} has {movie.frame_count}",
            "write the same number of frames",
        )
    if (found.width, found.height) != (movie.width, movie.height):
        yield Finding(
            control, f"is {found.width}x{found.height}, {video} is {movie.width}x{movie.height}",
            "write it as large as the video",
        )  # fmt: skip
