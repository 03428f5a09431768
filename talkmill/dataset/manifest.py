"""The manifest of a set: one key with its size and layout, and one entry per clip."""

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import lmdb

from talkmill.dataset.environment import DatasetError
from talkmill.dataset.keys import (
    COEFFICIENTS,
    CONDITION,
    CONFIDENCE,
    ENTRY_PREFIX,
    IDENTITY,
    KEYPOINT,
    MANIFEST_KEY,
    VALID,
)
from talkmill.video.images import JPEG_QUALITY

SCHEMA_VERSION = 2
# talkmill 0.1 kept the entries of all clips inside the manifest.
ENTRIES_INSIDE = 1


@dataclass(frozen=True, slots=True)
class ClipEntry:
    """What the set says of one clip, under the key `clip/{name}`.

    Attributes:
        frame_count: Frames.
        split: `train` or `test`.
        fingerprint: Digest of everything that the clip was packed from.
        checksum: sha256 over keys and values, `meta` left out.
    """

    frame_count: int
    split: str
    fingerprint: str
    checksum: str

    def encode(self) -> bytes:
        """Return the entry as JSON."""
        return json.dumps(asdict(self), sort_keys=True).encode()

    @classmethod
    def decode(cls, name: str, content: bytes) -> Self:
        """Read the entry of a clip.

        Raises:
            DamagedEntryError: It is damaged; the message names the clip.
        """
        try:
            value = json.loads(content)
        except ValueError as error:
            raise DamagedEntryError(f"the entry of clip {name} is damaged: {error}") from error
        return cls.of(name, value)

    @classmethod
    def of(cls, name: str, value: Any) -> Self:
        """Make an entry of what JSON holds.

        Raises:
            DamagedEntryError: It is not the entry of a clip; the message names the clip.
        """
        try:
            entry = cls(**value)
        except TypeError as error:
            raise DamagedEntryError(f"the entry of clip {name} is damaged: {error}") from error
        texts = (entry.split, entry.fingerprint, entry.checksum)
        if (
            type(entry.frame_count) is not int
            or entry.frame_count < 0
            or not all(isinstance(one, str) for one in texts)
        ):
            raise DamagedEntryError(f"the entry of clip {name} is damaged: it is {value}")
        return entry


class DamagedEntryError(DatasetError):
    """What the set says of a clip, or of several, is damaged; the other clips are whole."""

    @property
    def finding(self) -> str:
        """Which clips, and what is wrong, without what to do."""
        return str(self.args[0])

    def __str__(self) -> str:
        return (
            f"{self.finding}; take the clip out with `talkmill dataset remove`, then run the command that made it again"
        )


REMEDY = "restore the set from a copy, or move it away and run the same command again"


@dataclass(frozen=True, slots=True)
class DatasetManifest:
    """What the set says of itself.

    Attributes:
        size: Side of the stored images.
        clips: Name to entry, in the order of the names; clips whose entry is damaged are not there.
        schema_version: Version of the layout of the keys.
        layout: dtypes and shapes of the values.
        damaged: Name to what is wrong, for each clip whose entry is damaged.
    """

    size: int
    clips: dict[str, ClipEntry]
    schema_version: int = SCHEMA_VERSION
    layout: dict[str, str] = field(
        default_factory=lambda: {
            KEYPOINT: "float32 (N, 68, 2)",
            COEFFICIENTS: "float32 (N, 260)",
            CONDITION: "float32 (N, 7)",
            IDENTITY: "float32 (100,)",
            VALID: "uint8 (N,)",
            CONFIDENCE: "float32 (N,)",
            "frame": f"JPEG quality {JPEG_QUALITY} 4:4:4, or PNG",
        }
    )
    damaged: dict[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Names of all clips, in order, with those whose entry is damaged."""
        return sorted((*self.clips, *self.damaged))

    def check_entries(self, without: Collection[str] = ()) -> None:
        """Make sure that no entry is damaged.

        Args:
            without: Clips that do not matter.

        Raises:
            DamagedEntryError: Some are; the message names their clips.
        """
        damaged = {name: found for name, found in self.damaged.items() if name not in without}
        if len(damaged) == 1:
            raise DamagedEntryError(*damaged.values())
        if damaged:
            raise DamagedEntryError(f"the entries of {len(damaged)} clips are damaged: {', '.join(damaged)}")

    def encode(self) -> bytes:
        """Return everything as one JSON document."""
        clips = {name: asdict(entry) for name, entry in self.clips.items()}
        return _json(self._header() | {"clips": clips})

    def encode_header(self) -> bytes:
        """Return what the key `manifest` holds: all but the clips."""
        return _json(self._header())

    def _header(self) -> dict[str, Any]:
        return {"size": self.size, "schema_version": self.schema_version, "layout": self.layout}


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, indent=1).encode()


def stored_manifest(transaction: lmdb.Transaction) -> DatasetManifest | None:
    """Read the manifest and the entry of every clip, as one transaction sees them; None where there is no manifest.

    A damaged entry does not raise: the manifest says which it is, and the other clips can be read.

    Raises:
        DatasetError: The manifest or a key is damaged, or the schema is another.
    """
    content = transaction.get(MANIFEST_KEY)
    if content is None:
        return None
    try:
        value = json.loads(bytes(content))
        version, size, layout = value["schema_version"], value["size"], value["layout"]
        inside = value["clips"].items() if version == ENTRIES_INSIDE else ()
        for name, _ in inside:
            name.encode()
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise DatasetError(f"the manifest of the set is damaged: {type(error).__name__} {error}; {REMEDY}") from error
    if version not in (ENTRIES_INSIDE, SCHEMA_VERSION):
        raise DatasetError(f"the set has schema version {version}, this is {SCHEMA_VERSION}")
    if type(size) is not int or size <= 0 or not isinstance(layout, dict):
        raise DatasetError(f"the manifest of the set is damaged: size is {size!r}, layout is {layout!r}; {REMEDY}")
    if version == SCHEMA_VERSION:
        clips, damaged = _stored_entries(transaction)
        return DatasetManifest(size, clips, version, layout, damaged)
    try:
        clips = {name: ClipEntry.of(name, entry) for name, entry in sorted(inside)}
    except DamagedEntryError as error:
        raise DatasetError(f"{error.finding}; {REMEDY}") from error
    return DatasetManifest(size, clips, version, layout)


def _stored_entries(transaction: lmdb.Transaction) -> tuple[dict[str, ClipEntry], dict[str, str]]:
    clips: dict[str, ClipEntry] = {}
    damaged: dict[str, str] = {}
    cursor = transaction.cursor()
    if cursor.set_range(ENTRY_PREFIX):
        for item, content in cursor:
            if not bytes(item).startswith(ENTRY_PREFIX):
                break
            try:
                name = bytes(item).removeprefix(ENTRY_PREFIX).decode()
            except UnicodeDecodeError as error:
                raise DatasetError(f"the key {bytes(item)!r} is damaged: it names no clip; {REMEDY}") from error
            try:
                clips[name] = ClipEntry.decode(name, bytes(content))
            except DamagedEntryError as error:
                damaged[name] = error.finding
    return clips, damaged
