"""Tables in Parquet, a row a clip with all that was measured, and a dataset card: for Hugging Face `datasets`.

Source: huggingface/datasets 5.2.0: packaged_modules/parquet/parquet.py, load.py (the head of README.md), table.py.
"""

import io
import json
import re
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from talkmill.layouts.card import dataset_card
from talkmill.layouts.checks.files import WRITE_AGAIN, Checked, check_pattern, files_below, find, read_text, why
from talkmill.layouts.checks.media import MovieFacts, check_movie, check_sound
from talkmill.layouts.layout import WHOLE_FOLDER, Finding, Lengths, Piece
from talkmill.layouts.material import ClipMaterial
from talkmill.layouts.media import write_movie
from talkmill.layouts.options import ExportOptions
from talkmill.layouts.pictures import picture_of
from talkmill.layouts.rows import MEASUREMENTS, clip_row, columns_of, flat, read_rows, row_path
from talkmill.pipeline.kinds import Kind
from talkmill.sound.audio import write_wav

TABLES = {"train": "data/train.parquet", "test": "data/test.parquet"}
CARD = "README.md"
# What the hub takes for the head of a card. Source: huggingface/huggingface_hub, repocard.py, REGEX_YAML_BLOCK.
HEAD = re.compile(r"\s*---[\r\n]+(.*?)[\r\n]+---(?:\r\n|\n|\Z)", re.DOTALL)
# What Arrow raises of a file that is none, and of times, texts and numbers that Python cannot hold.
UNREADABLE = (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError)
WRITE_CARD = "write the YAML between two lines of ---, as the hub asks"


class Parquet:
    """Videos and sounds, a table a split, and the card that says which split is where."""

    name = "parquet"
    version = "3"
    trainer = "huggingface/datasets 5.2.0"
    needs: ClassVar[frozenset[Kind]] = frozenset(
        {"video", "frame_table", "audio", "face_track", "landmarks", "geometry"}
    )
    options = frozenset({"size", "face_share", "least_seconds", "most_seconds", "encoder", "captions"})
    lengths = Lengths(1.0)
    whole_runs = True
    rate = None
    list_files: ClassVar[tuple[str, ...]] = (*TABLES.values(), CARD)
    reads: ClassVar[tuple[str, ...]] = (WHOLE_FOLDER,)

    def paths(self, piece: Piece, options: ExportOptions) -> tuple[str, ...]:
        """See `Layout`."""
        return (f"video/{piece.name}.mp4", f"audio/{piece.name}.wav", row_path(piece))

    def write(self, piece: Piece, material: ClipMaterial, options: ExportOptions, folder: Path) -> None:
        """See `Layout`."""
        movie, sound, row = self.paths(piece, options)
        picture, samples = picture_of(piece, material, options), material.sound(piece.frames)
        write_movie(folder / movie, piece.rate, picture.frames(piece, material), samples, options.encoder)
        write_wav(folder / sound, samples)
        (folder / row).write_text(json.dumps(clip_row(piece, material, picture, {"video": movie, "audio": sound})))

    def lists(self, pieces: Sequence[Piece], options: ExportOptions, folder: Path) -> Mapping[str, bytes]:
        """See `Layout`. The rows are those that the pieces wrote; a split without clips has no table."""
        rows = read_rows(pieces, folder, options)
        columns = columns_of([flat(row) for row in rows])
        table = _table(columns)
        files = {split: path for split, path in TABLES.items() if split in columns["split"]}
        lists = {path: _parquet(table, split) for split, path in files.items()}
        # Flags and counts of the clip itself stand in the card's own tables.
        stages = tuple(f"{stage}_" for stage in dict.fromkeys(stage for row in rows for stage in row[MEASUREMENTS]))
        measures = {name: values for name, values in columns.items() if name.startswith(stages) and _numbers(values)}
        return lists | {CARD: dataset_card(rows, measures, files).encode()}

    def check(self, folder: Path) -> Iterator[Finding]:
        """See `Layout`."""
        tables = files_below(folder, ".parquet")
        if not tables:
            yield Finding(
                TABLES["train"], "there is no such list: no .parquet file lies here", "write one row per clip"
            )
        # `datasets` finds tables by glob, below the whole path of the folder.
        yield from check_pattern(folder, ".", "move the folder")
        configs = yield from _check_card(folder)
        for config in configs or [tables]:
            yield from _check_tables(folder, config)


def _check_tables(folder: Path, files: Sequence[str]) -> Iterator[Finding]:
    """Check the tables that are read as one."""
    schemas: dict[tuple[str, ...], str] = {}
    rows: list[tuple[str, dict[str, Any]]] = []
    for file in files:
        path = yield from find(folder, file, "table")
        if path is None:
            continue
        try:
            table = pq.read_table(path, partitioning=None)
        except UNREADABLE as error:
            yield Finding(file, f"cannot be read: {why(error)}", WRITE_AGAIN)
            continue
        if not table.num_rows:
            yield Finding(file, "has no row", "leave it out, and its split out of the card")
        schemas.setdefault(tuple(sorted(f"{one.name} ({one.type})" for one in table.schema)), file)
        columns = yield from _values(file, table)
        rows += [(file, {name: values[row] for name, values in columns.items()}) for row in range(table.num_rows)]
    yield from _check_schemas(schemas)
    yield from _check_rows(folder, rows)


