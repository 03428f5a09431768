"""The alignment of LatentSync, by formulas that are not ours."""

import cv2
import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes

from talkmill.geometry.transforms import apply
from talkmill.layouts.latentsync import aligned, aligned_from_frame

# AlignRestore at 256: template times 2.8, a canvas of 210 x 280 that is stretched to the square.
TEMPLATE = 2.8 * np.array([[17, 20], [58, 20], [37.5, 40]])


def squared(points: np.ndarray, size: int) -> np.ndarray:
    """Points of the canvas at `size`, as cv2.resize moves them."""
    canvas = np.array([int(75 * 2.8 * size / 256), int(100 * 2.8 * size / 256)])
    return np.asarray((points + 0.5) * size / canvas - 0.5)


@pytest.mark.parametrize("size", [256, 512])
def test_a_face_of_the_templates_shape_lands_on_the_template(size: int) -> None:
    angle, scale = 0.3, 1.7
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = TEMPLATE @ turn.T * scale + [400, 250]
    found = apply(aligned_from_frame(points, size), points)
    assert np.abs(found - squared(TEMPLATE * size / 256, size)).max() < 1e-6


def test_another_face_lands_where_procrustes_puts_it() -> None:
    points = np.array([[300.0, 200.0], [390.0, 190.0], [352.0, 262.0]])
    centred, wanted = points - points.mean(0), TEMPLATE - TEMPLATE.mean(0)
    # SciPy's answer, and the ratio of torch.std over all coordinates.
    turn, _ = orthogonal_procrustes(centred, wanted)
    expected = centred @ turn * (wanted.std(ddof=1) / centred.std(ddof=1)) + TEMPLATE.mean(0)
    found = apply(aligned_from_frame(points, 256), points)
    assert np.abs(found - squared(expected, 256)).max() < 1e-6


@pytest.mark.parametrize("scale", [0.7, 6.0])
def test_a_picture_is_sampled_where_its_points_go(scale: float) -> None:
    points = (TEMPLATE - TEMPLATE.mean(0)) * scale + [700, 500]
    frame = np.zeros((1000, 1400, 3), np.uint8)
    for x, y in points:
        cv2.circle(frame, (round(x * 16), round(y * 16)), round(4 * scale * 16), (255, 255, 255), -1, cv2.LINE_AA, 4)
    face = aligned(frame, aligned_from_frame(points, 256), 256)[..., 0].astype(float)
    for x, y in squared(TEMPLATE, 256):
        rows, columns = np.mgrid[int(y) - 12 : int(y) + 13, int(x) - 12 : int(x) + 13]
        part = face[rows, columns]
        assert abs((part * columns).sum() / part.sum() - x) < 0.3
        assert abs((part * rows).sum() / part.sum() - y) < 0.3


def test_outside_the_frame_is_grey() -> None:
    points = (TEMPLATE - TEMPLATE.mean(0)) + [5, 5]
    face = aligned(np.full((300, 300, 3), 255, np.uint8), aligned_from_frame(points, 256), 256)
    assert (face[0, 0] == 127).all()
