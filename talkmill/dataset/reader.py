"""Reads and verifies a set: its clips, their values and frames."""

import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import index as as_index
from pathlib import Path
from types import TracebackType
from typing import Any, Self, SupportsIndex

import numpy as np
import numpy.typing as npt

from talkmill.dataset.environment import DatasetError, ReadEnvironment, read_environment
from talkmill.dataset.keys import (
    COEFFICIENTS,
    CONDITION,
    CONFIDENCE,
    IDENTITY,
    KEYPOINT,
    LENGTH_KEY,
    META,
    ROW_SHAPES,
    VALID,
    absent_of,
    entry_key,
    key,
    number,
)
from talkmill.dataset.manifest import ENTRIES_INSIDE, ClipEntry, DamagedEntryError, DatasetManifest, stored_manifest
from talkmill.dataset.writer import ClipArrays, digest_item
from talkmill.video.images import decode_image

# Version of the fine_fit stage since which `-condition` holds the angles of AD-NeRF.
FIRST_RIGHT_FINE_FIT = 3
MISREAD = (
    "were made by talkmill 0.1: their fine angles (condition) have the other sign and another origin; make the set "
    "again by the same command"
)


class UnknownClipError(DatasetError, KeyError):
    """The set has no clip of this name."""

    __str__ = Exception.__str__


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip as the set holds it, without its frames.

    Attributes:
        name: Its name.
        entry: Frames, split, fingerprint and checksum.
        arrays: Its values; the arrays are the caller's own and can be written to.
        meta: What `-meta` says: source, times, models, measurements.
    """

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
    if not found:
        raise DatasetError(f"there is no data set in {folder}")
    if len(found) > 1:
        raise DatasetError(f"{folder} holds {len(found)} data sets; give the folder of one data.mdb")
    return found[0]


class Dataset(Mapping[str, Clip]):
    """A set that is open for reading: a mapping of names, sorted, to clips; a context manager.

    It knows the clips that the set had when it was opened. What it is asked for is read at that moment, so a clip that
    was written anew or removed since then is a DatasetError. Threads may share it. Processes may too, whether they
    are forked or get it pickled: each opens the LMDB for itself.

    A clip whose entry is damaged is one of the names; to read it is a DamagedEntryError. The other clips can be read.
    """

    def __init__(self, path: Path | str) -> None:
        """Open a set.

        Args:
            path: The run's folder, its `lmdb` folder, or the folder of `data.mdb`.

        Raises:
            DatasetError: There is no set, there are several, or what it says of itself is damaged.
        """
        self.folder = size_folder(Path(path)).absolute()
        self._closed = False
        self._environment: ReadEnvironment | None = read_environment(self.folder)
        manifest = self._environment.read(stored_manifest)
        if manifest is None:
            raise DatasetError(f"{self.folder} has no manifest: it was not written by talkmill")
        self.manifest = manifest

    @property
    def size(self) -> int:
        """Side of the stored images in pixels."""
        return self.manifest.size

    @property
    def train(self) -> tuple[str, ...]:
        """Names of the clips to train on; a warning names those whose entry is damaged: their split is not known."""
        return self._of_split("train")

    @property
    def test(self) -> tuple[str, ...]:
        """Names of the clips to test on; see `train`."""
        return self._of_split("test")

    @property
    def damaged(self) -> tuple[str, ...]:
        """Names of the clips whose entry is damaged."""
        return tuple(self.manifest.damaged)

    def __len__(self) -> int:
        return len(self.manifest.clips) + len(self.manifest.damaged)

    def __iter__(self) -> Iterator[str]:
        return iter(self.manifest.names)

    def __contains__(self, name: object) -> bool:
        return name in self.manifest.clips or name in self.manifest.damaged

    def __getitem__(self, name: str) -> Clip:
        """Return a clip's values.

        Raises:
            UnknownClipError: There is no such clip; it is a KeyError too.
            DamagedEntryError: Its entry is damaged.
            DatasetError: A key is missing, has another length than its frames ask for, or the clip was changed.
        """
        entry = self.entry(name)
        fields = (META, *ROW_SHAPES, IDENTITY)
        found = dict(zip(fields, self._found(name, *fields), strict=True))
        meta = _meta(name, self._there(name, META, found[META]))
        absent = absent_of(meta)
        if present := sorted(field for field in absent if found[field] is not None):
            raise DatasetError(f"{name}-meta says that there is no {present[0]}, and there is one")
        values = {field: self._there(name, field, found[field]) for field in fields if field not in absent}
        return Clip(name, entry, _arrays(name, entry.frame_count, values), meta)

    # Mapping would compare every clip.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def entry(self, name: str) -> ClipEntry:
        """Return what the set says of a clip, without reading its values.

        Raises:
            UnknownClipError: There is no such clip.
            DamagedEntryError: Its entry is damaged.
        """
        if name in self.manifest.damaged:
            raise DamagedEntryError(self.manifest.damaged[name])
        try:
            return self.manifest.clips[name]
        except KeyError as error:
            raise UnknownClipError(f"the set has no clip {name}") from error

    def meta(self, name: str) -> dict[str, Any]:
        """Return what `-meta` says of a clip, without reading its other values.

        Raises:
            DatasetError: See `dataset[name]`.
        """
        return _meta(name, self._values(name, META)[0])

    def frame(self, name: str, index: SupportsIndex) -> bytes:
        """Return a frame as it is stored: a JPEG or PNG of size x size.

        Raises:
            IndexError: The clip has no such frame.
            TypeError: The index is no integer.
            DatasetError: See `dataset[name]`.
        """
        count, index = self.entry(name).frame_count, as_index(index)
        if not 0 <= index < count:
            raise IndexError(f"{name} has {count} frames, and no frame {index}")
        return self._values(name, index)[0]

    def image(self, name: str, index: SupportsIndex) -> npt.NDArray[np.uint8]:
        """Return a frame as RGB, (size, size, 3) uint8.

        Raises:
            IndexError: The clip has no such frame.
            TypeError: The index is no integer.
            DatasetError: The frame is neither JPEG nor PNG; else see `dataset[name]`.
        """
        index = as_index(index)
        try:
            return decode_image(self.frame(name, index))
        except DatasetError:
            raise
        except ValueError as error:
            raise DatasetError(f"{name}: frame {index} is nothing that decodes: {error}") from error

    def frames(self, name: str) -> Iterator[bytes]:
        """Yield a clip's frames in order, as they are stored: JPEG or PNG.

        Raises:
            DatasetError: See `dataset[name]`.
        """
        return (self.frame(name, index) for index in range(self.entry(name).frame_count))

    def images(self, name: str) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield a clip's frames in order as RGB, (size, size, 3) uint8.

        Raises:
            DatasetError: See `image`.
        """
        return (self.image(name, index) for index in range(self.entry(name).frame_count))

    def verify(self) -> None:
        """Check the whole set: every clip, the count, the lists beside it, and whether its fine angles can be believed.

        Raises:
            DatasetError: What was expected and what was found.
        """
        # Together: a writer may be at work.
        stored, length = self._opened().read(
            lambda transaction: (stored_manifest(transaction), bytes(transaction.get(LENGTH_KEY) or b""))
        )
        if stored is None or not length:
            raise DatasetError(f"the set has no key {LENGTH_KEY.decode()}")
        if not length.isdigit():
            raise DatasetError(f"length is {length!r}, a number of clips was expected")
        if int(length) != len(stored.names):
            raise DatasetError(f"length says {int(length)} clips, the manifest lists {len(stored.names)}")
        stored.check_entries()
        misread = [misread_angles(self.verify_clip(name).meta) for name in self]
        for split in ("train", "test"):
            path = self.folder.parent / f"{split}_list.txt"
            listed = path.read_text().split() if path.is_file() else None
            expected = self._of_split(split)
            if listed is not None and listed != list(expected):
                raise DatasetError(f"{path.name} lists {len(listed)} clips, the set has {len(expected)} for {split}")
        if any(misread):
            raise DatasetError(f"{sum(misread)} of {len(self)} clips {MISREAD}")

    def verify_clip(self, name: str) -> Clip:
        """Check a clip: every key there, every image of the right size, values finite, the checksum right.

        Returns:
            The clip.

        Raises:
            DatasetError: What was expected and what was found.
        """
        clip = self[name]
        count = clip.entry.frame_count
        checksum = hashlib.sha256()
        for index, frame in enumerate(self.frames(name)):
            digest_item(checksum, key(name, index), frame)
            if index in (0, count - 1):
                found = _dimensions(frame)
                if found != f"{self.size}x{self.size}":
                    raise DatasetError(f"{name}: frame {index} is {found}, {self.size}x{self.size} was expected")
        try:
            fields = {key(name, field): value for field, value in clip.arrays.encoded().items()}
        except ValueError as error:
            raise DatasetError(f"{name}: {error}") from error
        length = fields[key(name, "length")] = self._values(name, "length")[0]
        for field_key in sorted(fields):
            digest_item(checksum, field_key, fields[field_key])
        if length != number(count).encode():
            raise DatasetError(f"{name}-length is {length!r}, {count} frames were expected")
        if checksum.hexdigest() != clip.entry.checksum:
            raise DatasetError(f"{name}: checksum {checksum.hexdigest()[:12]}... is not {clip.entry.checksum[:12]}...")
        return clip

    def close(self) -> None:
        """Close the set; what it says of itself stays known."""
        self._environment, self._closed = None, True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Dataset of {len(self)} clips in {self.folder}>"

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "manifest": self.manifest, "closed": self._closed}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.folder, self.manifest, self._closed = state["folder"], state["manifest"], state["closed"]
        # Found when something is read.
        self._environment = None

    def _of_split(self, split: str) -> tuple[str, ...]:
        try:
            self.manifest.check_entries()
        except DamagedEntryError as error:
            warnings.warn(f"{split} leaves out what is damaged: {error}", stacklevel=3)
        return tuple(name for name, entry in self.manifest.clips.items() if entry.split == split)

    def _opened(self) -> ReadEnvironment:
        environment = self._environment
        if self._closed:
            raise ValueError(f"the data set in {self.folder} was closed")
        if environment is None:
            environment = self._environment = read_environment(self.folder)
        return environment

    def _values(self, name: str, *fields: str | int) -> list[bytes]:
        """Return values of a clip that must be there, as one transaction sees them and its entry."""
        found = self._found(name, *fields)
        return [self._there(name, field, value) for field, value in zip(fields, found, strict=True)]

    def _found(self, name: str, *fields: str | int) -> list[bytes | None]:
        """Return values of a clip, as one transaction sees them and its entry; None for those that are not there."""
        stored, *values = self._opened().values([entry_key(name), *(key(name, field) for field in fields)])
        self._check_unchanged(name, stored)
        return values

    def _there(self, name: str, field: str | int, value: bytes | None) -> bytes:
        if value is None:
            self._check_listed(name)
            raise DatasetError(f"the set has no key {key(name, field).decode()}")
        return value

    def _check_unchanged(self, name: str, stored: bytes | None) -> None:
        entry = self.entry(name)
        if stored is None and self.manifest.schema_version == ENTRIES_INSIDE:
            return
        if stored is None:
            raise DatasetError(_removed(name))
        if stored != entry.encode() and ClipEntry.decode(name, stored) != entry:
            raise DatasetError(f"clip {name} was written anew after the set was opened; open it again")

    def _check_listed(self, name: str) -> None:
        """Raise DatasetError where a clip whose entry was inside the manifest is no longer of the set."""
        stored = self._opened().read(stored_manifest) if self.manifest.schema_version == ENTRIES_INSIDE else None
        if stored is not None and name not in stored.clips:
            raise DatasetError(_removed(name))


