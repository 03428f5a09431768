"""Golden values come from OpenCV and from the reference's matrices written out, never from the code under test."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkmill.geometry.conventions import (
    COARSE_DISTANCE,
    COARSE_FOCAL,
    coarse_angles_from_rotation,
    coarse_translation,
    euler_from_rotation,
    principal_point,
    project,
    rotation_from_euler,
)

angles = st.tuples(*[st.floats(-1.4, 1.4)] * 3).map(np.array)


def adnerf_rotation(theta: float, phi: float, psi: float) -> np.ndarray:
    """AD-NeRF's euler2rot, as DATA states it."""
    c, s = np.cos(theta), np.sin(theta)
    rx = np.array([[1, 0, 0], [0, c, s], [0, -s, c]])
    c, s = np.cos(phi), np.sin(phi)
    ry = np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
    c, s = np.cos(psi), np.sin(psi)
    rz = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    return rx @ ry @ rz


@given(angles)
def test_euler_angles_are_those_of_the_reference(euler: np.ndarray) -> None:
    rotation = adnerf_rotation(*euler)
    assert np.allclose(rotation_from_euler(euler), rotation)
    assert np.allclose(euler_from_rotation(rotation), euler, atol=1e-7)


@given(angles)
def test_coarse_angles_are_those_of_the_reference(euler: np.ndarray) -> None:
    x, y, z = euler
    rx = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    ry = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    rz = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    assert np.allclose(coarse_angles_from_rotation(rz @ ry @ rx), euler, atol=1e-7)


@given(angles, st.integers(0, 1000))
def test_projection_agrees_with_opencv(euler: np.ndarray, seed: int) -> None:
    random = np.random.default_rng(seed)
    points = random.normal(0, 0.5, (20, 3))
    rotation, translation = adnerf_rotation(*euler), np.array([0.1, -0.2, -7.0])
    # OpenCV looks down +z with y down: half a turn around x.
    flip = np.diag([1.0, -1.0, -1.0])
    turn, _ = cv2.Rodrigues(flip @ rotation)
    centre = principal_point(512)
    matrix = np.array([[1100.0, 0, centre], [0, 1100.0, centre], [0, 0, 1]])
    expected, _ = cv2.projectPoints(points, turn, flip @ translation, matrix, None)
    assert np.allclose(project(points, rotation, translation, 1100.0, centre), expected[:, 0], atol=1e-6)


def test_a_frontal_head_is_upright_and_not_mirrored() -> None:
    left_ear, crown, nose = np.array([[0.8, 0, 0], [0, 1, 0], [0, 0, 0.5]])
    points = np.stack([left_ear, crown, nose])
    image = project(points, np.eye(3), np.array([0, 0, -7.0]), 1100.0, 255.5)
    assert image[0, 0] > 255.5  # the subject's left is on the right of the picture
    assert image[1, 1] < 255.5  # up is a smaller row


def test_the_coarse_camera_stands_ten_units_away() -> None:
    translation = coarse_translation(np.array([0.0, 0.0, -10.0]))
    assert translation == pytest.approx([0, 0, 0])
    # Deep3DFaceRecon: z_camera = 10 - z, x = f X / Z + 112, with y up.
    point = np.array([[0.3, 0.4, 0.2]])
    expected = COARSE_FOCAL * point[0, :2] / (COARSE_DISTANCE - point[0, 2])
    found = project(point, np.eye(3), np.array([0.0, 0.0, -COARSE_DISTANCE]), COARSE_FOCAL, 0.0)[0]
    assert found == pytest.approx([expected[0], -expected[1]])
