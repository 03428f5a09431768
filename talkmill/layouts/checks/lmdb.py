"""Checks LMDBs of images and their lists of clips. Values are read as numbers or as images, never run."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from talkmill.dataset.environment import DatasetError, ReadEnvironment, read_environment
from talkmill.dataset.keys import key
from talkmill.layouts.checks.files import find, read_text
from talkmill.layouts.checks.lists import check_training
from talkmill.layouts.layout import Finding
from talkmill.video.images import decode_image, image_mode

LISTS = ("train_list.txt", "test_list.txt")
# Identity, expression, texture, angles, light and translation of Deep3DFaceRecon, then scale and shift of the crop.
COEFFICIENTS_AND_CROP = 260
# Images that are held in memory at a time.
IMAGES_AT_A_TIME = 64
# A number of frames that has more is none.
MOST_DIGITS = 18
WRITE_SET = "write it with the trainer's own script, or export again"


@dataclass(frozen=True, slots=True)
class Rows:
    """A value of a clip that has a row of float32 for every frame.

    Attributes:
        columns: Of a row.
    """

    columns: int


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a reader takes of every clip: see `check_lmdb`."""

    rows: Mapping[str, Rows]
    one_row: str | None
    least_frames: int


def check_lmdb(
    folder: Path, size: int, rows: Mapping[str, Rows], one_row: str | None = None, least_frames: int = 1
) -> Iterator[Finding]:
    """Yield what a reader of lists and an LMDB would trip over in a folder.

    Args:
        folder: Of the lists; the LMDB lies in a folder below it that is called by the size of its images.
        size: That the trainer's own settings name.
        rows: Field of a clip to its shape.
        one_row: Field of a clip that is one row of float32, as long in all clips.
        least_frames: Of a clip.
    """
    clips: list[str] = []
    for file in LISTS:
        text = yield from read_text(folder, file, "list", "write the name of one clip per line")
        if text is None:
            continue
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip() == line and line:
                clips.append(line)
            elif line or text.count("\n") >= number:
                told = f"is {line!r}" if line else "is empty"
                yield Finding(file, f"line {number} {told}, which is read as a name", "write a name and nothing else")
        if file == LISTS[0]:
            yield from check_training(file, len(clips))
    for clip, times in Counter(clips).items():
        if times > 1:
            yield Finding(LISTS[0], f"{clip} is named {times} times in the lists", "name it once, in one list")
    databases = sorted(path.parent for path in folder.glob("*/data.mdb"))
    if not databases:
        yield Finding(f"{size}/data.mdb", "there is no such LMDB", WRITE_SET)
    for database in databases:
        yield from _check_database(database, tuple(dict.fromkeys(clips)), _Wanted(rows, one_row, least_frames))


def _check_database(database: Path, clips: tuple[str, ...], wanted: _Wanted) -> Iterator[Finding]:
    file = f"{database.name}/data.mdb"
    if (yield from find(database.parent, file, "LMDB", WRITE_SET)) is None:
        return
    if not database.name.isdigit():
        yield Finding(
            file, f"lies in {database.name}; the reader looks for the size of the images", "rename the folder"
        )
        return
    try:
        environment = read_environment(database)
        for clip in clips:
            yield from _check_clip(environment, file, clip, int(database.name), wanted)
        if wanted.one_row is not None:
            yield from _check_lengths(environment, file, clips, wanted.one_row)
    except DatasetError as error:
        yield Finding(file, f"cannot be read: {error}", WRITE_SET)


def _check_clip(environment: ReadEnvironment, file: str, clip: str, size: int, wanted: _Wanted) -> Iterator[Finding]:
    at = f"{file}: {clip}"
    length, *values = environment.values([key(clip, "length"), *(key(clip, field) for field in wanted.rows)])
    if length is None or not length.isdigit() or len(length) > MOST_DIGITS or not int(length):
        told = "there is no such key" if length is None else f"is {length[:20]!r}; a number of frames is expected"
        yield Finding(f"{at}-length", told, "write the clip again, or take it out of the lists")
        return
    count = int(length)
    held = environment.read(lambda transaction: int(transaction.stat()["entries"]))
    if count > held:
        yield Finding(f"{at}-length", f"is {count}, and the LMDB holds {held} values in all", WRITE_SET)
        return
    if count < wanted.least_frames:
        yield Finding(
            f"{at}-length", f"is {count}; {wanted.least_frames} frames are needed", "take the clip out of the lists"
        )
    for (field, rows), content in zip(wanted.rows.items(), values, strict=True):
        yield from _check_rows(f"{at}-{field}", content, count, rows.columns)
    keys = [key(clip, number).decode() for number in range(count)]
    yield from check_images(environment, keys, file, size, only_rgb=True)


