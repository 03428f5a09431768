"""The truth itself: the made-up clips, checked with OpenCV."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from benchmarks.scenes.measure import kept_amplitude
from benchmarks.scenes.render import HAND, Look, _Painter, irradiance, render
from benchmarks.scenes.scene import Scene, make_scene
from talkmill.models.repository import ModelRepository
from talkmill.morphable.model import MorphableModel


@pytest.fixture(scope="module")
def scene(models: ModelRepository) -> Scene:
    return make_scene(MorphableModel.load(models.ensure("makehuman-head", "morphable").path), 3, 7)


def by_opencv(scene: Scene, index: int, points: np.ndarray) -> np.ndarray:
    flip = np.diag([1.0, -1.0, -1.0])
    matrix = np.array([[scene.focal, 0, scene.centre[0]], [0, scene.focal, scene.centre[1]], [0, 0, 1]])
    turn, _ = cv2.Rodrigues(flip @ scene.rotation[index])
    pixels, _ = cv2.projectPoints(points, turn, flip @ scene.translation[index], matrix, None)
    return pixels[:, 0]


def test_the_projection_is_opencv_s(scene: Scene) -> None:
    vertices = scene.vertices(1)
    assert np.allclose(scene.project(1, vertices), by_opencv(scene, 1, vertices), atol=1e-6)


def test_landmarks_lie_on_the_head_and_the_contour_on_its_edge(scene: Scene) -> None:
    seen = scene.landmarks(0.0, 0)
    points = scene.model.landmark_rows(scene.vertices(0).astype(np.float32)).astype(np.float64)
    assert np.allclose(seen[0, 17:], by_opencv(scene, 0, points[17:]), atol=1e-4)
    middle = seen[0].mean(0)
    reach = np.linalg.norm(seen[0, :17] - middle, axis=1)
    fixed = np.linalg.norm(by_opencv(scene, 0, points[:17]) - middle, axis=1)
    assert (reach > fixed - 1.0).all()


def test_noise_has_its_size_and_seeds_repeat(scene: Scene) -> None:
    noise = scene.landmarks(1.0, 3) - scene.landmarks(0.0, 3)
    assert noise.std() == pytest.approx(1.0, rel=0.1)
    assert np.array_equal(scene.landmarks(1.0, 3), scene.landmarks(1.0, 3))


def test_the_picture_shows_skin_where_opencv_says(scene: Scene) -> None:
    """Cheek and forehead: the painted colour is albedo times light at OpenCV's pixel, half a pixel being too far off."""
    look = Look(seed=4)
    picture = next(iter(render(scene, look))).astype(np.float64) / 255
    painter = _Painter(scene, look)
    vertices = scene.vertices(0)
    triangles = scene.model.triangles
    corners = vertices[triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    nose = vertices[scene.model.landmarks[30]]
    bridge = vertices[scene.model.landmarks[27]]
    cheek = np.flatnonzero(
        (normals[:, 2] > 0.85) & (np.linalg.norm(corners.mean(1) - (nose + bridge) / 2 - [0.3, 0, 0], axis=1) < 0.3)
    )
    assert len(cheek) > 10
    pixels = np.rint(by_opencv(scene, 0, corners[cheek].mean(1))).astype(int)
    found = picture[pixels[:, 1], pixels[:, 0]]
    albedo = painter._albedo(scene.model.mean[triangles[cheek]].mean(1).astype(np.float64))
    expected = albedo * irradiance(painter._light, normals[cheek] @ scene.rotation[0].T)
    assert np.median(np.abs(found - expected)) < 0.03


def test_a_hand_hides_what_is_behind_it_and_nothing_else(scene: Scene) -> None:
    plain, hidden = (next(iter(render(scene, Look(size=128, occluded=hand)))).astype(int) for hand in (False, True))
    assert plain.shape == (128, 128, 3)
    changed = (plain != hidden).any(-1)
    # An ellipse of semi-axes 128 / 16 and 128 / 9, part of it outside the picture at first.
    assert 0.4 < changed.sum() / (np.pi * 128 / 16 * 128 / 9) < 1.1
    assert np.allclose(np.median(hidden[changed], axis=0), HAND * 255, atol=3)


def test_motion_blurs_along_itself(scene: Scene) -> None:
    sideways = replace(scene, translation=scene.translation + np.outer(np.arange(3) - 1, [0.3, 0, 0]))
    sharp, blurred = (list(render(sideways, Look(size=128, blurred=blur)))[1].astype(int) for blur in (False, True))
    face = np.s_[20:100, 40:90]

    def kept(axis: int) -> float:
        return float(np.abs(np.diff(blurred[face], axis=axis)).mean() / np.abs(np.diff(sharp[face], axis=axis)).mean())

    assert kept(1) < 0.75
    assert kept(1) < kept(0) - 0.1


def test_an_amplitude_is_measured() -> None:
    time = np.arange(252) / 25
    signal = 0.1 * np.sin(2 * np.pi * 3 * time) + 0.3 * time
    assert kept_amplitude(signal, 0.5 * signal, 3.0) == pytest.approx(0.5)
