"""Checks tar files as WebDataset groups and decodes them. Nothing that is pickled is ever opened.

Source: webdataset/webdataset e0953f9: src/webdataset/tariterators.py, autodecode.py.
"""

import io
import itertools
import json
import lzma
import re
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from talkmill.layouts.checks.files import WRITE_AGAIN, Checked, T, files_below, find, parse_json
from talkmill.layouts.checks.media import check_movie, check_sound
from talkmill.layouts.layout import Finding

# What stands before the first dot of a file's name is its sample, what stands after it is its field.
MEMBER = re.compile(r"((?:.*/|)[^.]+)[.]([^/]*)")
# The reader passes over names that begin so.
PASSED_OVER = re.compile(r"__[^/]*__($|/)")
# The reader opens them by what is in them.
ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
NUMBERED = re.compile(rf"(.*?)(\d+)({'|'.join(map(re.escape, ENDINGS))})")
# What the reader expands in an address before it opens it.
EXPANDED = re.compile(r"::|\$\{\w+\}|\{[^{}]*(?:,|\.\.)[^{}]*\}")
# Fields that the reader's `decode()` unpickles: whoever wrote them runs code where they are read.
PICKLES = ("pkl", "pickle", "pyd", "pth")
# Of a sample that is held in memory to be checked.
MOST_BYTES = 1 << 31


@dataclass(slots=True)
class _Sample:
    """Members of one name that follow each other in a shard: field to content."""

    name: str
    fields: dict[str, bytes] = field(default_factory=dict)


def check_shards(folder: Path) -> Iterator[Finding]:
    """Yield what WebDataset would trip over in the shards of a folder.

    Args:
        folder: With the .tar files, also packed ones, in it or below it.
    """
    if held := EXPANDED.search(str(folder.resolve())):
        yield Finding(
            ".", f"has {held[0]} in its path {folder.resolve()}, which the reader expands in a text",
            "rename the folder, or give the reader a list of paths",
        )  # fmt: skip
    shards = files_below(folder, *ENDINGS)
    if not shards:
        yield Finding(".", "there is no such list: no .tar file lies here", "write shards, such as train-000000.tar")
    yield from _check_numbers(shards)
    places: dict[str, str] = {}
    kinds: Counter[tuple[str, ...]] = Counter()
    first: dict[tuple[str, ...], str] = {}
    for shard in shards:
        path, empty = (yield from find(folder, shard)), True
        if path is None:
            continue
        for found in _samples(path, shard):
            if isinstance(found, Finding):
                yield found
                continue
            empty, at = False, f"{shard}: {found.name}"
            if found.name in places:
                where = "apart in the shard: it is read as two samples" if places[found.name] == shard else (
                    f"in {places[found.name]} too"
                )  # fmt: skip
                yield Finding(at, f"lies {where}", "let the files of a sample follow each other, in one shard")
            places[found.name] = shard
            fields = tuple(sorted(_names_in(found)))
            kinds[fields] += 1
            first.setdefault(fields, at)
            yield from _check_sample(at, found)
        if empty:
            yield Finding(shard, "holds no sample that can be read", "leave it out, or write it again")
    usual = kinds.most_common(1)[0][0] if kinds else ()
    for fields, count in kinds.items():
        lacking, further = sorted({*usual} - {*fields}), sorted({*fields} - {*usual})
        told = [f"lacks {', '.join(lacking)}"] * bool(lacking) + [f"has {', '.join(further)} too"] * bool(further)
        if told:
            yield Finding(
                first[fields],
                f"{' and '.join(told)}, as {count} of {kinds.total()} samples, unlike {kinds[usual]}",
                "give every sample the same fields: the reader fails on one that is missing",
            )


def _names_in(sample: _Sample) -> Iterator[str]:
    """Yield the fields of a sample, and the names of what is in its objects of JSON and its archives of NumPy."""
    for name, content in sample.fields.items():
        yield name
        # What cannot be read is a finding of its own.
        with suppress(ValueError, RecursionError, NotImplementedError, zipfile.BadZipFile):
            if name == "json" and isinstance(row := json.loads(content), dict):
                yield from (f"json/{key}" for key in row)
            elif name == "npz":
                with zipfile.ZipFile(io.BytesIO(content)) as archive:
                    yield from (f"npz/{member.removesuffix('.npy')}" for member in archive.namelist())


