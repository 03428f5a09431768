"""`train_list.txt` and `test_list.txt` beside a set: one clip name a line."""

from pathlib import Path

from talkmill.dataset.manifest import DatasetManifest
from talkmill.dataset.writer import reached
from talkmill.files import write_whole

SPLITS = ("train", "test")


def list_paths(root: Path) -> list[Path]:
    """Return where the lists of a set lie."""
    return [root / f"{split}_list.txt" for split in SPLITS]


def write_lists(root: Path, manifest: DatasetManifest) -> None:
    """Write the lists that a manifest gives, each whole or not at all."""
    for split, path in zip(SPLITS, list_paths(root), strict=True):
        names = [name for name, entry in manifest.clips.items() if entry.split == split]
        reached("list is to be written")
        write_whole(path, "".join(f"{name}\n" for name in names).encode())
    reached("lists are written")
