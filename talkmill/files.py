"""Files that appear whole or not at all, also after a power cut."""

import errno
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file beside its place, then put it there in one step.

    Args:
        path: The place; its folder exists.

    Yields:
        Where to write; the suffix is that of `path`.
    """
    part = path.with_name(f".{uuid.uuid4().hex}{path.suffix}")
    try:
        yield part
        move_durably(part, path)
    finally:
        part.unlink(missing_ok=True)


def is_begun(path: Path) -> bool:
    """Say whether a file is called as what `replacing` writes: a kill leaves it behind.

    Args:
        path: The file.
    """
    return re.fullmatch(r"\.[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}(\.\w+)?", path.name) is not None


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file."""
    with replacing(path) as part:
        part.write_bytes(content)


def move_durably(source: Path, target: Path) -> None:
    """Rename a file or a folder of the same file system; a file's content is on the disk before its new name is."""
    _sync(source, os.O_RDONLY)
    source.replace(target)
    try:
        _sync(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        # Some file systems, of networks and of other systems, cannot sync a folder and keep names by themselves.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
