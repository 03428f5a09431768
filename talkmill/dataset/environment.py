"""Opening the LMDB of a set, and nothing that is cut short: LMDB reads through a map, where a missing page kills."""

import errno
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import lmdb

# Pages that were read stay in the memory of the process until the file is closed: it is opened again after so much.
BYTES_PER_OPENING = 64 << 20
# Of what LMDB takes for a key, as it is built in py-lmdb.
LONGEST_KEY = 511
# A reader takes a slot of `lock.mdb` for the time of one transaction; LMDB's own bound is 126.
MAX_READERS = 1024
# Another thread of this process may be about to close the same LMDB, whose last user went.
CLOSING_SECONDS = 2.0

# Of the table of readers: a slot is 64 bytes, and a page is before them.
LOCK_BYTES = 64 * MAX_READERS + 4096

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
        OSError: The disk is full.
    """
    path = folder / "data.mdb"
    if options.get("lock", True):
        make_lock_file(folder)
    if path.is_file() and not path.stat().st_size:
        raise DatasetError(f"{path} is empty: its set is lost; restore it from a copy, or delete it and run again")
    try:
        environment = _lmdb_open(folder, options)
    except lmdb.Error as error:
        if _is_open_here(error):
            raise DatasetError(
                f"{path} is open in this process by other means than a Dataset; close it there first"
            ) from error
        if isinstance(error, lmdb.ReadonlyError) or "Permission denied" in str(error):
            verb = "read" if options.get("readonly") else "written"
            raise DatasetError(f"{_denied(folder, verb)} cannot be {verb}: permission denied") from error
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


def make_lock_file(folder: Path) -> None:
    """Give the table of readers its place on the disk.

    LMDB makes a file with a hole and writes to it through a map, which on a full disk ends the process.

    Args:
        folder: Of the LMDB.

    Raises:
        OSError: The disk is full.
    """
    try:
        with (folder / "lock.mdb").open("xb", buffering=0) as file:
            written = file.write(bytes(LOCK_BYTES))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            # It is there already, or LMDB says what is wrong.
            return
        written = 0
    if written != LOCK_BYTES:
        (folder / "lock.mdb").unlink(missing_ok=True)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder / "lock.mdb"))


def _lmdb_open(folder: Path, options: dict[str, Any]) -> lmdb.Environment:
    until = time.monotonic() + CLOSING_SECONDS
    while True:
        try:
            return lmdb.open(str(folder), subdir=True, max_dbs=0, max_readers=MAX_READERS, max_spare_txns=0, **options)
        except lmdb.Error as error:
            if not _is_open_here(error) or time.monotonic() > until:
                raise
        time.sleep(0.005)


def _is_open_here(error: lmdb.Error) -> bool:
    return "already open in this process" in str(error)


def _denied(folder: Path, verb: str) -> Path:
    """Return which file of a set must not be read or written."""
    paths = (folder / "data.mdb", folder / "lock.mdb")
    mode = os.R_OK if verb == "read" else os.R_OK | os.W_OK
    return next((path for path in paths if path.exists() and not os.access(path, mode)), folder)


class SharedEnvironment:
    """The LMDB of one file, open once in a process, as LMDB asks, for all who read or write it there.

    For readers it opens when something is read, and again after a fork, after `BYTES_PER_OPENING`, and where the file
    outgrew its map. While a writer of this process has it open, readers use what the writer opened. Threads take
    turns: whoever begins a transaction holds `lock` to its end, so that no map changes and no process is forked
    meanwhile.
    """

    def __init__(self, identity: tuple[int, int]) -> None:
        """Create it; nothing is opened yet.

        Args:
            identity: Device and number of `data.mdb`.
        """
        self.lock = threading.RLock()
        self.identity = identity
        self.environment: lmdb.Environment | None = None
        self.written = False
        # Where the file was found last; a folder can have several paths, and another name later.
        self.folder: Path | None = None
        self.bytes_read = 0
        self._process = 0
        self._lock_file: tuple[int, int] | None = None

    def opened(self, folder: Path) -> lmdb.Environment:
        """Return the LMDB, open.

        Args:
            folder: Where whoever reads looks for it.

        Raises:
            DatasetError: It is not there, or cannot be opened.
        """
        if self._process != os.getpid() or (self.bytes_read >= BYTES_PER_OPENING and not self.written):
            self.close()
        self.folder = self._where(folder)
        return self.environment or self._has(_open_to_read(self.folder))

    def write(self, folder: Path, environment: lmdb.Environment) -> None:
        """Take what a writer of this process opened."""
        with self.lock:
            self._has(environment)
            self.folder, self.written = folder, True

    def close(self) -> None:
        """Close the LMDB until something is read again; a child closes what it has of its parent's."""
        with self.lock:
            if self.environment is not None:
                self.environment.close()
            self.environment, self.written, self.bytes_read = None, False, 0

    def close_for_others(self, folder: Path) -> None:
        """Close the LMDB where the folder has another `data.mdb` by now beside the same `lock.mdb`.

        LMDB opens neither of two files twice.
        """
        if self._lock_file is None or self._lock_file != _lock_file(folder):
            return
        with self.lock:
            if not self.written:
                self.close()

    def _has(self, environment: lmdb.Environment) -> lmdb.Environment:
        self.environment, self._process = environment, os.getpid()
        self._lock_file = _lock_file(Path(environment.path()))
        return environment

    def _where(self, folder: Path) -> Path:
        try:
            found = _identity(folder)
        except DatasetError:
            if self.folder is None or not _is_at(self.folder, self.identity):
                raise
            return self.folder
        if found != self.identity:
            if not self.written:
                self.close()
            raise DatasetError(f"{folder / 'data.mdb'} was replaced by another file; open the set again")
        return folder


