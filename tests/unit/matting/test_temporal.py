"""What smoothing over time steadies, and what it leaves alone."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from talkmill.arrays import Float32Array
from talkmill.matting.temporal import LOOK_AHEAD, NEIGHBOUR_WEIGHT, Matte, smoothed_over_time

SHAPE = (40, 40)
STILL = np.full((*SHAPE, 3), 0.5, np.float32)


def smoothed(alphas: list[Float32Array], pictures: list[Float32Array]) -> list[Float32Array]:
    mattes = [Matte(index, *pair) for index, pair in enumerate(zip(alphas, pictures, strict=True))]
    found = list(smoothed_over_time(mattes))
    assert [one.held for one in found] == [one.held for one in mattes]
    assert all(one.picture is other.picture for one, other in zip(found, mattes, strict=True))
    return [one.alpha for one in found]


def changes(alphas: list[Float32Array]) -> float:
    return float(np.mean([np.abs(after - before).mean() for before, after in itertools.pairwise(alphas)]))


def test_flicker_on_a_still_picture_is_taken_out() -> None:
    random = np.random.default_rng(0)
    raw = [np.clip(0.5 + 0.2 * random.standard_normal(SHAPE), 0, 1).astype(np.float32) for _ in range(60)]
    assert changes(smoothed(raw, [STILL] * 60)) < 0.1 * changes(raw)


def test_it_is_the_mean_of_both_sides_by_nearness_in_time() -> None:
    count, at = 40, 20
    raw = [np.full(SHAPE, float(index == at), np.float32) for index in range(count)]
    found = smoothed(raw, [STILL] * count)
    for index in range(count):
        weights = NEIGHBOUR_WEIGHT ** np.abs(np.arange(count) - index, dtype=np.float64)
        weights[index + LOOK_AHEAD + 1 :] = 0
        assert found[index] == pytest.approx(weights[at] / weights.sum(), abs=1e-6)


def test_an_edge_that_moves_in_one_channel_leaves_nothing_behind_and_is_not_foreseen() -> None:
    alphas, pictures, edges = [], [], [5 + 3 * step for step in range(12)]
    for edge in edges:
        picture = np.full((40, 60, 3), 0.4, np.float32)
        picture[:, :edge, 2] = 0.8
        pictures.append(picture)
        alphas.append((picture[..., 2] > 0.6).astype(np.float32))
    for found, alpha, edge in zip(smoothed(alphas, pictures), alphas, edges, strict=True):
        assert np.abs(found - alpha)[:, edge - 3 : edge + 3].max() < 1e-6


def test_what_moved_once_is_smoothed_on_each_side_of_that_moment() -> None:
    raw = [np.full(SHAPE, value, np.float32) for value in [0.0] * 20 + [1.0] * 20]
    found = smoothed(raw, [STILL] * 20 + [STILL + np.float32(0.2)] * 20)
    assert all(np.abs(one - other).max() < 1e-6 for one, other in zip(found, raw, strict=True))


def test_few_mattes_are_held_back() -> None:
    taken = 0

    def source() -> Iterator[Matte[int]]:
        nonlocal taken
        for index in range(60):
            taken += 1
            yield Matte(index, np.zeros(SHAPE, np.float32), STILL)

    for given, _ in enumerate(smoothed_over_time(source())):
        assert taken <= given + LOOK_AHEAD + 1
    assert taken == 60


def test_a_clip_without_frames_has_no_mattes() -> None:
    assert smoothed([], []) == []
