"""A preview: its layout, what it says, and that points that were not measured look otherwise."""

from dataclasses import replace

import numpy as np
import pytest

from talkmill.geometry.transforms import image_from_square
from talkmill.preview.canvas import BLUE, INK, MAGENTA, ORANGE, Canvas
from talkmill.preview.chart import opening_chart
from talkmill.preview.clip import PreviewedClip, moments
from talkmill.preview.closeups import OUTER_LIPS, closeups_panel
from talkmill.preview.sheet import GAP, MARGIN, TILE, Column, CropPlace, Verdict, preview_sheet
from talkmill.region import Region
from tests.unit.preview.clips import FRAMES, SIZE, clip

GOOD = Verdict("good", ("40 frames, 1.6 s", "100.0% valid"))


def near(image: np.ndarray, colour: tuple[int, int, int]) -> int:
    """Number of pixels of a colour."""
    return int((np.abs(image.astype(int) - colour).max(-1) < 8).sum())


def sheet(made: PreviewedClip, verdict: Verdict = GOOD, source: tuple[int, int] = (90, 160)) -> np.ndarray:
    grey = np.full((*source, 3), 128, np.uint8)
    crop = np.full((SIZE, SIZE, 3), 255, np.uint8)
    alpha = np.zeros((60, 60), np.uint8)
    alpha[:, 30:] = 255
    place = CropPlace(Region(10, 10, 60, 60), image_from_square(14, 14, 50, SIZE), SIZE, (255, 255, 255))
    head = np.full((TILE, TILE, 3), (10, 200, 90), np.uint8)
    return preview_sheet(made, verdict, place, [Column(moment, grey, alpha, crop, head) for moment in moments(made)])


def test_columns_fill_the_width_and_heads_are_shown_as_they_are() -> None:
    found = sheet(clip())
    assert found.shape[1] == MARGIN + 6 * (TILE + GAP)
    assert near(found, (10, 200, 90)) == 6 * TILE * TILE
    assert near(found, MAGENTA) > 6 * TILE * TILE / 8


def test_a_shorter_clip_has_a_narrower_preview() -> None:
    assert sheet(clip(count=2)).shape[1] == MARGIN + 2 * (TILE + GAP)


def test_a_wide_source_takes_no_more_room_than_it_needs() -> None:
    square, wide = (sheet(clip(), source=size).shape[0] for size in ((160, 160), (80, 160)))
    assert square - wide == TILE // 2


def test_a_doubtful_clip_says_why_in_another_colour() -> None:
    doubtful = Verdict("doubtful", GOOD.facts, ("the head misses the inner landmarks by 4.0 pixels at 512 (RMS)",))
    good, found = sheet(clip()), sheet(clip(), doubtful)
    assert good[2, 2].tolist() == list(BLUE)
    assert found[2, 2].tolist() == list(ORANGE)
    assert len(found) > len(good)


def test_points_that_were_not_measured_have_another_colour_and_another_form() -> None:
    crop, made = np.full((SIZE, SIZE, 3), 200, np.uint8), clip()
    seen = closeups_panel(crop, made, 20, 384)
    measured = np.ones(FRAMES, bool)
    measured[20] = False
    unseen = closeups_panel(crop, replace(made, measured=measured), 20, 384)
    assert near(seen, BLUE) > 50 and near(seen, ORANGE) == 0
    assert near(unseen, ORANGE) > 50 and near(unseen, BLUE) == 0


def test_an_eye_or_a_mouth_that_may_be_hidden_has_crosses() -> None:
    crop, made = np.full((SIZE, SIZE, 3), 200, np.uint8), clip()
    assert made.eyes is not None
    made.eyes.mesh[20, list(OUTER_LIPS)] = made.points[20, 48:]
    made.confidence[20, 48:] = 0.3
    mouth_unsure = closeups_panel(crop, made, 20, 384)
    assert near(mouth_unsure[:100], BLUE) > 50 and near(mouth_unsure[:100], ORANGE) == 0
    assert near(mouth_unsure[150:], ORANGE) > 50 and near(mouth_unsure[150:], BLUE) == 0
    made.confidence[20] = 1
    made.confidence[20, 42:48] = 0.3
    eye_unsure = closeups_panel(crop, made, 20, 384)
    assert near(eye_unsure[:100, :190], BLUE) > 25 and near(eye_unsure[:100, :190], ORANGE) == 0
    assert near(eye_unsure[:100, 194:], ORANGE) > 25 and near(eye_unsure[:100, 194:], BLUE) == 0


@pytest.mark.parametrize(
    "words", ["frame 3, 0.12 s", "frame 1119, 44.76 s: worst fit, mouth least sure, an eye least sure: not valid"]
)
def test_a_line_of_words_ends_inside_its_column(words: str) -> None:
    height = Canvas.fitting(words, 16, TILE - 4)
    assert Canvas.blank(TILE, 34).write(words, 2, 25, height) <= TILE - 2
    assert height == 16 or len(words) > 40


def test_dots_and_crosses_differ_in_print_without_colour() -> None:
    """A dot is dark in its middle and bright around, a cross is dark around its arms and open between them."""
    point = np.array([[20.0, 20.0]])
    dot, cross = Canvas.blank(41, 41, (150, 150, 150)), Canvas.blank(41, 41, (150, 150, 150))
    dot.dots(point, 6)
    cross.crosses(point, 6)
    assert dot.image[20, 25].mean() < 130 and cross.image[20, 27].mean() == 150
    assert dot.image.mean(-1).min() > 80 and cross.image.mean(-1).min() < 80


def test_a_shut_eye_is_marked_and_has_no_iris() -> None:
    crop, made = np.full((SIZE, SIZE, 3), 200, np.uint8), clip()
    assert made.eyes is not None
    opened, shut = (closeups_panel(crop, made, frame, 384) for frame in (20, 10))
    assert near(shut, INK) > 384 * 20
    assert near(opened, INK) < 384 * 10
    # The made-up lids are one point, outside the eyes' pictures: what is drawn there is the iris.
    assert near(opened[:100], BLUE) > 50
    assert near(shut[:100], BLUE) == 0


def test_without_a_face_mesh_the_68_points_are_drawn() -> None:
    crop = np.full((SIZE, SIZE, 3), 200, np.uint8)
    found = closeups_panel(crop, clip(eyes=False), 10, 384)
    assert found.shape == closeups_panel(crop, clip(), 10, 384).shape
    assert near(found[:100], BLUE) > 50
    assert sheet(clip(eyes=False)).shape == sheet(clip()).shape


def test_the_chart_dips_where_eyes_shut_and_is_grey_where_nothing_was_measured() -> None:
    made, width, height = clip(), 400, 130
    chart = opening_chart(made, [], width, height)
    step = width // FRAMES

    def rows(frame: int) -> np.ndarray:
        column = chart[30:, frame * step + step // 2]
        return np.flatnonzero(np.abs(column.astype(int) - BLUE).max(-1) < 60)

    assert rows(10).max() > rows(25).max() + 20
    measured = np.ones(FRAMES, bool)
    measured[30:] = False
    grey = opening_chart(replace(made, measured=measured), [], width, height)
    assert grey[100, 35 * step].tolist() != chart[100, 35 * step].tolist()


@pytest.mark.parametrize("far", [1e9, -1e9])
def test_points_that_went_astray_are_drawn_outside(far: float) -> None:
    made = clip()
    points = made.points.copy()
    points[:, :17] = far
    assert sheet(replace(made, points=points)).shape == sheet(made).shape