def _check_lengths(environment: ReadEnvironment, file: str, clips: Sequence[str], field: str) -> Iterator[Finding]:
    """Check a field that is stacked over clips: one row of numbers, as long in all."""
    first: tuple[str, int] | None = None
    for clip, content in zip(clips, environment.values([key(clip, field) for clip in clips]), strict=True):
        at = f"{file}: {clip}-{field}"
        if content is None:
            yield Finding(at, "there is no such key", WRITE_SET)
        elif not content or len(content) % 4 or not np.isfinite(np.frombuffer(content, "<f4")).all():
            yield Finding(at, f"has {len(content)} bytes that are no row of finite float32", "write float32")
        elif first is None:
            first = clip, len(content)
        elif len(content) != first[1]:
            yield Finding(
                at, f"has {len(content) // 4} numbers, that of {first[0]} has {first[1] // 4}: a batch stacks them",
                "fit all clips with one basis",
            )  # fmt: skip


def check_images(
    environment: ReadEnvironment, keys: Sequence[str], at: str, size: int, only_rgb: bool = False
) -> Iterator[Finding]:
    """Check that there is a square image under each key; of what is wrong the first is named.

    Args:
        environment: The LMDB.
        keys: Of the images.
        at: What the LMDB is called.
        size: Side of an image in pixels.
        only_rgb: Whether the reader takes images as Pillow opens them, and needs three channels.
    """
    spoilt, sizes, modes = [], {}, {}
    # JSON can name what is no text.
    missing = [one.encode(errors="backslashreplace").decode() for one in keys if not _is_text(one)]
    texts = [one for one in keys if _is_text(one)]
    for first in range(0, len(texts), IMAGES_AT_A_TIME):
        some = texts[first : first + IMAGES_AT_A_TIME]
        for name, content in zip(some, environment.values([one.encode() for one in some]), strict=True):
            if content is None:
                missing.append(name)
                continue
            try:
                height, width = decode_image(content).shape[:2]
                if only_rgb and (mode := image_mode(content)) != "RGB":
                    modes[name] = mode
            except ValueError:
                spoilt.append(name)
                continue
            if (width, height) != (size, size):
                sizes[name] = f"{width}x{height}"
    if missing:
        yield Finding(f"{at}: {missing[0]}", f"is not there, as {len(missing)} of {len(keys)} frames", WRITE_SET)
    if spoilt:
        yield Finding(f"{at}: {spoilt[0]}", f"is no JPEG and no PNG, as {len(spoilt)} of {len(keys)} frames", WRITE_SET)
    for name, mode in list(modes.items())[:1]:
        yield Finding(
            f"{at}: {name}", f"is {mode}, as {len(modes)} of {len(keys)} frames; three channels are expected",
            "write the images as RGB",
        )  # fmt: skip
    for name, found in list(sizes.items())[:1]:
        yield Finding(
            f"{at}: {name}", f"is {found}, as {len(sizes)} of {len(keys)} frames; images of {size} are trained on",
            "write the images at that size",
        )  # fmt: skip


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_rows(at: str, content: bytes | None, count: int, columns: int) -> Iterator[Finding]:
    if content is None:
        yield Finding(at, "there is no such key", WRITE_SET)
        return
    wanted = count * columns * 4
    if len(content) != wanted:
        why = "; it holds float64" if len(content) == 2 * wanted else ""
        yield Finding(
            at, f"has {len(content)} bytes; {wanted} are expected for {count} frames{why}",
            f"write float32 (N, {columns})",
        )  # fmt: skip
        return
    broken = int((~np.isfinite(np.frombuffer(content, "<f4").reshape(count, columns))).any(axis=1).sum())
    if broken:
        yield Finding(at, f"is not finite in {broken} of {count} frames", "leave the frames out, or interpolate them")
