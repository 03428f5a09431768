"""Where a run in one process keeps things: `work` inside its folder, and the folder itself for the data set."""

from pathlib import Path

from talkmill.artifacts.local import LocalStore

WORK_BUCKET, DATASET_BUCKET = "work", "dataset"


def open_store(folder: Path) -> LocalStore:
    """Return the store of a run's folder."""
    return LocalStore({WORK_BUCKET: folder / "work", DATASET_BUCKET: folder})
