"""The output folder of a run in one process, and the store in it: the folder `work`."""

from pathlib import Path

from talkmill.artifacts.local import LocalStore

WORK_BUCKET = "work"
# What a run writes into its folder.
RUN_FOLDERS = ("audio", "lmdb", "preview", WORK_BUCKET)
RUN_FILES = ("rejected.jsonl", "report.json")


def open_store(folder: Path) -> LocalStore:
    """Return the store of a run's folder."""
    return LocalStore({WORK_BUCKET: folder / "work"})
