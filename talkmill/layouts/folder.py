"""An exported folder that is whole after a kill and another start: parts appear whole, and what was removed goes away.

It knows parts, their files and the list of what was written, `NAME_export.jsonl`; it must not know what is in a file.
What somebody else changed, or made of a part, in its folder or where the part says, is never deleted: where the part
changes it is no longer of it, and gets the ending `.stale`.
"""

import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path, PurePosixPath
from threading import Lock

from pydantic import TypeAdapter, ValidationError

from talkmill.files import is_begun, move_durably, replacing, write_whole

# LMDB's table of who reads: it has no content, and changes with every reader.
READERS = "lock.mdb"
STALE = ".stale"
LIST_ENDING = "_export.jsonl"
# The line of an export that has not ended.
GOING_ON = "export"


class StrangerError(ValueError):
    """A file that would be written is there, and no export wrote it."""


@dataclass(frozen=True, slots=True)
class Part:
    """Files that belong together, such as those of a clip.

    Attributes:
        name: Unique in the folder.
        fingerprint: Changes with anything that the files are made of.
        files: Paths in the folder: of files, and of folders that hold nothing of another part.
        preprocessed: Paths of files that a trainer's own scripts make of these.
    """

    name: str
    fingerprint: str
    files: tuple[str, ...]
    preprocessed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Entry:
    """A line of the list: a part that is being written has no fingerprint yet.

    `sha256` has every file, also those inside folders; lists of talkmill 0.1 have none.
    """

    part: str
    fingerprint: str | None
    files: tuple[str, ...]
    preprocessed: tuple[str, ...] = ()
    sha256: dict[str, str] = field(default_factory=dict)

    def line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


_ENTRY = TypeAdapter(_Entry)


