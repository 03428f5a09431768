"""Cameras that OTAvatar makes of fits, whatever the length of the clip."""

import numpy as np
import pytest

from benchmarks.scenes.measure import fit_scene
from benchmarks.scenes.scene import make_scene
from talkmill.dataset.columns import condition_columns
from talkmill.fitting.projection import LandmarkBasis
from talkmill.geometry.conventions import euler_from_rotation
from talkmill.models.repository import ModelRepository
from talkmill.morphable.model import MorphableModel
from tests.otavatar_camera import SIZE, reference_camera


@pytest.mark.parametrize("count", [2, 3, 10, 49, 50, 51])
def test_the_reference_reads_any_number_of_frames_from_two_up(models: ModelRepository, count: int) -> None:
    model = MorphableModel.load(models.ensure("makehuman-head", "morphable").path)
    state = fit_scene(make_scene(model, count, 4), LandmarkBasis.of(model), 4).state
    euler = euler_from_rotation(state.pose.rotation)
    condition = condition_columns(euler, state.pose.translation, np.array([state.focal]))
    for index in range(count):
        camera = reference_camera(condition, index)
        rotation = camera.world_from_camera[:3, :3]
        assert np.isfinite(camera.world_from_camera).all()
        assert np.abs(rotation.T @ rotation - np.eye(3)).max() < 1e-2
        assert np.abs(camera.pixels(np.zeros((1, 3))) - SIZE / 2).max() < SIZE / 4