def _check_numbers(shards: list[str]) -> Iterator[Finding]:
    """Find numbers that are missing in a row of shards: the reader opens every one of a range in braces."""
    rows: dict[tuple[str, str], list[str]] = {}
    for shard in shards:
        if match := NUMBERED.fullmatch(shard):
            rows.setdefault((match[1], match[3]), []).append(match[2])
    for (stem, ending), numbers in rows.items():
        held = set(map(int, numbers))
        # A number may be a date: what is missing is not counted up to it.
        missing = next(number for number in itertools.count(min(held)) if number not in held)
        if missing < max(held):
            yield Finding(
                f"{stem}{missing:0{len(numbers[0])}}{ending}", "is not there, and shards of higher numbers are",
                "number shards without a gap",
            )  # fmt: skip


def _samples(path: Path, shard: str) -> Iterator[Finding | _Sample]:
    """Yield the samples of a shard, as the reader groups them."""
    sample: _Sample | None = None
    try:
        # As the reader does: a shard may come through a pipe.
        with tarfile.open(path, "r|*") as file:
            for member in file:
                hidden = Path(member.name).name.startswith(".")
                if not member.isreg() or hidden or PASSED_OVER.match(member.name):
                    continue
                at = f"{shard}: {member.name}"
                match = MEMBER.fullmatch(member.name)
                if match is None:
                    yield Finding(at, "has no ending, so no sample gets it", "name it SAMPLE.FIELD")
                    continue
                name, suffix = match[1], match[2].lower()
                if sample is None or sample.name != name:
                    if sample is not None:
                        yield sample
                    sample = _Sample(name)
                if suffix in sample.fields:
                    yield Finding(
                        at,
                        f"is the second {suffix} of its sample, and the reader stops there",
                        "give it another ending",
                    )
                    continue
                opened = file.extractfile(member)
                held = sum(map(len, sample.fields.values()))
                if opened is None or held + member.size > MOST_BYTES:
                    yield Finding(
                        at, f"gives its sample {held + member.size} bytes; a sample is held in memory", "cut the clip"
                    )
                    continue
                sample.fields[suffix] = opened.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        yield Finding(shard, f"cannot be read to its end: {error}", WRITE_AGAIN)
    if sample is not None:
        yield sample


def _check_sample(at: str, sample: _Sample) -> Iterator[Finding]:
    """Check the fields that the reader decodes by itself, and that they are of as many frames."""
    counts: dict[str, int] = {}
    for name, content in sample.fields.items():
        kind, file = name.rsplit(".")[-1], f"{at}.{name}"
        if kind in PICKLES:
            yield Finding(file, "is a pickle: to decode it runs code of whoever wrote it", "write npz or npy")
        elif kind == "json":
            row = yield from parse_json(content, file, object, WRITE_AGAIN)
            if isinstance(row, dict) and isinstance(row.get("frames"), int):
                counts[f"{name} says"] = row["frames"]
        elif kind == "npz":
            rows = _rows(content)
            if isinstance(rows, str):
                yield Finding(file, rows, "write arrays of numbers with numpy.savez")
            else:
                counts |= {f"{one} of the {name} holds": count for one, count in rows.items()}
    with TemporaryDirectory(prefix="talkmill-") as scratch:
        folder = Path(scratch)
        for name in ("mp4", "wav"):
            if name in sample.fields:
                (folder / f"clip.{name}").write_bytes(sample.fields[name])
        movie = None
        if "mp4" in sample.fields:
            movie = yield from _named(f"{at}.mp4", check_movie(folder, "clip.mp4", None))
        if "wav" in sample.fields:
            yield from _named(f"{at}.wav", check_sound(folder, "clip.wav", movie))
    for told, count in counts.items():
        if movie is not None and count != movie.frame_count:
            yield Finding(at, f"{told} {count} frames, the mp4 {movie.frame_count}", "write the sample again")


def _named(at: str, checked: Checked[T]) -> Checked[T]:
    """Say of a member what was found in the file that it was written to."""
    try:
        while True:
            found = next(checked)
            yield Finding(at, found.what, found.mend)
    except StopIteration as ended:
        value: T | None = ended.value
        return value


# Arrays of our own samples that have a row a frame.
ROWS = (
    "valid", "landmarks", "confidence", "boxes", "coeff", "transform_params", "euler", "trans", "exp",
)  # fmt: skip


def _rows(content: bytes) -> dict[str, int] | str:
    """Return the rows of the arrays that have one a frame, or what is wrong."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            values: dict[str, Any] = {name: arrays[name] for name in arrays.files}
    except (
        ValueError, OSError, EOFError, AttributeError, TypeError, KeyError, MemoryError, RuntimeError,
        zipfile.BadZipFile, zlib.error,
    ) as error:  # fmt: skip
        return f"cannot be read without pickles: {error}"
    return {name: len(values[name]) for name in ROWS if name in values and values[name].ndim}
