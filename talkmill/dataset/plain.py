"""Writes an LMDB of plain keys and values, for readers that know no set."""

import errno
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import lmdb

from talkmill.dataset.environment import make_lock_file

# LMDB rounds a large value up to pages of 4096 bytes and writes one more for its head; the tree and what a transaction
# replaces take the rest.
BYTES_BESIDE_VALUE, BYTES_BESIDE_ALL = 2 * 4096, 1 << 24


def write_plain(folder: Path, transactions: Iterable[Iterable[tuple[str, bytes]]], count: int, size_bytes: int) -> None:
    """Write an LMDB that is not there yet.

    Args:
        folder: Of `data.mdb`; it is made.
        transactions: Keys and values, those of one transaction after those of another.
        count: Values in all.
        size_bytes: Of all values.

    Raises:
        OSError: The disk is full, or fails.
    """
    map_size = size_bytes + count * BYTES_BESIDE_VALUE + BYTES_BESIDE_ALL
    folder.mkdir(exist_ok=True)
    make_lock_file(folder)
    try:
        with lmdb.open(str(folder), map_size=map_size) as environment:
            for items in transactions:
                with environment.begin(write=True) as transaction:
                    for key, value in items:
                        transaction.put(key.encode(), value)
    except lmdb.Error as error:
        # LMDB calls a short write an input/output error.
        full = shutil.disk_usage(folder).free < BYTES_BESIDE_ALL
        number = errno.ENOSPC if full else errno.EIO
        raise OSError(number, os.strerror(number), str(folder / "data.mdb")) from error
