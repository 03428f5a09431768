"""Takes clips out of a set by name: what the set holds of them, their lines in the lists, sound and previews."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from talkmill.dataset.lists import list_paths, write_lists
from talkmill.dataset.lock import locked
from talkmill.dataset.manifest import DatasetManifest
from talkmill.dataset.reader import Dataset, UnknownClipError, size_folder
from talkmill.dataset.writer import DatasetWriter


def remove_clips(folder: Path, names: Sequence[str]) -> DatasetManifest:
    """Take clips out of a set, also those whose entry is damaged.

    What `work` holds stays: the command that made a clip puts it back.

    Args:
        folder: The run's folder, its `lmdb` folder, or the folder of `data.mdb`.
        names: The clips.

    Returns:
        The manifest of what is left.

    Raises:
        UnknownClipError: The set has no such clip; nothing was changed.
        DamagedEntryError: The entry of a clip that stays is damaged; nothing was changed.
        FolderBusyError: A run or another writer works in the folder.
        DatasetError: There is no set, or it cannot be written.
    """
    database = size_folder(folder).absolute()
    with ExitStack() as stack:
        # A set that lies elsewhere is no run's, and has neither sound nor previews beside it.
        run = database.parent.parent if database.parent.name == "lmdb" else None
        if run is not None:
            stack.enter_context(locked(run, "removal"))
        with Dataset(database) as dataset:
            size = dataset.size
            for name in names:
                if name not in dataset:
                    raise UnknownClipError(f"the set has no clip {name}; nothing was removed")
        with DatasetWriter(database, size, without=names) as writer:
            manifest = writer.manifest
        if any(path.is_file() for path in list_paths(database.parent)):
            write_lists(database.parent, manifest)
        if run is not None:
            for name in names:
                remove_shown(run, name)
    return manifest


def remove_shown(run: Path, name: str) -> None:
    """Delete what a run's folder shows of a clip: its sound and its preview."""
    for path in (run / "audio" / f"{name}.wav", run / "preview" / f"{name}.jpg"):
        path.unlink(missing_ok=True)
