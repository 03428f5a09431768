"""All that is known of a piece: a row of JSON values, and the columns of a table of such rows."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from talkmill.layouts.captions import caption, read_captions
from talkmill.layouts.layout import Piece
from talkmill.layouts.material import ClipMaterial
from talkmill.layouts.options import ExportOptions
from talkmill.layouts.pictures import Picture

MEASUREMENTS = "measurements"
# What was measured and noted is of the whole clip, as it lies in the set: its frames, and frames a second.
CLIP_FRAMES, CLIP_RATE = "clip_frames", "clip_rate"


def clip_row(piece: Piece, material: ClipMaterial, picture: Picture, files: Mapping[str, str]) -> dict[str, Any]:
    """Return all that is known of a piece, as JSON values.

    Args:
        piece: The piece.
        material: Its clip.
        picture: What is shown of it.
        files: What a file is to its path in the export.
    """
    clip, boxes = material.clip, material.boxes[piece.frames]
    faces_high = picture.frame_height / float(np.median(boxes[:, 3] - boxes[:, 1]))
    return {
        "name": piece.name,
        "clip": piece.clip,
        "split": piece.split,
        "person": piece.person,
        **files,
        "text": caption(faces_high, clip.measurements.get("split", {}).get("other_face_count")),
        "width": picture.width,
        "height": picture.height,
        "frames": piece.frame_count,
        "rate": float(piece.rate),
        "seconds": float(piece.frame_count / piece.rate),
        "start_seconds": material.start_seconds(piece.first_frame),
        CLIP_FRAMES: clip.meta["frame_count"],
        CLIP_RATE: float(material.set_rate),
        "source": clip.meta["source"],
        "licence": clip.meta.get("licence"),
        "models": clip.meta["models"],
        "notes": clip.meta["notes"],
        MEASUREMENTS: clip.measurements,
    }


def read_rows(pieces: Iterable[Piece], folder: Path, options: ExportOptions) -> list[dict[str, Any]]:
    """Return the rows that pieces wrote to `clips/NAME.json` of a folder, with the user's captions where there are any.

    Args:
        pieces: Of the export.
        folder: Of the export.
        options: How it is written.
    """
    rows = [(piece, json.loads((folder / row_path(piece)).read_text())) for piece in pieces]
    captions = read_captions(options.captions)
    return [row | {"text": captions.get(piece.name, captions.get(piece.clip, row["text"]))} for piece, row in rows]


def row_path(piece: Piece) -> str:
    """Return where the row of a piece lies in an export."""
    return f"clips/{piece.name}.json"


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row without objects inside: `{"split": {"union_ratio": 1}}` is `split_union_ratio`.

    Lists, and objects inside measurements, become JSON.
    """
    simple = {name: value for name, value in row.items() if not isinstance(value, dict | list)}
    source = {f"source_{name}": _plain(value) for name, value in row["source"].items()}
    told = {"models": json.dumps(row["models"], sort_keys=True), "notes": json.dumps(row["notes"], ensure_ascii=False)}
    measured = {
        f"{stage}_{name}": _plain(value)
        for stage, values in sorted(row[MEASUREMENTS].items())
        for name, value in sorted(values.items())
    }
    return simple | source | told | measured


def columns_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return flat rows as columns of one type each; a row that lacks a value has None there.

    Whole numbers become floats where another row has one, and anything becomes text where another row has text.
    """
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: _of_one_type([row.get(name) for row in rows]) for name in names}


def _of_one_type(values: list[Any]) -> list[Any]:
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) < 2:
        return values
    if kinds == {int, float}:
        return [None if value is None else float(value) for value in values]
    return [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]


def _plain(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
