"""Where a run in one process keeps its artifacts: `work` inside its folder."""

from pathlib import Path

from talkmill.artifacts.local import LocalStore

WORK_BUCKET = "work"


def open_store(folder: Path) -> LocalStore:
    """Return the store of a run's folder."""
    return LocalStore({WORK_BUCKET: folder / "work"})
