"""Opening the LMDB of a set, and nothing that is cut short: LMDB reads through a map, where a missing page kills."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import lmdb

# Pages that were read stay in the memory of the process until the file is closed: it is opened again after so much.
BYTES_PER_OPENING = 64 << 20
# A reader takes a slot of `lock.mdb` for the time of one transaction; LMDB's own bound is 126.
MAX_READERS = 1024

_T = TypeVar("_T")


class DatasetError(ValueError):
    """The set is not what it says."""


def open_environment(folder: Path, **options: Any) -> lmdb.Environment:
    """Open the LMDB of a folder.

    Args:
        folder: The folder of `data.mdb`.
        options: Of `lmdb.open`.

    Raises:
        DatasetError: It is no LMDB, or its file is shorter than its pages.
    """
    path = folder / "data.mdb"
    if path.is_file() and not path.stat().st_size:
        raise DatasetError(f"{path} is empty: its set is lost; restore it from a copy, or delete it and run again")
    try:
        environment = lmdb.open(str(folder), subdir=True, max_dbs=0, max_readers=MAX_READERS, **options)
    except lmdb.Error as error:
        if "already open in this process" in str(error):
            raise DatasetError(f"{path} is being written by this process; close its DatasetWriter first") from error
        raise DatasetError(f"{path} is no LMDB that can be read: {error}; move it away and run again") from error
    try:
        # The last page that the newest transaction knows of.
        wanted = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
        size = path.stat().st_size
        # A new environment has no page yet.
        if size and size < wanted:
            raise DatasetError(
                f"{path} is cut short: it has {size} bytes, {wanted} are wanted; restore it from a copy, or move it "
                "away and run the same command again"
            )
    except BaseException:
        environment.close()
        raise
    return environment


class ReadEnvironment:
    """The LMDB of a folder, open for reading: once in a process, as LMDB asks, for all who read it there.

    It opens when something is read, and again after a fork, after `BYTES_PER_OPENING`, and where the file outgrew
    its map. Threads take turns.
    """

    def __init__(self, folder: Path, identity: tuple[int, int]) -> None:
        """Create it; nothing is opened yet.

        Args:
            folder: The folder of `data.mdb`.
            identity: Device and number of that file.
        """
        self.lock = threading.RLock()
        self._folder, self._identity = folder, identity
        self._environment: lmdb.Environment | None = None
        self._process = 0
        self._bytes_read = 0

    def values(self, items: list[bytes]) -> list[bytes | None]:
        """Return the values of keys as one transaction sees them; None for those that are not there.

        Raises:
            DatasetError: The LMDB cannot be read.
        """
        found = self.read(lambda transaction: [transaction.get(item) for item in items])
        values = [None if value is None else bytes(value) for value in found]
        self._bytes_read += sum(len(value) for value in values if value is not None)
        return values

    def read(self, work: Callable[[lmdb.Transaction], _T]) -> _T:
        """Return what a function makes of a transaction; it must not keep it.

        Raises:
            DatasetError: The LMDB cannot be read.
        """
        with self.lock:
            if self._process != os.getpid() or self._bytes_read >= BYTES_PER_OPENING:
                self.close()
            try:
                with self._begin() as transaction:
                    return work(transaction)
            except lmdb.Error as error:
                raise DatasetError(f"{self._folder / 'data.mdb'} cannot be read: {error}") from error

    def close(self) -> None:
        """Close the LMDB until something is read again."""
        with self.lock:
            if self._environment is not None:
                self._environment.close()
            self._environment, self._bytes_read = None, 0

    def _begin(self) -> lmdb.Transaction:
        try:
            return self._opened().begin()
        except lmdb.MapResizedError:
            self.close()
            return self._opened().begin()

    def _opened(self) -> lmdb.Environment:
        if self._environment is None:
            if _identity(self._folder) != self._identity:
                raise DatasetError(f"{self._folder / 'data.mdb'} was replaced by another file; open the set again")
            self._environment = self._open()
            self._process = os.getpid()
        return self._environment

    def _open(self) -> lmdb.Environment:
        # The table of readers keeps a writer of another process from using pages again that are being read. A folder
        # that cannot be written, or a file system without locks, has no such table.
        if os.access(self._folder, os.W_OK):
            try:
                return open_environment(self._folder, readonly=True, max_spare_txns=0)
            except DatasetError as error:
                if not isinstance(error.__cause__, lmdb.Error):
                    raise
        return open_environment(self._folder, readonly=True, max_spare_txns=0, lock=False)


def read_environment(folder: Path) -> ReadEnvironment:
    """Return the LMDB of a folder for reading, the same to all who ask in this process.

    Raises:
        DatasetError: There is no LMDB.
    """
    identity = _identity(folder)
    with _guard:
        found = _environments.get(identity)
        if found is None:
            found = _environments[identity] = ReadEnvironment(folder, identity)
        return found


def stop_reading(folder: Path) -> None:
    """Close the LMDB of a folder where this process reads it, so that this process can write it."""
    if (folder / "data.mdb").is_file():
        with _guard:
            found = _environments.get(_identity(folder))
        if found is not None:
            found.close()


def _identity(folder: Path) -> tuple[int, int]:
    path = folder / "data.mdb"
    try:
        status = path.stat()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    return status.st_dev, status.st_ino


_guard = threading.RLock()
_environments: WeakValueDictionary[tuple[int, int], ReadEnvironment] = WeakValueDictionary()
_held: list[ReadEnvironment] = []


def _before_fork() -> None:
    # A process that is forked must not have its parent's LMDB: it is closed, and both open it when they read.
    _guard.acquire()
    for environment in list(_environments.values()):
        environment.lock.acquire()
        environment.close()
        _held.append(environment)


def _after_fork() -> None:
    while _held:
        _held.pop().lock.release()
    _guard.release()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
