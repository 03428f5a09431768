"""Our `condition` through the camera that OTAvatar makes of it (DATA.md section 2), written out here."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from orchestrator.bench.scenes.measure import fit_scene
from orchestrator.bench.scenes.scene import make_scene
from talkmill.fitting.projection import LandmarkBasis
from talkmill.geometry.conventions import euler_from_rotation
from talkmill.models.repository import ModelRepository
from talkmill.morphable.model import MorphableModel


def condition_of(models: ModelRepository, count: int) -> np.ndarray:
    model = MorphableModel.load(models.ensure("makehuman-head", "morphable").path)
    fit = fit_scene(make_scene(model, count, 4), LandmarkBasis.of(model), 4)
    euler = euler_from_rotation(fit.state.pose.rotation)
    focal = np.full((count, 1), fit.state.focal)
    return np.concatenate([-euler, fit.state.pose.translation, focal], axis=1).astype(np.float32)


def reference_rotation(angles: np.ndarray) -> np.ndarray:
    """AD-NeRF's Rx Ry Rz with its matrices, of the angles as stored in an LMDB, negated back."""
    theta, phi, psi = -angles.astype(np.float64)
    (s1, c1), (s2, c2), (s3, c3) = ((np.sin(a), np.cos(a)) for a in (theta, phi, psi))
    around_x = np.array([[1, 0, 0], [0, c1, s1], [0, -s1, c1]])
    around_y = np.array([[c2, 0, -s2], [0, 1, 0], [s2, 0, c2]])
    around_z = np.array([[c3, -s3, 0], [s3, c3, 0], [0, 0, 1]])
    return around_x @ around_y @ around_z


def reference_camera(condition: np.ndarray, index: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Mean rotation, camera centre and focal: the window i-1..i+1, which leaves the last frame out."""
    window = condition[max(0, index - 1) : min(index + 2, len(condition) - 1)]
    with np.errstate(invalid="ignore"):
        rotation = (
            np.mean([reference_rotation(row[:3]) for row in window], axis=0) if len(window) else np.full((3, 3), np.nan)
        )
        shift = window[:, 3:6].astype(np.float64).sum(0) / len(window) if len(window) else np.full(3, np.nan)
    shift[2] -= 10
    centre = -rotation.T @ shift * 0.27 + [0, 0.015, 0.161]
    return rotation, centre, float(2985.29 / 700 * condition[index, 6] / 1050)


@pytest.mark.parametrize("count", [2, 3, 10, 49, 50, 51])
def test_the_reference_sees_the_head(models: ModelRepository, count: int) -> None:
    condition = condition_of(models, count)
    for index in range(count):
        rotation, centre, focal = reference_camera(condition, index)
        assert np.isfinite(rotation).all() and np.isfinite(centre).all() and np.isfinite(focal)
        assert np.abs(rotation.T @ rotation - np.eye(3)).max() < 1e-2
        seen = rotation @ (np.array([0, 0.015, 0.161]) - centre)
        assert seen[2] < 0 and np.abs(focal * seen[:2] / seen[2]).max() < 0.5


def test_what_is_stored_is_orthonormal_and_one_frame_is_readable(models: ModelRepository) -> None:
    condition = condition_of(models, 1)
    rotation = reference_rotation(condition[0, :3])
    assert np.abs(rotation.T @ rotation - np.eye(3)).max() < 1e-6
    assert np.isfinite(condition).all()
    # The limit is the reference's: its window of a single frame is empty (docs/data-format.md).
    assert np.isnan(reference_camera(condition, 0)[1]).all()


def test_euler_angles_are_the_reference_s() -> None:
    random = Rotation.random(20, random_state=1).as_matrix()
    for rotation, euler in zip(random, euler_from_rotation(random), strict=True):
        assert np.allclose(reference_rotation(-euler), rotation)
