"""Reading the LMDB: what is in it, whether it is whole, and a clip's values."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import numpy.typing as npt

from talkmill.dataset.environment import DatasetError, open_environment
from talkmill.dataset.keys import (
    COEFFICIENTS,
    CONDITION,
    CONFIDENCE,
    IDENTITY,
    KEYPOINT,
    LENGTH_KEY,
    MANIFEST_KEY,
    META,
    ROW_SHAPES,
    VALID,
    key,
    number,
)
from talkmill.dataset.writer import ClipArrays, ClipEntry, DatasetManifest, decode_frame, digest_item

# Pages that were read stay mapped until the file is closed: it is opened again after this many frames.
FRAMES_PER_OPENING = 512
# Version of the fine_fit stage since which `-condition` holds the angles of AD-NeRF.
FIRST_RIGHT_FINE_FIT = 3
MISREAD = (
    "were made by talkmill 0.1: their fine angles (condition) have the other sign and another origin; make the set "
    "again by the same command"
)


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip as the set holds it, without its frames."""

    name: str
    entry: ClipEntry
    arrays: ClipArrays
    meta: dict[str, Any]


def size_folder(folder: Path) -> Path:
    """Find the folder of `data.mdb`, given it, the `lmdb` folder or the run's folder.

    Raises:
        DatasetError: There is none, or more than one.
    """
    if (folder / "data.mdb").is_file():
        return folder
    if not folder.exists():
        raise DatasetError(f"there is no folder {folder}")
    found = sorted(path.parent for pattern in ("*/data.mdb", "lmdb/*/data.mdb") for path in folder.glob(pattern))
    if len(found) != 1:
        raise DatasetError(f"{folder} holds {len(found)} data sets; give the folder of one data.mdb")
    return found[0]


@contextmanager
def _transaction(folder: Path) -> Iterator[lmdb.Transaction]:
    with open_environment(folder, readonly=True, lock=False) as environment, environment.begin() as transaction:
        yield transaction


def read_manifest(folder: Path) -> DatasetManifest:
    """Return the manifest of a set.

    Raises:
        DatasetError: There is none.
    """
    with _transaction(folder) as transaction:
        content = transaction.get(MANIFEST_KEY)
    if content is None:
        raise DatasetError(f"{folder} has no manifest: it was not written by talkmill")
    return DatasetManifest.decode(bytes(content))


def read_clip(folder: Path, name: str) -> Clip:
    """Return a clip's values.

    Raises:
        DatasetError: A key is missing or has another length than its frames ask for.
    """
    entry = read_manifest(folder).clips.get(name)
    if entry is None:
        raise DatasetError(f"the set has no clip {name}")
    with _transaction(folder) as transaction:
        values = {field: _get(transaction, key(name, field)) for field in (*ROW_SHAPES, IDENTITY, META)}
    arrays: dict[str, npt.NDArray[Any]] = {}
    for field, shape in ROW_SHAPES.items():
        dtype = np.uint8 if field == VALID else "<f4"
        wanted = entry.frame_count * int(np.prod(shape)) * np.dtype(dtype).itemsize
        if len(values[field]) != wanted:
            raise DatasetError(
                f"{name}-{field} has {len(values[field])} bytes, {wanted} for {entry.frame_count} frames"
            )
        array = np.frombuffer(values[field], dtype)
        arrays[field] = array.reshape(entry.frame_count, *shape)
    clip = ClipArrays(
        keypoint=arrays[KEYPOINT],
        coefficients=arrays[COEFFICIENTS],
        condition=arrays[CONDITION],
        identity=np.frombuffer(values[IDENTITY], "<f4"),
        valid=arrays[VALID].astype(bool),
        confidence=arrays[CONFIDENCE],
    )
    return Clip(name, entry, clip, _meta(name, values[META]))


def _meta(name: str, content: bytes) -> dict[str, Any]:
    try:
        meta = json.loads(content)
    except ValueError as error:
        raise DatasetError(f"{name}-meta is no JSON: {error}") from error
    if not isinstance(meta, dict):
        raise DatasetError(f"{name}-meta is no JSON object")
    return meta


