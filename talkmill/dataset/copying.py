"""A copy of a set, as it was at one instant."""

import os
from pathlib import Path

from talkmill.dataset.environment import open_environment
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
        DatasetError: There is no set, or it is not whole.
    """
    # LMDB notes its readers in a file beside the data; a folder that is read-only has no such file and needs none.
    with open_environment(folder, readonly=True, lock=os.access(folder, os.W_OK)) as environment:
        environment.copy(str(target))
    with DatasetWriter(target, read_manifest(target).size) as writer:
        return writer.manifest
