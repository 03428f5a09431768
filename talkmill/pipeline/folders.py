"""The store of a run in one process: the folder `work` inside its output folder."""

from pathlib import Path

from talkmill.artifacts.local import LocalStore

WORK_BUCKET = "work"


def open_store(folder: Path) -> LocalStore:
    """Return the store of a run's folder."""
    return LocalStore({WORK_BUCKET: folder / "work"})
