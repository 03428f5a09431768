"""The lock of a folder: one writer at a time. The operating system drops it when the process ends."""

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

LOCK_NAME = ".talkmill.lock"
# What flock answers where somebody else has the lock.
_HELD = (errno.EAGAIN, errno.EACCES)


class FolderBusyError(ValueError):
    """Another process writes into the folder, or the folder cannot be locked."""


@contextmanager
def locked(folder: Path, work: str) -> Iterator[None]:
    """Hold a folder while a block writes into it.

    The lock is on a file of the folder, which stays there; what is written in it tells others who has the lock.

    Args:
        folder: The folder; it is made where it is missing.
        work: What holds it, for the message that others get, such as "run".

    Raises:
        FolderBusyError: Another process holds it, or its file system has no locks.
        OSError: The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK_NAME
    process = os.getpid()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _HELD:
                raise FolderBusyError(
                    f"{folder} cannot be locked ({error.strerror}): its file system has no locks, and two writers "
                    "would destroy each other's work; give a folder on another file system"
                ) from error
            holder = os.pread(descriptor, 1000, 0).decode(errors="replace").strip()
            raise FolderBusyError(f"another {holder or 'process'} works in {folder}; wait for its end") from error
        since = datetime.now(UTC).isoformat(timespec="seconds")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{work} (pid {os.getpid()} on {socket.gethostname()}, since {since})\n".encode(), 0)
        try:
            yield
        finally:
            # A child that was forked meanwhile has the descriptor too, and would keep the lock.
            if os.getpid() == process:
                fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)
