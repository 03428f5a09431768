"""Finds models in the model folder. It never fetches."""

import errno
import json
import shutil
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from talkmill.artifacts.artifact import sha256_of
from talkmill.artifacts.manifest import ModelVersion
from talkmill.models.catalogue import ModelEntry
from talkmill.models.damage import DamagedModelError

RECORD_NAME = "installed.json"


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A model on disk.

    Attributes:
        path: The file.
        version: Id and sha256 of that file.
    """

    path: Path
    version: ModelVersion

    def checked_path(self) -> Path:
        """Return the file to load, after every byte of it was compared once more.

        It may be loaded hours after it was found.

        Raises:
            DamagedModelError: The file has changed since it was installed.
        """
        found = sha256_of(self.path)
        if found != self.version.sha256:
            raise DamagedModelError(
                f"model {self.version.id} has changed while the process ran: {self.path} has sha256 {found[:12]}..., "
                f"{self.version.sha256[:12]}... was found before"
            )
        return self.path


@dataclass(frozen=True, slots=True)
class Record:
    """What `installed.json` says of a model's folder."""

    id: str
    loads: str
    sha256: str
    sources: dict[str, str]


def find_installed(folder: Path, entry: ModelEntry) -> InstalledModel | None:
    """Return a model that was fetched into a folder, or None. Every byte of it is read and compared with its record.

    A built model is compared with what was built here: another processor's linear algebra gives other last bits.

    Raises:
        DamagedModelError: The file has changed since it was installed.
    """
    try:
        record = Record(**json.loads((folder / entry.id / RECORD_NAME).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    wanted = {file.name: file.sha256 for file in entry.files}
    # What the user brought has the hashes that it has.
    if (record.sources != wanted and entry.import_by is None) or record.loads != entry.loads:
        return None
    path = folder / entry.id / record.loads
    if not path.is_file():
        return None
    found = sha256_of(path)
    if found != record.sha256:
        again = entry.import_by or f"talkmill models fetch {entry.id}"
        raise DamagedModelError(
            f"model {entry.id} is damaged: {path} has sha256 {found[:12]}..., {record.sha256[:12]}... was installed; "
            f"`{again}` makes it anew"
        )
    return InstalledModel(path, ModelVersion(entry.id, found))


def install(part: Path, target: Path) -> None:
    """Move a model's folder into its place; where another process was faster, its copy stays."""
    if target.exists():
        old = target.with_name(f".old-{uuid.uuid4().hex}")
        with suppress(FileNotFoundError):
            target.replace(old)
        shutil.rmtree(old, ignore_errors=True)
    try:
        part.replace(target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
