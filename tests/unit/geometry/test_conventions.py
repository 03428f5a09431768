"""Golden values come from OpenCV, from the reference's own functions and from its matrices written out."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkmill.geometry.conventions import (
    COARSE_CENTRE,
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
    """AD-NeRF's euler2rot: it puts columns side by side, so each inner list is a column."""
    c, s = np.cos(theta), np.sin(theta)
    rx = np.column_stack([[1, 0, 0], [0, c, s], [0, -s, c]])
    c, s = np.cos(phi), np.sin(phi)
    ry = np.column_stack([[c, 0, -s], [0, 1, 0], [s, 0, c]])
    c, s = np.cos(psi), np.sin(psi)
    rz = np.column_stack([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    return rx @ ry @ rz


# What AD-NeRF 9fdcd7e's own euler2rot returned, run unmodified in double precision.
EULER2ROT = [
    ([0.3, 0, 0], [[1, 0, 0], [0, 0.9553365, -0.2955202], [0, 0.2955202, 0.9553365]]),
    ([0, 0.3, 0], [[0.9553365, 0, 0.2955202], [0, 1, 0], [-0.2955202, 0, 0.9553365]]),
    ([0, 0, 0.3], [[0.9553365, 0.2955202, 0], [-0.2955202, 0.9553365, 0], [0, 0, 1]]),
    (
        [0.25, -0.4, 0.15],
        [
            [0.9107185, 0.1376416, -0.3894183],
            [-0.2400543, 0.9436352, -0.2278741],
            [0.3361039, 0.3010107, 0.8924274],
        ],
    ),
    (
        [-0.6, 0.8, -0.35],
        [
            [0.6544673, -0.2388992, 0.7173561],
            [-0.0974869, 0.9141884, 0.3933902],
            [-0.7497792, -0.3273938, 0.5750169],
        ],
    ),
]


@pytest.mark.parametrize(("euler", "expected"), EULER2ROT)
def test_rotations_are_those_that_the_reference_computed(euler: list[float], expected: list[list[float]]) -> None:
    assert rotation_from_euler(np.array(euler)) == pytest.approx(np.array(expected), abs=1e-7)
    assert euler_from_rotation(np.array(expected)) == pytest.approx(np.array(euler), abs=1e-6)


def test_positive_theta_lowers_the_face() -> None:
    """The nose, in front of the origin, moves by -sin(0.3) along y: R[1, 2] = -0.2955."""
    assert rotation_from_euler(np.array([0.3, 0.0, 0.0]))[1, 2] == pytest.approx(-0.2955, abs=5e-5)


def test_points_land_where_the_reference_s_projection_puts_them() -> None:
    """What AD-NeRF 9fdcd7e's own forward_transform returned, with its principal point at half of 512."""
    points = np.array([[0.8, 0.1, -0.2], [-0.5, 0.9, 0.3], [0.05, -0.3, 0.6]])
    rotation = rotation_from_euler(np.array([0.25, -0.4, 0.15]))
    expected = [[403.13928, 296.310418], [198.206356, 139.695574], [234.227681, 362.300872]]
    found = project(points, rotation, np.array([0.1, -0.2, -7.0]), 1100.0, 256.0)
    assert found == pytest.approx(np.array(expected), abs=1e-5)
    # Its pixels begin at the corner of the picture, ours at the centre of the first pixel.
    ours = project(points, rotation, np.array([0.1, -0.2, -7.0]), 1100.0, principal_point(512))
    assert ours == pytest.approx(np.array(expected) - 0.5, abs=1e-5)


@given(angles)
def test_euler_angles_are_those_of_the_reference(euler: np.ndarray) -> None:
    rotation = adnerf_rotation(*euler)
    assert np.abs(rotation_from_euler(euler) - rotation).max() < 1e-6
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
    # Deep3DFaceRecon: z_camera = 10 - z, x = f X / Z + 112, with y up from the lower edge of the 224 crop.
    point = np.array([[0.3, 0.4, 0.2]])
    expected = COARSE_FOCAL * point[0, :2] / (COARSE_DISTANCE - point[0, 2]) + 112
    found = project(point, np.eye(3), np.array([0.0, 0.0, -COARSE_DISTANCE]), COARSE_FOCAL, COARSE_CENTRE)[0]
    assert found == pytest.approx([expected[0], 224 - expected[1]])
