"""The head of clay: where it covers, that it is smooth, and that it is neutral."""

import numpy as np
import pytest

from talkmill.fitting.overlay import draw_mesh
from talkmill.morphable.model import MorphableModel, at_vertices

SIDE, FOCAL, AWAY = 200, 400.0, np.array([0.0, 0.0, -8.0])


def ball(bumps: float = 0.0) -> MorphableModel:
    """A ball of radius 1, its vertices pushed in and out by chance."""
    rows, columns = 24, 48
    tilt, turn = np.meshgrid(np.linspace(0, np.pi, rows), np.arange(columns) * 2 * np.pi / columns, indexing="ij")
    vertices = np.stack([np.sin(tilt) * np.sin(turn), np.cos(tilt), np.sin(tilt) * np.cos(turn)], axis=-1)
    vertices = vertices.reshape(-1, 3) * (1 + bumps * np.random.default_rng(0).normal(size=(rows * columns, 1)))
    corner = np.arange((rows - 1) * columns)
    beside = corner - corner % columns + (corner + 1) % columns
    below, across = corner + columns, beside + columns
    triangles = np.concatenate([np.stack([corner, below, across], 1), np.stack([corner, across, beside], 1)])
    landmarks = np.arange(68, dtype=np.int32)
    nothing = np.zeros((len(vertices), 3, 0), np.float32)
    return MorphableModel(
        "ball", vertices.astype(np.float32), nothing, nothing, (), triangles.astype(np.int32), landmarks,
        *at_vertices(landmarks),
    )  # fmt: skip


def drawn(model: MorphableModel, ground: int = 128) -> np.ndarray:
    frame = np.full((SIDE, SIDE, 3), ground, np.uint8)
    return draw_mesh(frame, model, model.mean.astype(np.float64), np.eye(3), AWAY, FOCAL, (SIDE - 1) / 2)


def test_it_covers_the_head_and_nothing_else() -> None:
    changed = (drawn(ball(), 0) > 0).any(-1)
    across = np.flatnonzero(changed[SIDE // 2])
    # A ball of radius 1 at 8 looks as large as a disc of 1 / sqrt(63); triangles seen edge-on are left out.
    assert len(across) / 2 == pytest.approx(FOCAL / 63**0.5, abs=3)
    assert across.mean() == pytest.approx((SIDE - 1) / 2, abs=1)


def test_it_is_grey_and_the_frame_shows_through() -> None:
    dark, bright = drawn(ball(), 0)[100, 100].astype(int), drawn(ball(), 255)[100, 100].astype(int)
    assert np.ptp(dark) < 6
    assert 50 < (bright - dark).mean() < 130


def test_the_light_comes_from_the_upper_left() -> None:
    image = drawn(ball()).astype(int)
    assert image[75, 75].mean() > image[125, 125].mean() + 20


def test_creases_of_one_triangle_are_not_seen() -> None:
    """Bumps of 2 % turn the triangles by ten degrees and more; the light of neighbours stays alike."""
    middle = np.s_[70:130, 70:130]
    smooth, bumpy = (drawn(model).astype(float).mean(-1)[middle] for model in (ball(), ball(0.02)))
    corners = ball(0.02).mean[ball().triangles]
    faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    faces /= np.maximum(np.linalg.norm(faces, axis=1, keepdims=True), 1e-9)
    turned = np.degrees(
        np.arccos(np.clip((faces * corners.mean(1)).sum(1) / np.linalg.norm(corners.mean(1), axis=1), -1, 1))
    )
    assert np.median(turned) > 5
    assert np.abs(bumpy - smooth).mean() < 4


def test_an_outline_is_seen_where_clay_and_ground_are_equally_bright() -> None:
    image = drawn(ball(), 200).astype(int)
    blue = image[..., 2] - image[..., 0] > 60
    assert np.hypot(*(np.argwhere(blue) - (SIDE - 1) / 2).T) == pytest.approx(FOCAL / 63**0.5, abs=4)
    assert blue.sum() > 2 * FOCAL / 63**0.5
