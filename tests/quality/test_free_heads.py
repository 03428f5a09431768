"""The free heads stand in BFM's frame."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat

from talkmill.landmarks.points import INNER
from talkmill.models.repository import ModelRepository
from talkmill.morphable.model import MorphableModel

HEADS = ("makehuman-head", "ict-light")


def procrustes(source: np.ndarray, target: np.ndarray) -> tuple[float, float, float]:
    """Scale, degrees and shift of the similarity that is left between two sets of points, by the SVD."""
    a, b = source - source.mean(0), target - target.mean(0)
    u, singular, vt = np.linalg.svd(b.T @ a)
    sign = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ sign @ vt
    scale = float((singular * np.diag(sign)).sum() / (a**2).sum())
    shift = target.mean(0) - scale * rotation @ source.mean(0)
    return scale, float(np.degrees(np.arccos((np.trace(rotation) - 1) / 2))), float(np.linalg.norm(shift))


@pytest.mark.parametrize("name", HEADS)
def test_a_free_head_lies_on_bfm(models: ModelRepository, assets: Path, name: str) -> None:
    bfm = loadmat(assets / "morphable/bfm_layout/similarity_Lm3D_all.mat")["lm"].astype(float)
    repository = ModelRepository(models.folder, assets)
    head = MorphableModel.load(repository.ensure(name, "morphable").path)
    scale, degrees, shift = procrustes(head.landmark_rows(head.mean).astype(float)[INNER], bfm[INNER])
    assert scale == pytest.approx(1, abs=0.002)
    assert degrees < 0.5
    assert shift < 0.01


def test_the_default_head_has_its_origin_between_the_ears(models: ModelRepository) -> None:
    """BFM's landmarks lie 8 mm below the mean of its vertices and 13 to 18 mm in front of it."""
    head = MorphableModel.load(models.ensure("makehuman-head", "morphable").path)
    points = head.landmark_rows(head.mean)
    assert points.mean(0) == pytest.approx([0, -0.08, 0.15], abs=0.03)
    # The height of the outer corners of the eyes, and how far the tip of the nose lies in front.
    assert points[[36, 45], 1] == pytest.approx([0.29, 0.29], abs=0.02)
    assert points[30, 2] == pytest.approx(0.5, abs=0.06)