class ReadEnvironment:
    """The LMDB of a folder for one reader; what is open is shared by all of this process."""

    def __init__(self, folder: Path, shared: SharedEnvironment) -> None:
        """Create it; nothing is opened yet.

        Args:
            folder: The folder of `data.mdb`, as this reader knows it.
            shared: What this process has of that file.
        """
        self.shared = shared
        self._folder = folder

    def values(self, items: list[bytes]) -> list[bytes | None]:
        """Return the values of keys as one transaction sees them; None for those that are not there, or can be no key.

        Raises:
            DatasetError: The LMDB cannot be read.
        """
        found = self.read(
            lambda transaction: [transaction.get(item) if 0 < len(item) <= LONGEST_KEY else None for item in items]
        )
        values = [None if value is None else bytes(value) for value in found]
        self.shared.bytes_read += sum(len(value) for value in values if value is not None)
        return values

    def read(self, work: Callable[[lmdb.Transaction], _T]) -> _T:
        """Return what a function makes of a transaction; it must not keep it.

        Raises:
            DatasetError: The LMDB cannot be read.
        """

        def in_transaction(environment: lmdb.Environment) -> _T:
            with environment.begin() as transaction:
                return work(transaction)

        return self._use(in_transaction, "cannot be read")

    def copy(self, target: Path) -> None:
        """Copy the LMDB into an empty folder, as it is at one instant; others of this process wait.

        Raises:
            DatasetError: The LMDB cannot be read, or the folder cannot be written.
        """
        self._use(lambda environment: environment.copy(str(target)), f"cannot be copied to {target}")
        # All its pages are in memory now.
        self.shared.bytes_read += BYTES_PER_OPENING

    def _use(self, work: Callable[[lmdb.Environment], _T], failure: str) -> _T:
        with self.shared.lock:
            try:
                try:
                    return work(self.shared.opened(self._folder))
                except lmdb.MapResizedError:
                    if self.shared.written:
                        raise
                    self.shared.close()
                    return work(self.shared.opened(self._folder))
            except lmdb.Error as error:
                raise DatasetError(f"{self._folder / 'data.mdb'} {failure}: {error}") from error


def read_environment(folder: Path) -> ReadEnvironment:
    """Return the LMDB of a folder for reading.

    Raises:
        DatasetError: There is no LMDB.
    """
    with _guard:
        return ReadEnvironment(folder, _shared(folder))


def write_environment(folder: Path, map_size: int) -> tuple[SharedEnvironment, lmdb.Environment]:
    """Open the LMDB of a folder for writing; readers of this process use it too from now on, until it is closed.

    Its `lock` is held for the caller, who releases it once there is something to read.

    Args:
        folder: The folder; its LMDB is made where it is missing.
        map_size: Bytes of the map.

    Raises:
        DatasetError: It cannot be opened.
    """
    with _guard:
        if not (folder / "data.mdb").is_file():
            _close_for_others(folder)
            environment = open_environment(folder, map_size=map_size)
            shared = _shared(folder)
            shared.lock.acquire()
            shared.write(folder, environment)
            return shared, environment
        shared = _shared(folder)
        shared.lock.acquire()
        try:
            shared.close()
            environment = open_environment(folder, map_size=map_size)
            shared.write(folder, environment)
        except BaseException:
            shared.lock.release()
            raise
        return shared, environment


def _open_to_read(folder: Path) -> lmdb.Environment:
    # The table of readers keeps a writer of another process from using pages again that are being read. A folder or
    # a table that cannot be written, or a file system without locks, has no such table.
    if os.access(folder, os.W_OK):
        try:
            return open_environment(folder, readonly=True)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
        except DatasetError as error:
            if not isinstance(error.__cause__, lmdb.Error) or _is_open_here(error.__cause__):
                raise
    return open_environment(folder, readonly=True, lock=False)


def _shared(folder: Path) -> SharedEnvironment:
    identity = _identity(folder)
    found = _environments.get(identity)
    if found is None:
        _close_for_others(folder)
        found = _environments[identity] = SharedEnvironment(identity)
    return found


def _close_for_others(folder: Path) -> None:
    for other in list(_environments.values()):
        other.close_for_others(folder)


def _identity(folder: Path) -> tuple[int, int]:
    path = folder / "data.mdb"
    try:
        status = path.stat()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    return status.st_dev, status.st_ino


def _is_at(folder: Path, identity: tuple[int, int]) -> bool:
    try:
        return _identity(folder) == identity
    except DatasetError:
        return False


def _lock_file(folder: Path) -> tuple[int, int] | None:
    try:
        status = (folder / "lock.mdb").stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


_guard = threading.RLock()
_environments: WeakValueDictionary[tuple[int, int], SharedEnvironment] = WeakValueDictionary()
_held: list[SharedEnvironment] = []


def _before_fork() -> None:
    # A process that is forked must not have its parent's LMDB. What is read is closed here, and both open it when
    # they read. What is written stays open in the parent; no transaction is under way, and the child closes it.
    _guard.acquire()
    for environment in list(_environments.values()):
        environment.lock.acquire()
        if not environment.written:
            environment.close()
        _held.append(environment)


def _after_fork() -> None:
    while _held:
        _held.pop().lock.release()
    _guard.release()


def _after_fork_in_child() -> None:
    for environment in _held:
        environment.close()
    _after_fork()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)