def read_frames(folder: Path, name: str, frame_count: int) -> Iterator[bytes]:
    """Yield a clip's encoded frames in order."""
    for begin in range(0, frame_count, FRAMES_PER_OPENING):
        with _transaction(folder) as transaction:
            for index in range(begin, min(frame_count, begin + FRAMES_PER_OPENING)):
                yield _get(transaction, key(name, index))


def verify_clip(folder: Path, name: str) -> None:
    """Check a clip: every key there, every image of the right size, values finite, the checksum right.

    Raises:
        DatasetError: What was expected and what was found.
    """
    manifest = read_manifest(folder)
    clip = read_clip(folder, name)
    count = clip.entry.frame_count
    checksum = hashlib.sha256()
    for index, frame in enumerate(read_frames(folder, name, count)):
        digest_item(checksum, key(name, index), frame)
        if index in (0, count - 1):
            found = _dimensions(frame)
            if found != f"{manifest.size}x{manifest.size}":
                raise DatasetError(f"{name}: frame {index} is {found}, {manifest.size}x{manifest.size} was expected")
    try:
        fields = {key(name, field): value for field, value in clip.arrays.encoded().items()}
    except ValueError as error:
        raise DatasetError(f"{name}: {error}") from error
    with _transaction(folder) as transaction:
        fields[key(name, "length")] = _get(transaction, key(name, "length"))
    for field_key in sorted(fields):
        digest_item(checksum, field_key, fields[field_key])
    if fields[key(name, "length")] != number(count).encode():
        raise DatasetError(f"{name}-length is {fields[key(name, 'length')]!r}, {count} frames were expected")
    if checksum.hexdigest() != clip.entry.checksum:
        raise DatasetError(f"{name}: checksum {checksum.hexdigest()[:12]}... is not {clip.entry.checksum[:12]}...")


def _dimensions(frame: bytes) -> str:
    """Decode a frame and tell its width and height."""
    try:
        height, width = decode_frame(frame).shape[:2]
    except ValueError:
        return "nothing that decodes"
    return f"{width}x{height}"


def misread_angles(meta: dict[str, Any]) -> bool:
    """Say whether a clip's fine angles have the other sign: those of talkmill 0.1 do, which misread AD-NeRF's."""
    version = str(meta.get("stages", {}).get("fine_fit", ""))
    return version.isdigit() and int(version) < FIRST_RIGHT_FINE_FIT


def misread_clips(folder: Path) -> list[str]:
    """Return the clips whose fine angles have the other sign."""
    return [name for name in read_manifest(folder).clips if misread_angles(read_clip(folder, name).meta)]


def verify(folder: Path) -> DatasetManifest:
    """Check a whole set: every clip, the count, the lists beside it, and whether its fine angles can be believed.

    Raises:
        DatasetError: What was expected and what was found.
    """
    manifest = read_manifest(folder)
    with _transaction(folder) as transaction:
        length = _get(transaction, LENGTH_KEY)
    if int(length) != len(manifest.clips):
        raise DatasetError(f"length says {int(length)} clips, the manifest lists {len(manifest.clips)}")
    for name in manifest.clips:
        verify_clip(folder, name)
    for split in ("train", "test"):
        path = folder.parent / f"{split}_list.txt"
        listed = path.read_text().split() if path.is_file() else None
        expected = [name for name, entry in manifest.clips.items() if entry.split == split]
        if listed is not None and listed != expected:
            raise DatasetError(f"{path.name} lists {len(listed)} clips, the set has {len(expected)} for {split}")
    if misread := misread_clips(folder):
        raise DatasetError(f"{len(misread)} of {len(manifest.clips)} clips {MISREAD}")
    return manifest


def _get(transaction: lmdb.Transaction, item: bytes) -> bytes:
    value = transaction.get(item)
    if value is None:
        raise DatasetError(f"the set has no key {item.decode()}")
    return bytes(value)
