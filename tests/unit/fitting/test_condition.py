"""Our `condition` through the camera that OTAvatar makes of it."""

import numpy as np
import pytest

from talkmill.dataset.columns import condition_columns
from talkmill.geometry.conventions import euler_from_rotation, rotation_from_euler
from tests.otavatar_camera import SIZE, after_the_best_scale_and_shift, reference_camera


def head() -> np.ndarray:
    """Points about a head, in units of 10 cm."""
    return np.random.default_rng(3).uniform([-0.8, -0.9, -0.2], [0.8, 0.9, 0.7], (68, 3))


def condition_of(rotation: np.ndarray, count: int = 5, focal: float = 1100.0) -> np.ndarray:
    """The stored columns of a head that stands still."""
    euler = np.tile(euler_from_rotation(rotation), (count, 1)).astype(np.float32)
    trans = np.tile(np.array([0.2, -0.1, -7.0], np.float32), (count, 1))
    return condition_columns(euler, trans, np.array([focal], np.float32))


def left_over(rotation: np.ndarray, condition: np.ndarray) -> float:
    """What scale and shift do not take away between our picture of a head and OTAvatar's."""
    shape = head()
    camera = shape @ rotation.T + [0.2, -0.1, -7.0]
    ours = np.stack([1100 * camera[:, 0] / -camera[:, 2], -1100 * camera[:, 1] / -camera[:, 2]], axis=1)
    return after_the_best_scale_and_shift(reference_camera(condition, 2).pixels(shape), ours)


@pytest.mark.parametrize("euler", [[0.25, 0, 0], [0, 0.35, 0], [0, 0, 0.3]])
def test_the_reference_sees_the_head_turned_as_we_do(euler: list[float]) -> None:
    """About one axis at a time its inversion is exact. It looks from 10 units further away: that is left."""
    rotation = rotation_from_euler(np.array(euler))
    condition = condition_of(rotation)
    right = left_over(rotation, condition)
    assert right < 9
    wrong = condition * np.array([-1, -1, -1, 1, 1, 1, 1], np.float32)
    assert left_over(rotation, wrong) > 3 * right


@pytest.mark.parametrize("column", [0, 1, 2])
def test_the_sign_of_each_angle_counts(column: int) -> None:
    rotation = rotation_from_euler(np.array([0.2, 0.25, 0.15]))
    condition = condition_of(rotation)
    wrong = condition.copy()
    wrong[:, column] *= -1
    assert left_over(rotation, wrong) > 2 * left_over(rotation, condition)


def test_the_order_of_the_angles_counts() -> None:
    rotation = rotation_from_euler(np.array([0.3, 0.0, 0.0]))
    condition = condition_of(rotation)
    assert left_over(rotation, condition[:, [1, 0, 2, 3, 4, 5, 6]]) > 2 * left_over(rotation, condition)


def degrees_off(euler: np.ndarray) -> float:
    """Angle between the reference's rotation and ours."""
    rotation = rotation_from_euler(euler)
    pose = reference_camera(condition_of(rotation), 2).world_from_camera
    off = pose[:3, :3] @ np.diag([1, -1, -1]) @ rotation
    return float(np.degrees(np.arccos(np.clip((np.trace(off) - 1) / 2, -1, 1))))


def test_the_rotation_of_the_reference_is_ours_but_for_its_own_inversion() -> None:
    """It inverts Rx Ry Rz as if it were Rz Ry Rx: right about one axis, less than a degree off within ten degrees."""
    for axis in range(3):
        assert degrees_off(np.radians(10) * np.eye(3)[axis]) < 0.01
    turns = np.random.default_rng(5).uniform(-np.radians(10), np.radians(10), (200, 3))
    assert np.mean([degrees_off(euler) for euler in turns]) == pytest.approx(0.8, abs=0.15)


def test_a_held_focal_of_the_reference_gives_its_intrinsics() -> None:
    camera = reference_camera(condition_of(np.eye(3), focal=1100.0), 2)
    assert camera.focal == pytest.approx(4.468, abs=5e-4)


def test_a_frontal_head_stands_upright_in_the_middle() -> None:
    condition = condition_of(np.eye(3))
    condition[:, 3:5] = 0
    chin, crown, left = reference_camera(condition, 2).pixels(np.array([[0, -0.8, 0], [0, 0.8, 0], [0.7, 0, 0]]))
    assert crown[1] < SIZE / 2 < chin[1]
    assert left[0] > SIZE / 2
    assert left[1] == pytest.approx(SIZE / 2, abs=1e-6)


def test_one_frame_is_stored_whole_and_is_too_few_for_the_reference() -> None:
    condition = condition_of(rotation_from_euler(np.array([0.1, 0.2, 0.3])), count=1)
    assert np.isfinite(condition).all()
    # The limit is the reference's: its window of a single frame is empty (docs/data-format.md).
    assert np.isnan(reference_camera(condition, 0).world_from_camera[:3]).all()
