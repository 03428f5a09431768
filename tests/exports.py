"""The folder layout of OTAvatar, exported out of a made-up set by made-up heads."""

from pathlib import Path

import numpy as np
import pytest

from talkmill.artifacts.manifest import ModelVersion
from talkmill.dataset.reader import read_clip
from talkmill.layouts.otavatar_processing import ExportResult, export_processing
from talkmill.models.installed import InstalledModel
from talkmill.models.repository import ModelRepository
from talkmill.morphable.model import MorphableModel, at_vertices
from tests.made_up_stages import SIZE, MadeUp, run_made_up, write_sources


class OneHead(ModelRepository):
    """A repository whose every model is a tetrahedron."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "head.npz"
        landmarks = np.zeros(68, np.int32)
        corners, shares = at_vertices(landmarks)
        mean = np.float32([[-1, -1, 0], [1, -1, 0], [0, 1, 0], [0, 0, 1]])
        modes = np.zeros((4, 3, 2), np.float32)
        triangles = np.int32([[0, 1, 3], [1, 2, 3], [2, 0, 3], [0, 2, 1]])
        MorphableModel("head", mean, modes, modes, ("a", "b"), triangles, landmarks, corners, shares).save(self._path)

    def ensure(self, model_id: str, role: str) -> InstalledModel:
        return InstalledModel(self._path, ModelVersion(model_id, "0" * 64))


def make_set(folder: Path, sources: Path) -> None:
    """Make a set by four commands: a and b, then c, then b made anew in its own place, then another video called b."""
    a, b, c = write_sources(sources, "a.mp4", "b.mp4", "c.mp4")
    run_made_up(folder, a, b)
    first = read_clip(folder / f"lmdb/{SIZE}", "b_000")
    run_made_up(folder, c)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MadeUp, "version", "4")
        run_made_up(folder, b)
    assert read_clip(folder / f"lmdb/{SIZE}", "b_000").entry.checksum != first.entry.checksum
    b.write_bytes(b"another take of b" * 100)
    run_made_up(folder, b)


def export(run: Path, heads: ModelRepository, out: Path) -> ExportResult:
    return export_processing(run, out, "set", heads)


def everything(out: Path) -> dict[str, bytes]:
    """Every file that an export shows."""
    files = (path for path in out.rglob("*") if path.is_file() and path.name != ".talkmill.lock")
    return {str(path.relative_to(out)): path.read_bytes() for path in files if path.name != "lock.mdb"}
