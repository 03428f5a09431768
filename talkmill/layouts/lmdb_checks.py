"""Checks LMDBs of images, and that of PIRender with its lists. Values are read as numbers or as images, never run.

Source: RenYurui/PIRender 9e59f19: data/vox_dataset.py, config/face.yaml (`coeff_nc: 73`).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from talkmill.dataset.environment import DatasetError, ReadEnvironment, read_environment
from talkmill.dataset.keys import COEFFICIENTS, key
from talkmill.layouts.layout import Finding
from talkmill.video.images import decode_image

LISTS = ("train_list.txt", "test_list.txt")
# Identity, expression, texture, angles, light and translation of Deep3DFaceRecon, then scale and shift of the crop.
COLUMNS = 260
# Images that are held in memory at a time.
IMAGES_AT_A_TIME = 64
WRITE_SET = "write it with the trainer's own script, or export again"


def check_pirender(folder: Path) -> Iterator[Finding]:
    """Yield what PIRender would trip over in a folder.

    Args:
        folder: Of the lists; the LMDB lies in a folder below it that is called by the size of its images.
    """
    clips: list[str] = []
    for file in LISTS:
        path = folder / file
        if not path.is_file():
            yield Finding(file, "there is no such list", "write the name of a clip a line")
            continue
        for number, line in enumerate(path.read_bytes().decode(errors="replace").split("\n"), start=1):
            if line.strip() == line and line:
                clips.append(line)
            elif line or path.read_bytes().count(b"\n") >= number:
                yield Finding(
                    file, f"line {number} is {line!r}, which is read as a name", "write a name and nothing else"
                )
    for clip, times in Counter(clips).items():
        if times > 1:
            yield Finding(LISTS[0], f"{clip} is named {times} times in the lists", "name it once, in one list")
    databases = sorted(path.parent for path in folder.glob("*/data.mdb"))
    if not databases:
        yield Finding("256/data.mdb", "there is no such LMDB", WRITE_SET)
    elif not clips:
        yield Finding(LISTS[0], "the lists name no clip", "name the clips of the LMDB")
    for database in databases:
        yield from _check_database(database, tuple(dict.fromkeys(clips)))


def _check_database(database: Path, clips: tuple[str, ...]) -> Iterator[Finding]:
    file = f"{database.name}/data.mdb"
    if not database.name.isdigit():
        yield Finding(
            file, f"lies in {database.name}; the reader looks for the size of the images", "rename the folder"
        )
        return
    try:
        environment = read_environment(database)
        for clip in clips:
            yield from _check_clip(environment, file, clip, int(database.name))
    except DatasetError as error:
        yield Finding(file, f"cannot be read: {error}", WRITE_SET)


def _check_clip(environment: ReadEnvironment, file: str, clip: str, size: int) -> Iterator[Finding]:
    at = f"{file}: {clip}"
    length, coefficients = environment.values([key(clip, "length"), key(clip, COEFFICIENTS)])
    if length is None or not length.isdigit() or not int(length):
        told = "there is no such key" if length is None else f"is {length[:20]!r}, a number of frames is read"
        yield Finding(f"{at}-length", told, "write the clip again, or take it out of the lists")
        return
    count = int(length)
    yield from _check_coefficients(f"{at}-{COEFFICIENTS}", coefficients, count)
    keys = [key(clip, number).decode() for number in range(count)]
    yield from check_images(environment, keys, file, size)


def check_images(environment: ReadEnvironment, keys: Sequence[str], at: str, size: int) -> Iterator[Finding]:
    """Check that there is a square image under each key; of what is wrong the first is named.

    Args:
        environment: The LMDB.
        keys: Of the images.
        at: What the LMDB is called.
        size: Side of an image in pixels.
    """
    missing, spoilt, sizes = [], [], {}
    for first in range(0, len(keys), IMAGES_AT_A_TIME):
        some = keys[first : first + IMAGES_AT_A_TIME]
        for name, content in zip(some, environment.values([one.encode() for one in some]), strict=True):
            if content is None:
                missing.append(name)
                continue
            try:
                height, width = decode_image(content).shape[:2]
            except ValueError:
                spoilt.append(name)
                continue
            if (width, height) != (size, size):
                sizes[name] = f"{width}x{height}"
    if missing:
        yield Finding(f"{at}: {missing[0]}", f"is not there, as {len(missing)} of {len(keys)} frames", WRITE_SET)
    if spoilt:
        yield Finding(f"{at}: {spoilt[0]}", f"is no JPEG and no PNG, as {len(spoilt)} of {len(keys)} frames", WRITE_SET)
    for name, found in list(sizes.items())[:1]:
        yield Finding(
            f"{at}: {name}", f"is {found}, as {len(sizes)} of {len(keys)} frames; images of {size} are trained on",
            "write the images at that size",
        )  # fmt: skip


def _check_coefficients(at: str, content: bytes | None, count: int) -> Iterator[Finding]:
    if content is None:
        yield Finding(at, "there is no such key", WRITE_SET)
        return
    wanted = count * COLUMNS * 4
    if len(content) != wanted:
        why = "; it holds float64" if len(content) == 2 * wanted else ""
        yield Finding(
            at, f"has {len(content)} bytes, {wanted} are read for {count} frames{why}", "write float32 (N, 260)"
        )
        return
    values = np.frombuffer(content, "<f4").reshape(count, COLUMNS)
    broken = int((~np.isfinite(values)).any(axis=1).sum())
    if broken:
        yield Finding(at, f"is not finite in {broken} of {count} frames", "leave the frames out, or interpolate them")
