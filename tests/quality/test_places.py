"""Places of the points on a head are found again on made-up clips of heads that have them elsewhere."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.place_figures import compare_places, write_places
from benchmarks.places import MeasuredClip, PlaceFinder, Places
from benchmarks.scenes.scene import RATE, make_scene
from talkmill.landmarks.points import INNER, MIRROR
from talkmill.models.repository import ModelRepository
from talkmill.morphable.landmark_points import landmark_points
from talkmill.morphable.model import MorphableModel

# Upper lids and the mouth's corners, the subject's right first, and where they are put wrong, in units of 10 cm.
WRONG = {37: (0.0, 0.02, 0.0), 38: (0.0, 0.02, 0.0), 48: (0.02, 0.0, 0.0), 60: (0.02, 0.0, 0.0)}


def put_wrong(model: MorphableModel) -> MorphableModel:
    """Move some points to the middle of other triangles, left and right alike."""
    middles = model.mean[model.triangles].mean(1)
    corners, shares = model.vertex_indices.copy(), model.barycentric.copy()
    rows = model.landmark_rows(model.mean)
    for point, offset in WRONG.items():
        for index, side in ((point, 1), (int(MIRROR[point]), -1)):
            wanted = rows[index] + np.array(offset) * [side, 1, 1]
            corners[index] = model.triangles[np.argmin(np.linalg.norm(middles - wanted, axis=1))]
            shares[index] = 1 / 3
    return Places(corners, shares.astype(np.float64)).put_into(model)


@pytest.fixture(scope="module")
def model(models: ModelRepository) -> MorphableModel:
    return MorphableModel.load(models.ensure("makehuman-head", "morphable").path)


@pytest.fixture(scope="module")
def clips(model: MorphableModel) -> dict[str, MeasuredClip]:
    clips = {}
    for seed in range(5):
        points = make_scene(model, 45, seed).landmarks(1.0, seed)
        clips[f"scene {seed}"] = MeasuredClip(points, np.ones(points.shape[:2]), RATE)
    return clips


@pytest.fixture(scope="module")
def found(model: MorphableModel, clips: dict[str, MeasuredClip]) -> Places:
    return PlaceFinder(put_wrong(model)).find(clips, lambda line: None)


def test_points_that_were_put_wrong_are_found_again(model: MorphableModel, found: Places) -> None:
    true = model.landmark_rows(model.mean)
    wrong = put_wrong(model)
    before = np.linalg.norm(wrong.landmark_rows(wrong.mean) - true, axis=1)
    after = np.linalg.norm(found.on(model.mean) - true, axis=1)
    moved = [*WRONG, *MIRROR[list(WRONG)]]
    assert before[moved].mean() > 0.01
    assert after[moved].mean() < 0.5 * before[moved].mean()
    # Five heads do not tell places better than this: a millimetre.
    assert after[INNER].mean() < 0.01


def test_left_and_right_are_alike_and_the_whole_stays(model: MorphableModel, found: Places) -> None:
    wrong = put_wrong(model)
    first, points = wrong.landmark_rows(wrong.mean)[INNER], found.on(model.mean)
    assert np.abs(points - points[MIRROR] * [-1, 1, 1])[INNER].max() < 0.005
    assert np.abs((points[INNER] - first).mean(0)).max() < 0.003


def test_heads_meet_their_clips_better_then(
    model: MorphableModel, clips: dict[str, MeasuredClip], found: Places
) -> None:
    one = {"scene 0": clips["scene 0"]}
    figures = {figure.what: figure.value for figure in compare_places(one, put_wrong(model), found, lambda line: None)}
    what = "inner RMS, pixels, median of 1 clips"
    assert figures[f"{what}, found"] < 0.95 * figures[f"{what}, now"]


def test_the_table_is_in_numbers_of_the_published_mesh(model: MorphableModel, tmp_path: Path) -> None:
    published = np.arange(len(model.mean), dtype=np.int32) + 7
    write_places(Places.of(model), "makehuman", published, tmp_path / "table.json")
    table, now = json.loads((tmp_path / "table.json").read_text()), landmark_points("makehuman")
    corners, shares = zip(*table["points"], strict=True)
    assert np.array_equal(corners[INNER], model.vertex_indices[INNER] + 7)
    # The table has four digits.
    assert np.allclose(shares, now.barycentric, atol=2e-4)
    assert table["landmarks"] == now.landmarks.tolist()
