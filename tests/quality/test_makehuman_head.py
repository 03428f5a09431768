"""The head that is built from MakeHuman's data, checked against what a head is."""

from pathlib import Path

import numpy as np
import pytest

from talkmill.landmarks.points import MIRROR
from talkmill.models.repository import ModelRepository
from talkmill.morphable.model import MorphableModel


@pytest.fixture(scope="module")
def head(models: ModelRepository) -> MorphableModel:
    return MorphableModel.load(models.ensure("makehuman-head", "morphable").path)


def test_it_has_the_counts_that_are_documented(head: MorphableModel) -> None:
    assert head.mean.shape == (3260, 3)
    assert head.triangles.shape == (6388, 3)
    assert head.identity.shape == (3260, 3, 40)
    assert head.expression.shape == (3260, 3, 43)
    assert head.triangles.min() == 0 and head.triangles.max() == 3259


def test_left_and_right_landmarks_agree(head: MorphableModel) -> None:
    points = head.mean[head.landmarks]
    mirrored = points[MIRROR] * [-1, 1, 1]
    # 1 unit is 10 cm: half a millimetre.
    assert np.abs(points - mirrored).max() < 0.005


def test_it_has_the_size_and_frame_of_a_head(head: MorphableModel) -> None:
    points = head.mean[head.landmarks]
    # Outer eye corners of adults are about 85 to 95 mm apart (Farkas, Anthropometry of the head and face, 1994).
    assert 0.80 < np.linalg.norm(points[45] - points[36]) < 1.0
    assert points[45, 0] > 0 > points[36, 0]
    assert points[27, 1] > points[8, 1]
    assert points[30, 2] == points[:, 2].max()


def test_a_standard_deviation_is_millimetres(head: MorphableModel) -> None:
    spread = np.sqrt((head.identity[head.landmarks] ** 2).sum(1).mean(0)) * 100
    assert 0.5 < spread[0] < 5
    assert spread[-1] < spread[0]


def test_jaw_open_lowers_the_chin(head: MorphableModel) -> None:
    unit = head.expression[..., head.expression_names.index("jawOpen")]
    assert unit[head.landmarks[8], 1] < -0.1
    assert np.abs(unit[head.landmarks[27]]).max() < 0.01
    assert not [name for name in head.expression_names if name.startswith(("eyeLook", "tongue"))]


def test_it_survives_being_saved(head: MorphableModel, tmp_path: Path) -> None:
    head.save(tmp_path / "copy.npz")
    again = MorphableModel.load(tmp_path / "copy.npz")
    assert np.array_equal(again.mean, head.mean)
    assert again.expression_names == head.expression_names
    shape = again.shape(np.zeros(40), np.zeros(43))
    assert np.allclose(shape, head.mean)