def read_manifest(folder: Path) -> DatasetManifest:
    """Return the manifest of a set.

    Args:
        folder: The folder of `data.mdb`.

    Raises:
        DatasetError: There is none.
    """
    with Dataset(folder) as dataset:
        return dataset.manifest


def read_clip(folder: Path, name: str) -> Clip:
    """Return the values of one clip; whoever reads more than one opens a Dataset.

    Args:
        folder: The folder of `data.mdb`.
        name: The clip.

    Raises:
        DatasetError: See Dataset.
    """
    with Dataset(folder) as dataset:
        return dataset[name]


def verify(folder: Path) -> DatasetManifest:
    """Check a whole set and return its manifest.

    Args:
        folder: The folder of `data.mdb`.

    Raises:
        DatasetError: See `Dataset.verify`.
    """
    with Dataset(folder) as dataset:
        dataset.verify()
        return dataset.manifest


def misread_angles(meta: dict[str, Any]) -> bool:
    """Say whether a clip's fine angles have the other sign: those of talkmill 0.1 do, which misread AD-NeRF's."""
    version = str(meta.get("stages", {}).get("fine_fit", ""))
    return version.isdigit() and int(version) < FIRST_RIGHT_FINE_FIT


def _arrays(name: str, frame_count: int, values: dict[str, bytes]) -> ClipArrays:
    arrays: dict[str, npt.NDArray[Any]] = {}
    for field, shape in ROW_SHAPES.items():
        if field not in values:
            continue
        dtype = np.uint8 if field == VALID else "<f4"
        wanted = frame_count * int(np.prod(shape)) * np.dtype(dtype).itemsize
        if len(values[field]) != wanted:
            raise DatasetError(f"{name}-{field} has {len(values[field])} bytes, {wanted} for {frame_count} frames")
        arrays[field] = np.frombuffer(bytearray(values[field]), dtype).reshape(frame_count, *shape)
    if len(values.get(IDENTITY, b"")) % 4:
        raise DatasetError(f"{name}-{IDENTITY} has {len(values[IDENTITY])} bytes, which are no float32 values")
    return ClipArrays(
        keypoint=arrays[KEYPOINT],
        coefficients=arrays.get(COEFFICIENTS),
        condition=arrays.get(CONDITION),
        identity=np.frombuffer(bytearray(values[IDENTITY]), "<f4") if IDENTITY in values else None,
        valid=arrays[VALID].astype(bool),
        confidence=arrays[CONFIDENCE],
    )


def _meta(name: str, content: bytes) -> dict[str, Any]:
    try:
        meta = json.loads(content)
    except ValueError as error:
        raise DatasetError(f"{name}-meta is no JSON: {error}") from error
    if not isinstance(meta, dict):
        raise DatasetError(f"{name}-meta is no JSON object")
    return meta


def _removed(name: str) -> str:
    return f"clip {name} was removed after the set was opened; open it again"


def _dimensions(frame: bytes) -> str:
    """Decode a frame and tell its width and height."""
    try:
        height, width = decode_image(frame).shape[:2]
    except ValueError:
        return "nothing that decodes"
    return f"{width}x{height}"