def _values(file: str, table: pa.Table) -> Generator[Finding, None, dict[str, list[Any]]]:
    """Return the columns of a table whose values Python has, and say which it has not: `datasets` gives no such row."""
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        try:
            columns[name] = column.to_pylist()
        except UNREADABLE as error:
            yield Finding(file, f"has values in {name} that cannot be read: {why(error)}", "write that column again")
    return columns


def _table(columns: Mapping[str, Sequence[Any]]) -> pa.Table:
    """Return columns as a table; one without any value is of texts, so that tables of other sets can be joined."""
    arrays = {name: pa.array(values) for name, values in columns.items()}
    return pa.table(
        {name: array.cast(pa.string()) if pa.types.is_null(array.type) else array for name, array in arrays.items()}
    )


def _parquet(table: pa.Table, split: str) -> bytes:
    content = io.BytesIO()
    chosen = table.filter(pa.array([one == split for one in table["split"].to_pylist()]))
    pq.write_table(chosen, content, compression="zstd")
    return content.getvalue()


def _numbers(values: Sequence[Any]) -> bool:
    kinds = {type(value) for value in values if value is not None}
    return kinds <= {int, float}


def _check_card(folder: Path) -> Checked[list[list[str]]]:
    """Check that the head of the card can be read, and that what it names is there; return tables by config."""
    text = yield from read_text(folder, CARD, "card", "write where the clips are from, on what terms, and of whom")
    if text is None:
        return None
    found = HEAD.match(text)
    if found is None:
        yield Finding(CARD, "begins with no YAML between two lines of ---", WRITE_CARD)
        return None
    try:
        head = yaml.safe_load(found[1])
        if not isinstance(head, dict):
            raise TypeError(f"it is {type(head).__name__}; names and values are expected")
        configs = head.get("configs") or []
        named = [
            [
                path
                for one in _listed(config.get("data_files", []))
                for path in _listed(one["path"] if isinstance(one, dict) else one)
            ]
            for config in configs
        ]
    except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        yield Finding(CARD, f"has a head that cannot be read: {type(error).__name__}: {error}", WRITE_CARD)
        return None
    if "license" not in head:
        yield Finding(CARD, "says no license", "write one that the hub knows, or `unknown`, or `other`")
    tables = []
    for patterns in named:
        there = [(pattern, _found(folder, pattern)) for pattern in patterns]
        for pattern in (pattern for pattern, files in there if not files):
            yield Finding(CARD, f"names {pattern}, and there is no such file", "write it, or take it out of `configs`")
        tables.append(sorted({file for _, files in there for file in files if file.endswith(".parquet")}))
    return [config for config in tables if config]


def _found(folder: Path, pattern: object) -> list[str]:
    try:
        return [path.relative_to(folder).as_posix() for path in folder.glob(str(pattern))]
    except (NotImplementedError, ValueError):
        # An absolute path, or none.
        return []


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _check_schemas(schemas: Mapping[tuple[str, ...], str]) -> Iterator[Finding]:
    """All files of a set are read as those of one table."""
    first, *others = schemas.items() or [((), "")]
    for columns, file in others:
        different = sorted(set(columns) ^ set(first[0]))
        yield Finding(
            file,
            f"has other columns than {first[1]}: {', '.join(different)}",
            "give all tables the same columns of the same types",
        )


def _check_rows(folder: Path, rows: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[Finding]:
    for name, times in Counter(_place(row.get("video")) for _, row in rows).items():
        if name and times > 1:
            yield Finding(name, f"is named by {times} rows", "name it once, in one split")
    for number, (file, row) in enumerate(rows):
        for column in ("video", "audio"):
            if column in row and _place(row[column]) is None:
                yield Finding(file, f"row {number} names no {column}", "write its path beside the card")
        movie: MovieFacts | None = None
        video, audio = (_place(row.get(column)) for column in ("video", "audio"))
        if video:
            movie = yield from check_movie(folder, video, None)
        if movie is not None:
            told = {"frames": movie.frame_count, "width": movie.width, "height": movie.height}
            for column, value in told.items():
                if column in row and row[column] != value:
                    yield Finding(file, f"says {row[column]} for {column} of {video}, which has {value}", "write that")
        if audio:
            yield from check_sound(folder, audio, movie)


def _place(cell: Any) -> str | None:
    """Return the path that a cell names, "" where the cell holds the content, None where it is neither.

    `datasets` writes videos and sounds as objects of a path and bytes.
    """
    if isinstance(cell, dict):
        return "" if cell.get("bytes") else _place(cell.get("path"))
    return cell if isinstance(cell, str) and cell else None