class ExportFolder:
    """A folder that parts are written into, by several threads if need be; whoever opens it has locked it."""

    def __init__(self, folder: Path, name: str) -> None:
        """Open the folder and throw away what a killed export left half written.

        Args:
            folder: The folder; it exists.
            name: What the name of its list begins with.

        Raises:
            ValueError: The list of the folder is not one that an export wrote.
        """
        self._folder = folder
        self._list = folder / f"{name}{LIST_ENDING}"
        self._staging = folder / f".{name}_export"
        self._lock = Lock()
        shutil.rmtree(self._staging, ignore_errors=True)
        entries = _read(self._list)
        # What a kill left beside a file that was to be replaced.
        places = {folder, *(folder / file for entry in entries if entry.fingerprint is None for file in entry.files)}
        for place in {*places, *(place.parent for place in places)} - {folder.parent}:
            _sweep(place)
        self._save(entries)
        self._written = {file for entry in entries for file in entry.files}
        self._newest = {entry.part: entry for entry in entries}
        self._ours = {file for entry in entries for file in entry.sha256}
        self._stale: list[str] = []

    @property
    def stale(self) -> list[str]:
        """Files that somebody else made of what has changed, as they are called now."""
        return sorted(self._stale)

    def holds(self, part: Part) -> bool:
        """Say whether a part is there, made of the same things."""
        entry = self._newest.get(part.name)
        return (
            entry is not None
            and (entry.fingerprint, entry.files) == (part.fingerprint, part.files)
            and all((self._folder / file).exists() for file in (*part.files, *entry.sha256))
        )

    def write(self, part: Part, make: Callable[[Path], None]) -> None:
        """Write a part, in place of an older one.

        Args:
            part: The part.
            make: Writes its paths into another folder; the folders around them are there.

        Raises:
            StrangerError: A file of the user's is in the way; nothing was written.
        """
        staging = self._staging / uuid.uuid4().hex
        with self._lock:
            self.refuse_strangers(part.files)
            self._begin()
            before = self._newest.get(part.name) or _Entry(part.name, None, ())
            made = tuple(dict.fromkeys((*before.preprocessed, *part.preprocessed)))
        staging.mkdir(parents=True)
        for file in part.files:
            (staging / file).parent.mkdir(parents=True, exist_ok=True)
        try:
            make(staging)
            digests = _digests(staging)
        except OSError as error:
            if error.filename:
                raise
            # A full disk names no file.
            raise OSError(error.errno, error.strerror, str(self._folder / part.files[0])) from error
        with self._lock:
            self.refuse_strangers(part.files)
            # What the list does not name could not be told from a file of the user's. Nothing is named before it is
            # made: until then what is there stays, and the user may put other files there.
            claimed = tuple(dict.fromkeys((*before.files, *part.files)))
            self._note(_Entry(part.name, None, claimed, made, before.sha256 | digests))
            self._written.update(part.files)
            # What a killed export left may be of this part or of the one before.
            held = before.sha256 if before.fingerprint is not None else {}
            changed = held != digests
            if changed:
                self._set_aside(made)
            for file in part.files:
                (self._folder / file).parent.mkdir(parents=True, exist_ok=True)
                self._take_away(file, changed, held)
                _put(staging / file, self._folder / file)
            self._note(_Entry(part.name, part.fingerprint, part.files, part.preprocessed, digests))
        shutil.rmtree(staging)

    def refuse_strangers(self, files: Collection[str]) -> None:
        """Look whether files can be written.

        Args:
            files: Paths in the folder.

        Raises:
            StrangerError: One is there, and no export wrote it.
        """
        for file in files:
            path = self._folder / file
            if file not in self._written and (path.exists() or path.is_symlink()):
                raise StrangerError(
                    f"{path} is there and was not written by this export; move it away, or export into another folder"
                )

    def sha256(self, parts: Sequence[Part]) -> Mapping[str, str]:
        """Return the digest of every file of some parts, by path."""
        return {file: digest for part in parts for file, digest in self._newest[part.name].sha256.items()}

    def keep_only(self, parts: Sequence[Part], also: Collection[str] = ()) -> None:
        """Delete every other part that an export wrote here; an unwritten part counts as another.

        Args:
            parts: What stays, as it is.
            also: Names of parts of which an older one may be there: that stays.
        """
        names = {part.name for part in parts if self.holds(part)}
        names |= {name for name in also if name in self._newest and self._newest[name].fingerprint is not None}
        kept = [self._newest[name] for name in sorted(names)]
        self._begin()
        gone = [entry for name, entry in self._newest.items() if name not in names]
        for entry in gone:
            self._set_aside(entry.preprocessed)
        held = {file: one for entry in gone if entry.fingerprint is not None for file, one in entry.sha256.items()}
        for file in self._written.difference(*(entry.files for entry in kept)):
            self._take_away(file, True, held)
        self._save(kept)
        shutil.rmtree(self._staging, ignore_errors=True)

    def drop(self, part: Part) -> None:
        """Delete a part that is needed no more; the next export writes it again where it needs it."""
        with self._lock:
            self._begin()
            self._note(_Entry(part.name, None, part.files))
            for file in part.files:
                self._take_away(file, True, {})
                with suppress(OSError):
                    (self._folder / file).parent.rmdir()

    def strangers(self, folders: Sequence[str]) -> list[Path]:
        """Return files below some folders that no export of this list wrote."""
        found = (path for folder in folders for path in sorted((self._folder / folder).rglob("*")) if path.is_file())
        return [path for path in found if not self._wrote(path.relative_to(self._folder))]

    def _wrote(self, path: Path) -> bool:
        return any(one.as_posix() in self._written for one in (path, *path.parents))

    def _save(self, entries: Sequence[_Entry]) -> None:
        write_whole(self._list, b"".join(entry.line() for entry in entries))

    def _begin(self) -> None:
        """Say that the folder is being changed; `keep_only` takes that back."""
        if GOING_ON not in self._newest:
            self._note(_Entry(GOING_ON, None, ()))

    def _note(self, entry: _Entry) -> None:
        line, length = entry.line(), self._list.stat().st_size
        with self._list.open("ab", buffering=0) as file:
            if file.write(line) != len(line):
                # Half a line would spoil the next one.
                file.truncate(length)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._list))
            os.fsync(file.fileno())
        self._newest[entry.part] = entry
        self._ours.update(entry.sha256)

    def _take_away(self, file: str, changed: bool, held: Mapping[str, str]) -> None:
        """Delete a file or a folder that an export wrote; what is of others stays.

        Args:
            file: Its path.
            changed: Whether the part becomes another, so that what others made of it is stale.
            held: Path of each file to the digest of what it held: what holds something else now is of others.
        """
        path = self._folder / file
        if path.is_symlink() or not path.is_dir():
            self._take_file_away(file, changed, held)
            return
        for place in [path, *(inside for inside in path.rglob("*") if inside.is_dir())]:
            _sweep(place)
        for inside in [inside for inside in path.rglob("*") if not inside.is_dir() or inside.is_symlink()]:
            self._take_file_away(inside.relative_to(self._folder).as_posix(), changed, held)
        for folder in sorted([path, *(inside for inside in path.rglob("*") if inside.is_dir())], reverse=True):
            with suppress(OSError):
                folder.rmdir()

    def _take_file_away(self, file: str, changed: bool, held: Mapping[str, str]) -> None:
        path = self._folder / file
        ours = file in self._written or file in self._ours or path.name == READERS
        edited = file in held and path.is_file() and not path.is_symlink() and _sha256(path) != held[file]
        if ours and not edited:
            path.unlink(missing_ok=True)
        elif edited or changed:
            self._set_aside([file])

    def _set_aside(self, files: Sequence[str]) -> None:
        for file in files:
            path = self._folder / file
            if path.is_file() and not file.endswith(STALE):
                endings = (f".{number}{STALE}" if number else STALE for number in count())
                ending = next(one for one in endings if not path.with_name(path.name + one).exists())
                path.replace(path.with_name(path.name + ending))
                self._stale.append(file + ending)


