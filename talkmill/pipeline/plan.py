"""The plan: a table with one row per clip, which people can read and edit."""

import csv
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from talkmill.address import address_sha256, is_address, is_readable, shown_address, without_secrets
from talkmill.dataset.names import slug, split_of_person
from talkmill.files import replacing
from talkmill.text import clean_text

SplitName = Literal["train", "test"]


class ListError(ValueError):
    """A list cannot be read; the message names file, row and column."""


@dataclass(frozen=True, slots=True)
class CropRegion:
    """A rectangle in a frame of a known height.

    Attributes:
        x: First column in pixels.
        y: First row.
        width: Columns.
        height: Rows.
        frame_height: Height of the frame that the numbers are meant for; 0 where it is unknown.
    """

    x: float
    y: float
    width: float
    height: float
    frame_height: float

    def scaled_to(self, frame_height: float) -> "CropRegion":
        """Return the same region in a frame of another height."""
        ratio = frame_height / self.frame_height
        return CropRegion(self.x * ratio, self.y * ratio, self.width * ratio, self.height * ratio, frame_height)


@dataclass(frozen=True, slots=True)
class PlannedClip:
    """One clip that is wanted.

    Attributes:
        name: Name of its file, unique in the plan.
        url: Address of the video.
        start_seconds: Where it begins in the video.
        end_seconds: Where it ends; None for the video's end.
        person: Who is seen.
        split: Which list it goes to.
        crop: Region to cut out; None where it is to be computed from the face.
        flags: What is suspicious in its row; `docs/hdtf.md` explains each.
    """

    name: str
    url: str
    start_seconds: float
    end_seconds: float | None
    person: str
    split: SplitName = "train"
    crop: CropRegion | None = None
    flags: tuple[str, ...] = ()

    def flagged(self, flag: str) -> "PlannedClip":
        """Return the clip with one more flag."""
        return self if flag in self.flags else replace(self, flags=(*self.flags, flag))


COLUMNS = ("name", "url", "start", "end", "person", "split", "crop", "crop_frame_height", "flags")


def write_plan(path: Path, clips: Iterable[PlannedClip]) -> None:
    """Write a plan as CSV.

    Args:
        path: The file.
        clips: Its rows.
    """
    with replacing(path) as part, part.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for clip in clips:
            crop = clip.crop
            writer.writerow(
                {
                    "name": clip.name,
                    "url": clip.url,
                    "start": f"{clip.start_seconds:g}",
                    "end": "" if clip.end_seconds is None else f"{clip.end_seconds:g}",
                    "person": clip.person,
                    "split": clip.split,
                    "crop": "" if crop is None else f"{crop.x:g} {crop.y:g} {crop.width:g} {crop.height:g}",
                    "crop_frame_height": "" if crop is None else f"{crop.frame_height:g}",
                    "flags": " ".join(clip.flags),
                }
            )


def read_table(path: Path) -> list[PlannedClip]:
    """Read a plan, or any CSV or JSON list of clips.

    Columns are those of a plan; only `url` must be there. Times are seconds, `mm:ss` or `hh:mm:ss`; `crop` is
    `x y width height` in pixels of a frame of `crop_frame_height` rows; a clip without `name` is named after its person
    and number, one without `person` is a person of its own.

    Args:
        path: A .csv or .json file.

    Returns:
        Its clips, in order.

    Raises:
        ListError: The file cannot be read as one.
    """
    rows = _json_rows(path) if path.suffix.lower() == ".json" else _csv_rows(path)
    clips = [_clip(row, number, path) for number, row in enumerate(rows, start=1)]
    if not clips:
        raise ListError(f"{path.name} holds no clip")
    return _numbered(clips)


def seconds_of(text: str) -> float:
    """Return a time in seconds, of `12.5`, `mm:ss` or `hh:mm:ss`.

    Raises:
        ValueError: It is none of them.
    """
    if not re.fullmatch(r"\d{1,9}(:\d{1,2}){0,2}(\.\d{1,9})?", text.strip(), re.ASCII):
        raise ValueError(f"{text!r} is not a time")
    total = 0.0
    for part in text.strip().split(":"):
        total = total * 60 + float(part)
    return total


def _csv_rows(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if "url" not in (reader.fieldnames or ()):
                found = ", ".join(reader.fieldnames or ()) or "nothing"
                raise ListError(f"{path.name} has no column `url` in its first line, which has {found}")
            return list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ListError(f"{path} cannot be read as CSV: {error}") from error


def _json_rows(path: Path) -> list[dict[str, Any]]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ListError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ListError(f"{path.name} is not a list of objects")
    return rows


def _numbered(clips: Sequence[PlannedClip]) -> list[PlannedClip]:
    """Number the clips whose names are alike, but for capitals, with numbers that no other clip has for a name."""
    taken: set[str] = set()
    natural = {clip.name.casefold() for clip in clips}
    result = []
    for clip in clips:
        name, count = clip.name, 0
        while name.casefold() in taken or (count and name.casefold() in natural):
            count += 1
            name = f"{clip.name}.{count}"
        taken.add(name.casefold())
        result.append(replace(clip, name=name))
    return result


def _clip(row: dict[str, Any], number: int, path: Path) -> PlannedClip:
    where = f"{path.name}, clip {number}"

    def text(column: str) -> str:
        value = row.get(column)
        return clean_text(" ".join(map(str, value)) if isinstance(value, list) else str("" if value is None else value))

    url = text("url")
    if not is_address(url) or not is_readable(url):
        raise ListError(f"{where}: url {without_secrets(url)!r} is not an http(s) address")
    try:
        start = seconds_of(text("start") or "0")
        end = seconds_of(text("end")) if text("end") else None
    except ValueError as error:
        raise ListError(f"{where}: {error}") from error
    if end is not None and end <= start:
        raise ListError(f"{where}: it ends at {end:g} s and begins at {start:g} s")
    split = text("split")
    if split not in ("", "train", "test"):
        raise ListError(f"{where}: split {split!r} is neither train nor test")
    name = slug(text("name")) if text("name") else ""
    person = text("person") or name or _named_after(url)
    name = name or f"{slug(person)}_{number - 1:03}"
    fixed: SplitName = split if split in ("train", "test") else split_of_person(person)  # type: ignore[assignment]
    return PlannedClip(name, url, start, end, person, fixed, _crop(text, where), tuple(text("flags").split()))


def _named_after(url: str) -> str:
    """Return a name for whoever is seen in a video: its address as it is shown, and a digest where that is not all."""
    shown = shown_address(url)
    name = slug(shown.split("//", 1)[1])
    return name if shown == url else f"{name}.{address_sha256(url)[:8]}"


def _crop(text: Any, where: str) -> CropRegion | None:
    if not text("crop"):
        return None
    parts = re.split(r"[ ,;]+", text("crop"))
    try:
        x, y, width, height = map(float, parts)
        frame_height = float(text("crop_frame_height") or text("resolution") or 0)
    except ValueError:
        raise ListError(f"{where}: crop {text('crop')!r} is not `x y width height`") from None
    if width <= 0 or height <= 0:
        raise ListError(f"{where}: crop {text('crop')!r} has no area")
    return CropRegion(x, y, width, height, frame_height)
