"""An exported folder that is whole after a kill and another start: parts appear whole, and what was removed goes away.

It knows parts, their files and the list of what was written, `NAME_export.jsonl`; it must not know what is in a file.
"""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from pydantic import TypeAdapter, ValidationError

from talkmill.files import move_durably, write_whole


class StrangerError(ValueError):
    """A file that would be written is there, and no export wrote it."""


@dataclass(frozen=True, slots=True)
class Part:
    """Files that belong together, such as those of a clip.

    Attributes:
        name: Unique in the folder.
        fingerprint: Changes with anything that the files are made of.
        files: Their paths in the folder.
    """

    name: str
    fingerprint: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A line of the list: a part that is being written has no fingerprint yet."""

    part: str
    fingerprint: str | None
    files: tuple[str, ...]

    def line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


_ENTRY = TypeAdapter(_Entry)


class ExportFolder:
    """A folder that parts are written into; whoever opens it has locked it."""

    def __init__(self, folder: Path, name: str) -> None:
        """Open the folder and throw away what a killed export left half written.

        Args:
            folder: The folder; it exists.
            name: What the names of its parts' folders begin with.

        Raises:
            ValueError: The list of the folder is not one that an export wrote.
        """
        self._folder = folder
        self._list = folder / f"{name}_export.jsonl"
        self._staging = folder / f".{name}_export"
        shutil.rmtree(self._staging, ignore_errors=True)
        entries = _read(self._list)
        self._save(entries)
        self._written = {file for entry in entries for file in entry.files}
        self._newest = {entry.part: entry for entry in entries}

    def holds(self, part: Part) -> bool:
        """Say whether a part is there, made of the same things."""
        entry = self._newest.get(part.name)
        return (
            entry is not None
            and (entry.fingerprint, entry.files) == (part.fingerprint, part.files)
            and all((self._folder / file).is_file() for file in part.files)
        )

    def write(self, part: Part, make: Callable[[Path], None]) -> None:
        """Write a part's files, in place of older ones.

        Args:
            part: The part.
            make: Writes the files into another folder, under the same paths; their folders are there.

        Raises:
            StrangerError: A file of the user's is in the way; nothing was written.
        """
        for file in part.files:
            if file not in self._written and (self._folder / file).exists():
                raise StrangerError(
                    f"{self._folder / file} is there and was not written by this export; move it away, or give "
                    "another --name"
                )
        # What the list does not name could not be told from a file of the user's.
        self._note(_Entry(part.name, None, part.files))
        self._written.update(part.files)
        for file in part.files:
            (self._staging / file).parent.mkdir(parents=True, exist_ok=True)
            (self._folder / file).parent.mkdir(parents=True, exist_ok=True)
        make(self._staging)
        for file in part.files:
            move_durably(self._staging / file, self._folder / file)
        self._note(_Entry(part.name, part.fingerprint, part.files))

    def keep_only(self, parts: Sequence[Part]) -> None:
        """Delete the files of every other part that an export wrote here; an unwritten part counts as another."""
        kept = [part for part in parts if self.holds(part)]
        for file in self._written.difference(*(part.files for part in kept)):
            (self._folder / file).unlink(missing_ok=True)
        self._save([_Entry(part.name, part.fingerprint, part.files) for part in kept])
        shutil.rmtree(self._staging, ignore_errors=True)

    def strangers(self, folders: Sequence[str]) -> list[Path]:
        """Return files below some folders that no export of this list wrote."""
        found = (path for folder in folders for path in sorted((self._folder / folder).rglob("*")) if path.is_file())
        return [path for path in found if path.relative_to(self._folder).as_posix() not in self._written]

    def _save(self, entries: Sequence[_Entry]) -> None:
        write_whole(self._list, b"".join(entry.line() for entry in entries))

    def _note(self, entry: _Entry) -> None:
        with self._list.open("ab") as file:
            file.write(entry.line())
            file.flush()
            os.fsync(file.fileno())
        self._newest[entry.part] = entry


def _read(path: Path) -> list[_Entry]:
    """Read a list; a line that a kill cut short is that of a part which was not begun."""
    lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
    try:
        entries = [_ENTRY.validate_json(line) for line in lines if line.endswith(b"\n")]
    except ValidationError as error:
        raise ValueError(f"{path} is not the list of an export; move it away, or give another --name") from error
    paths = [PurePosixPath(file) for entry in entries for file in entry.files]
    if any(file.is_absolute() or ".." in file.parts for file in paths):
        raise ValueError(f"{path} names files outside its folder; move it away, or give another --name")
    return entries