def has_parts(path: Path) -> bool:
    """Say whether a list names a part that is there whole.

    Args:
        path: Of the list; there may be none.

    Raises:
        ValueError: It is not the list of an export.
    """
    return any(entry.fingerprint is not None for entry in _read(path))


def unfinished_parts(path: Path) -> list[str]:
    """Return the parts of a list that an export was writing when it ended, `GOING_ON` for the export itself.

    Args:
        path: Of the list.

    Raises:
        ValueError: It is not the list of an export.
    """
    newest = {entry.part: entry for entry in _read(path)}
    return [entry.part for entry in newest.values() if entry.fingerprint is None]


def _put(source: Path, target: Path) -> None:
    """Move a file or a folder to its place; a folder that is there keeps what it holds."""
    if target.is_dir():
        for inside in source.iterdir():
            _put(inside, target / inside.name)
        return
    try:
        move_durably(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # The user linked a folder of the export to another disk.
        if source.is_dir():
            target.mkdir()
            _put(source, target)
            return
        with replacing(target) as part:
            shutil.copyfile(source, part)


def _sweep(place: Path) -> None:
    """Delete what a kill left of files that were to be replaced in a folder."""
    with suppress(OSError):
        for path in place.iterdir():
            if is_begun(path) and path.is_file() and not path.is_symlink():
                path.unlink()


def _read(path: Path) -> list[_Entry]:
    """Read a list; a line that a kill cut short is that of a part which was not begun."""
    lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
    try:
        entries = [_ENTRY.validate_json(line) for line in lines if line.endswith(b"\n")]
    except ValidationError as error:
        raise ValueError(f"{path} is not the list of an export; move it away, or export into another folder") from error
    paths = [PurePosixPath(file) for entry in entries for file in (*entry.files, *entry.preprocessed)]
    if any(file.is_absolute() or ".." in file.parts for file in paths):
        raise ValueError(f"{path} names files outside its folder; move it away, or export into another folder")
    return entries


def _digests(staging: Path) -> dict[str, str]:
    """Put every file below a folder on the disk, and return the digests of what they hold by path."""
    found = {}
    for path in sorted(path for path in staging.rglob("*") if path.is_file()):
        if path.name != READERS:
            found[path.relative_to(staging).as_posix()] = _sha256(path)
        with path.open("rb") as file:
            os.fsync(file.fileno())
    return found


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
