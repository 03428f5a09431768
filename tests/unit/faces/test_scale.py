import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkmill.faces.crop_box import steady_boxes
from talkmill.faces.scale import split_by_union_ratio, union_ratio


def walk(count: int, step: float, side: float = 100) -> np.ndarray:
    left = 50 + step * np.arange(count)
    return np.stack([left, np.full(count, 40), left + side, np.full(count, 40 + side)], axis=1).astype(np.float32)


def zoom(count: int, factor: float) -> np.ndarray:
    half = 40 * factor ** (np.arange(count) / (count - 1))
    return np.stack([320 - half, 180 - half, 320 + half, 180 + half], axis=1).astype(np.float32)


def test_a_still_head_has_the_ratio_one_and_is_one_part() -> None:
    assert union_ratio(walk(50, 0)) == 1
    assert split_by_union_ratio(walk(50, 0), 1.6) == [(0, 50)]


def test_a_head_that_crosses_the_frame_ends_its_clip_where_it_has_moved_too_far() -> None:
    # 100 pixels wide at 2 pixels a frame: the union has 160 pixels after 30 steps.
    parts = split_by_union_ratio(walk(100, 2), 1.6)
    assert parts[0] == (0, 31)
    assert [end - first for first, end in parts] == [31, 31, 31, 7]


def test_a_zoom_is_cut_by_its_factor() -> None:
    parts = split_by_union_ratio(zoom(101, 4), 2.0)
    assert [first for first, _ in parts] == [0, 51]
    assert union_ratio(zoom(101, 4)) == pytest.approx(4, rel=0.1)


def test_one_wild_box_cuts_nothing() -> None:
    boxes = walk(60, 0)
    boxes[30] = [0, 0, 900, 900]
    boxes[45] = [90, 90, 95, 95]
    assert split_by_union_ratio(boxes, 1.6) == [(0, 60)]


@given(st.integers(0, 1000), st.integers(1, 120), st.floats(1.05, 3))
def test_parts_are_all_rows_and_each_is_within_the_bound(seed: int, count: int, bound: float) -> None:
    random = np.random.default_rng(seed)
    centre = 500 + np.cumsum(random.normal(0, 6, (count, 2)), 0)
    half = 50 * np.exp(np.cumsum(random.normal(0, 0.02, (count, 1)), 0)) * np.array([[0.75, 1]])
    boxes = np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)
    parts = split_by_union_ratio(boxes, bound)
    assert [first for first, _ in parts] == [0, *(end for _, end in parts[:-1])]
    assert parts[-1][1] == count
    steady = steady_boxes(boxes)
    for first, end in parts:
        part = steady[first:end]
        union = (part[:, 2:].max(0) - part[:, :2].min(0)).max()
        assert union <= bound * (part[:, 2:] - part[:, :2]).max(1).min() * 1.0001
