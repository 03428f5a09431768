"""Copies a set as it was at one instant."""

from pathlib import Path

from talkmill.dataset.environment import read_environment
from talkmill.dataset.manifest import DatasetManifest
from talkmill.dataset.reader import read_manifest
from talkmill.dataset.writer import DatasetWriter


def copy_set(folder: Path, target: Path) -> DatasetManifest:
    """Copy a set while others may read it or write into it; what a killed writer left half written is left out.

    Args:
        folder: The folder of `data.mdb`.
        target: An empty folder.

    Returns:
        The manifest of the copy.

    Raises:
        DatasetError: There is no set, it is not whole, or it cannot be copied.
    """
    read_environment(folder).copy(target)
    with DatasetWriter(target, read_manifest(target).size) as writer:
        return writer.manifest
