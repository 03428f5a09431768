"""Opening the LMDB of a set, and nothing that is cut short: LMDB reads through a map, where a missing page kills."""

from pathlib import Path
from typing import Any

import lmdb


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
        environment = lmdb.open(str(folder), subdir=True, max_dbs=0, **options)
    except lmdb.Error as error:
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
