"""Writes a set. A clip appears whole or not at all; clips can be added, replaced and removed."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import lmdb
import numpy as np
import numpy.typing as npt

from talkmill.dataset.environment import DatasetError, write_environment
from talkmill.dataset.keys import (
    COEFFICIENTS,
    CONDITION,
    CONFIDENCE,
    IDENTITY,
    KEYPOINT,
    LENGTH_KEY,
    MANIFEST_KEY,
    META,
    OPTIONAL,
    PENDING_KEY,
    ROW_SHAPES,
    VALID,
    absent_of,
    entry_key,
    key,
    number,
)
from talkmill.dataset.lock import locked
from talkmill.dataset.manifest import REMEDY, SCHEMA_VERSION, ClipEntry, DatasetManifest, stored_manifest
from talkmill.dataset.names import check_name

# The map is only address space; it doubles when it is full.
FIRST_MAP_BYTES = 1 << 28
# LMDB writes tree pages beside the values.
SPARE_BYTES = 1 << 20
# What the operating system says of a folder that is not to be written.
NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)
# Frames of one transaction: bounds the dirty pages that LMDB holds in memory.
FRAMES_PER_TRANSACTION = 200


@dataclass(frozen=True, slots=True)
class ClipArrays:
    """The per-frame values of one clip, N frames. What was not made is None: `-meta` says why, under `absent`.

    Attributes:
        keypoint: (N, 68, 2) float32 pixels of the stored image, centres at integers.
        coefficients: (N, 260) float32: 257 coarse coefficients, then s, t0, t1 of the alignment; or None.
        condition: (N, 7) float32: -euler (3), trans (3), focal (1); or None.
        identity: (100,) float32; or None.
        valid: (N,) bool.
        confidence: (N,) float32.
    """

    keypoint: npt.NDArray[np.float32]
    coefficients: npt.NDArray[np.float32] | None
    condition: npt.NDArray[np.float32] | None
    identity: npt.NDArray[np.float32] | None
    valid: npt.NDArray[np.bool_]
    confidence: npt.NDArray[np.float32]

    def encoded(self) -> dict[str, bytes]:
        """Return each field that there is as the bytes of the LMDB.

        Raises:
            ValueError: A value is not finite.
        """
        fields = {
            KEYPOINT: self.keypoint,
            COEFFICIENTS: self.coefficients,
            CONDITION: self.condition,
            IDENTITY: self.identity,
            CONFIDENCE: self.confidence,
        }
        arrays = {name: array for name, array in fields.items() if array is not None}
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise ValueError(f"{name} is not finite")
        values = {name: np.ascontiguousarray(array, "<f4").tobytes() for name, array in arrays.items()}
        return values | {VALID: np.ascontiguousarray(self.valid, np.uint8).tobytes()}


def reached(point: str) -> None:
    """Mark a place between two transactions; tests end the process there."""


class DatasetWriter:
    """An open LMDB; a context manager.

    Readers of the same process may be at work meanwhile. A process that is forked reads the set for itself; the
    writer is its parent's.
    """

    def __init__(self, folder: Path, size: int, *, without: Collection[str] = ()) -> None:
        """Open a set, or begin one. A clip that was left half written is removed; a set of talkmill 0.1 is converted.

        Args:
            folder: The folder of `data.mdb`.
            size: Side of the stored images.
            without: Clips to remove before anything else; the only way to remove one whose entry is damaged.

        Raises:
            FolderBusyError: Another writer has it open.
            DamagedEntryError: The entry of a clip that stays is damaged; nothing was changed.
            ValueError: The folder holds a set of another size or schema, no LMDB that can be opened, or must not be
                written.
        """
        self._folder, self._process = folder, os.getpid()
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(folder, "writer"))
            except OSError as error:
                if error.errno not in NOT_WRITABLE:
                    raise
                path = error.filename or folder
                raise DatasetError(f"{path} cannot be written: {error.strerror}") from error
            existing = folder / "data.mdb"
            map_size = max(FIRST_MAP_BYTES, 2 * existing.stat().st_size if existing.exists() else 0)
            # Not kept beyond the closing: what readers open later is theirs.
            shared, self._environment = write_environment(folder, map_size)
            self._turn = shared.lock
            stack.callback(shared.close)
            with ExitStack() as beginning:
                # Readers of this process wait until there is a manifest.
                beginning.callback(shared.lock.release)
                del shared
                # Readers that were killed would keep old pages from being used again.
                self._environment.reader_check()
                manifest = self._read_manifest(size, without)
                self._size, self._clips = size, manifest.clips if manifest else {}
                self._damaged = set(manifest.damaged) if manifest else set()
                if manifest is None or manifest.schema_version != SCHEMA_VERSION:
                    self._write_entries()
                self._remove_pending()
                for name in without:
                    self.remove(name)
            self._opened = stack.pop_all()

    @property
    def manifest(self) -> DatasetManifest:
        """What the set holds now."""
        return DatasetManifest(self._size, dict(sorted(self._clips.items())))

    def has(self, name: str, fingerprint: str) -> bool:
        """Say whether a clip is there, packed from the same things."""
        entry = self._clips.get(name)
        if entry is None or entry.fingerprint != fingerprint:
            return False
        with self._transaction() as transaction:
            # talkmill 0.1 could lose the keys of a clip that its manifest names.
            lengths = {field: len(transaction.get(key(name, field)) or b"") for field in ROW_SHAPES}
            stored, meta = transaction.get(key(name, "length")), transaction.get(key(name, META))
            try:
                absent = absent_of(json.loads(bytes(meta or b"{}")))
            except (AttributeError, ValueError):
                return False
        return stored is not None and all(
            lengths[field]
            == (0 if field in absent else entry.frame_count * int(np.prod(shape)) * (1 if field == VALID else 4))
            for field, shape in ROW_SHAPES.items()
        )

    def add(
        self,
        name: str,
        split: str,
        fingerprint: str,
        frames: Iterable[bytes],
        arrays: ClipArrays,
        meta: dict[str, Any],
    ) -> ClipEntry:
        """Write a clip, in place of an older one of the same name.

        Args:
            name: Clip name.
            split: `train` or `test`.
            fingerprint: Digest of everything that the clip is packed from.
            frames: Encoded frames in order.
            arrays: Values of the same number of frames.
            meta: JSON values for `-meta`.

        Returns:
            The entry of the manifest.

        Raises:
            ValueError: The name is no key, there is no frame, the counts differ, a value is not finite, or `meta` does
                not name the fields that the clip is without.
        """
        check_name(name)
        if not len(arrays.valid):
            raise ValueError(f"clip {name} has no frames")
        values = arrays.encoded()
        told, absent = absent_of(meta), OPTIONAL - values.keys()
        if told != absent:
            raise ValueError(f"clip {name} is without {sorted(absent)}, and its meta says without {sorted(told)}")
        # Of a clip whose writing failed before.
        self._remove_pending()
        self.remove(name)
        reached("clip is to be written")
        checksum = hashlib.sha256()
        batch: dict[bytes, bytes] = {PENDING_KEY: name.encode()}
        count = 0
        for frame in frames:
            batch[key(name, count)] = frame
            digest_item(checksum, key(name, count), frame)
            count += 1
            if len(batch) >= FRAMES_PER_TRANSACTION:
                self._write(batch)
                reached("frames are written")
                batch = {}
        if count != len(arrays.valid):
            self._write(batch)
            self._remove_pending()
            raise ValueError(f"clip {name} has {count} frames and values for {len(arrays.valid)}")
        fields = {key(name, field): value for field, value in values.items()}
        fields[key(name, "length")] = number(count).encode()
        for field_key in sorted(fields):
            digest_item(checksum, field_key, fields[field_key])
        fields[key(name, META)] = json.dumps(meta, sort_keys=True, ensure_ascii=False).encode()
        entry = ClipEntry(count, split, fingerprint, checksum.hexdigest())
        batch.pop(PENDING_KEY, None)
        self._own(name, entry, batch | fields)
        reached("clip is written")
        return entry

    def remove(self, name: str) -> None:
        """Remove a clip; nothing happens where there is none."""
        if name in self._clips or name in self._damaged:
            self._disown(name)
            reached("clip is disowned")
            self._remove_pending()
            reached("clip is removed")

    def _own(self, name: str, entry: ClipEntry, values: dict[bytes, bytes]) -> None:
        """Make a clip that was being written one of the set: its last values, its entry and the number of clips."""
        self._write(
            values | {entry_key(name): entry.encode(), LENGTH_KEY: number(len(self._clips) + 1).encode()},
            delete=(PENDING_KEY,),
        )
        self._clips[name] = entry

    def _disown(self, name: str) -> None:
        """Take a clip out of the set and mark its keys for removal, in one transaction."""
        left = number(len(self._clips) + len(self._damaged) - 1)
        self._write({LENGTH_KEY: left.encode(), PENDING_KEY: name.encode()}, delete=(entry_key(name),))
        self._clips.pop(name, None)
        self._damaged.discard(name)

    def _write_entries(self) -> None:
        """Begin a set, or bring one of talkmill 0.1 into this form, in one transaction.

        A set without clips is a set: whoever reads it finds its manifest.
        """
        entries = {entry_key(name): entry.encode() for name, entry in self._clips.items()}
        header = DatasetManifest(self._size, {}).encode_header()
        self._write(entries | {LENGTH_KEY: number(len(entries)).encode(), MANIFEST_KEY: header})
        reached("entries are written")

    def _write(self, values: dict[bytes, bytes], delete: Iterable[bytes] = ()) -> None:
        """Write in one transaction; the map grows until it fits."""
        while True:
            try:
                with self._transaction(write=True) as transaction:
                    for item, value in values.items():
                        transaction.put(item, value)
                    for item in delete:
                        transaction.delete(item)
                return
            except lmdb.MapFullError:
                # No transaction may be under way.
                with self._turn:
                    self._environment.set_mapsize(2 * self._environment.info()["map_size"])
            except lmdb.Error as error:
                raise self._as_os_error(error, sum(map(len, values.values()))) from error

    @contextmanager
    def _transaction(self, *, write: bool = False) -> Iterator[lmdb.Transaction]:
        if self._process != os.getpid():
            raise DatasetError(
                f"{self._folder} was open for writing when this process was forked; its parent writes it"
            )
        with self._turn, self._environment.begin(write=write) as transaction:
            yield transaction

    def _as_os_error(self, error: lmdb.Error, size_bytes: int) -> OSError:
        """Say of a write that failed whether the disk is full: LMDB calls a short write an input/output error."""
        full = shutil.disk_usage(self._folder).free < size_bytes + SPARE_BYTES
        return OSError(errno.ENOSPC if full else errno.EIO, str(error), str(self._folder))

    def _remove_pending(self) -> None:
        """Delete every key of the clip that was being written or removed."""
        with self._transaction() as transaction:
            found = transaction.get(PENDING_KEY)
        if found is None:
            return
        try:
            name = bytes(found).decode()
        except UnicodeDecodeError as error:
            raise DatasetError(f"the key pending is damaged: {bytes(found)!r} names no clip; {REMEDY}") from error
        if name in self._clips:
            # talkmill 0.1 marked a clip before it took it out of the manifest.
            self._disown(name)
        prefix = name.encode() + b"-"
        while True:
            with self._transaction(write=True) as transaction:
                keys: list[bytes] = []
                cursor = transaction.cursor()
                if cursor.set_range(prefix):
                    for item in cursor.iternext(values=False):
                        if not bytes(item).startswith(prefix) or len(keys) >= FRAMES_PER_TRANSACTION:
                            break
                        keys.append(bytes(item))
                for item in keys:
                    transaction.delete(item)
                if not keys:
                    transaction.delete(PENDING_KEY)
                    return
            reached("keys are removed")

    def _read_manifest(self, size: int, without: Collection[str]) -> DatasetManifest | None:
        with self._transaction() as transaction:
            manifest = stored_manifest(transaction)
            if manifest is None and transaction.get(LENGTH_KEY) is not None:
                raise ValueError("the LMDB was written by another tool and has no manifest; give another --out")
        if manifest is None:
            return None
        if manifest.size != size:
            raise ValueError(f"the set holds images of {manifest.size} pixels, {size} were asked for")
        manifest.check_entries(without)
        return manifest

    def close(self) -> None:
        """Flush to disk and close; in a process that was forked since, nothing happens."""
        if self._process != os.getpid():
            return
        with self._opened, self._turn:
            self._environment.sync(True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def digest_item(checksum: "hashlib._Hash", item: bytes, value: bytes) -> None:
    """Add a key and its value to a checksum, each behind its length."""
    for part in (item, value):
        checksum.update(len(part).to_bytes(8, "big"))
        checksum.update(part)
