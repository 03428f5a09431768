import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkmill.faces.crop_box import CropBox, head_region, square_around, square_in_frame

SIDES = st.integers(64, 2000)


@given(st.integers(0, 100), st.integers(5, 60))
def test_the_square_holds_every_face(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    corner = np.cumsum(random.normal(0, 3, (count, 2)), 0) + 200
    boxes = np.concatenate([corner, corner + [80, 110]], axis=1).astype(np.float32)
    crop = square_around(head_region(boxes, 0.2))
    middle = slice(2, -2)
    assert (boxes[middle, 0] >= crop.x0 - 8).all() and (boxes[middle, 2] <= crop.x0 + crop.side + 8).all()
    assert (boxes[middle, 1] >= crop.y0 - 8).all() and (boxes[middle, 3] <= crop.y0 + crop.side + 8).all()


def test_one_wild_box_does_not_widen_the_region() -> None:
    boxes = np.tile(np.array([100, 100, 180, 200], np.float32), (50, 1))
    calm = head_region(boxes, 0.2)
    boxes[20] = [0, 0, 900, 900]
    assert np.array_equal(head_region(boxes, 0.2), calm)


def test_the_margin_is_a_share_of_the_union() -> None:
    boxes = np.tile(np.array([100, 100, 180, 200], np.float32), (50, 1))
    boxes[25:] += [20, 0, 20, 0]
    assert head_region(boxes, 0.25).tolist() == [75, 75, 225, 225]
    assert square_around(head_region(boxes, 0.25)) == CropBox(75, 75, 150)


def test_padding_is_the_share_outside_the_frame() -> None:
    crop = CropBox(-50, 0, 100)
    assert crop.padded_fraction(1000, 1000) == 0.5


def region(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    return np.array([x0, y0, x1, y1], np.float64)


@pytest.mark.parametrize(
    ("head", "frame", "box"),
    [
        # Inside the frame nothing changes.
        (region(300, 100, 500, 400), (1000, 500), CropBox(250, 100, 300)),
        # A head at the lower border: the square moves up, no bar lies across the shoulders.
        (region(300, 250, 500, 550), (1000, 500), CropBox(250, 200, 300)),
        (region(-20, 100, 180, 400), (1000, 500), CropBox(0, 100, 300)),
        # A close-up: the square takes the frame's height.
        (region(300, -40, 600, 440), (1000, 400), CropBox(250, 0, 400)),
        # A head that is wider than the frame is high keeps its margin; the padding is above and below.
        (region(100, 50, 700, 350), (1000, 400), CropBox(100, -100, 600)),
        # The head fills the frame and more.
        (region(-100, -100, 700, 500), (600, 400), CropBox(0, -100, 600)),
    ],
)
def test_a_square_stays_in_the_frame_as_far_as_the_head_allows(
    head: np.ndarray, frame: tuple[int, int], box: CropBox
) -> None:
    assert square_in_frame(head, *frame) == box


@given(
    st.tuples(st.integers(-400, 2000), st.integers(-400, 2000), st.integers(20, 1500), st.integers(20, 1500)),
    SIDES,
    SIDES,
)
def test_a_square_in_the_frame_loses_nothing_of_the_head_and_pads_no_more(
    head: tuple[int, int, int, int], width: int, height: int
) -> None:
    x, y, columns, rows = head
    wanted = region(x, y, x + columns, y + rows)
    box, free = square_in_frame(wanted, width, height), square_around(wanted)
    visible = np.concatenate([np.clip(wanted[:2], 0, [width, height]), np.clip(wanted[2:], 0, [width, height])])
    if (visible[2:] > visible[:2]).all():
        assert (visible[:2] >= [box.x0 - 0.5, box.y0 - 0.5]).all()
        assert (visible[2:] <= np.array([box.x0, box.y0]) + box.side + 0.5).all()
    assert box.side <= free.side
    assert box.padded_fraction(width, height) <= free.padded_fraction(width, height) + 1e-9
    if free.padded_fraction(width, height) == 0:
        assert box == free
        assert box.distance(free) == 0


def test_distance_is_between_centres() -> None:
    assert CropBox(0, 0, 100).distance(CropBox(10, 10, 80)) == 0
    assert CropBox(0, 0, 100).distance(CropBox(30, 40, 100)) == 50
