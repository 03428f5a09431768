"""The matte's panels show what the set holds."""

import cv2
import numpy as np
import pytest

from talkmill.geometry.transforms import image_from_square
from talkmill.preview.canvas import MAGENTA
from talkmill.preview.matte import cover_in_crop, edge_panel, edge_window, matte_panel
from talkmill.region import Region


def disc(size: int, x: int, y: int, radius: int) -> np.ndarray:
    """A matte whose edge is soft."""
    cover = np.zeros((size, size), np.uint8)
    cv2.circle(cover, (x, y), radius, 255, -1, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(cover, (0, 0), 2))


@pytest.mark.parametrize("background", [(255, 255, 255), (0, 177, 64)])
def test_the_loud_colour_takes_the_place_of_the_background(background: tuple[int, int, int]) -> None:
    cover = disc(64, 32, 32, 20)
    skin, share = np.array([200.0, 150, 120]), cover[..., None] / 255
    crop = np.rint(skin * share + np.array(background) * (1 - share)).astype(np.uint8)
    panel = edge_panel(crop, cover, background, 64, 64)
    # Both were rounded once.
    assert panel == pytest.approx(skin * share + np.array(MAGENTA) * (1 - share), abs=1.01)


def test_the_window_lies_around_the_edge() -> None:
    cover = disc(256, 128, 128, 60)
    x, y = edge_window(cover, 40)
    middle = np.hypot(x + 20 - 128, y + 20 - 128)
    assert middle == pytest.approx(60, abs=8)


@pytest.mark.parametrize("level", [0, 255])
def test_a_matte_without_an_edge_has_a_window_too(level: int) -> None:
    assert edge_window(np.full((100, 100), level, np.uint8), 40) == (30, 30)


def test_the_window_stays_in_the_crop() -> None:
    cover = np.zeros((100, 100), np.uint8)
    cover[:3, :3] = 128
    assert edge_window(cover, 40) == (0, 0)


@pytest.mark.parametrize("side", [48, 64, 200])
def test_the_matte_of_the_crop_is_resized_as_the_crop(side: int) -> None:
    """A square in a region of the frame, shrunk or enlarged; its middle pixel is covered."""
    alpha = np.zeros((260, 300), np.uint8)
    region = Region(20, 10, 250, 240)
    x0, y0 = 40, 30
    alpha[y0 + side // 4 : y0 + side // 2, x0 : x0 + side // 2] = 255
    cover = cover_in_crop(alpha[region.slices], region, image_from_square(x0, y0, side, 64), 64)
    truth = np.zeros((64, 64), np.uint8)
    truth[16:32, :32] = 255
    inner = np.ones((64, 64), bool)
    # Enlarging blurs the edge and overshoots beside it.
    inner[12:36] = inner[:, 28:36] = False
    inner[20:28, :28] = True
    assert (cover[inner] == truth[inner]).all()


def test_outside_the_frame_there_is_background() -> None:
    alpha = np.full((100, 80), 255, np.uint8)
    cover = cover_in_crop(alpha, Region(0, 0, 80, 100), image_from_square(-10, 0, 100, 50), 50)
    assert (cover[:, 5:45] == 255).all()
    assert (cover[:, :5] == 0).all() and (cover[:, 45:] == 0).all()


@pytest.mark.parametrize(("height", "width", "shown"), [(90, 160, 108), (120, 120, 192), (320, 180, 192)])
def test_the_source_fills_its_row_without_bars(height: int, width: int, shown: int) -> None:
    frame = np.full((height, width, 3), 90, np.uint8)
    alpha = np.full((40, 40), 255, np.uint8)
    panel = matte_panel(frame, alpha, Region(20, 20, 40, 40), image_from_square(24, 24, 32, 64), 64, 192)
    assert panel.shape == (shown, 192, 3)
    # The square's line alone is not the frame.
    assert (panel == 90).all(-1).mean() > 0.9


def test_what_the_matte_takes_out_is_loud_and_still_seen() -> None:
    frame = np.full((100, 100, 3), 90, np.uint8)
    frame[:, 50:] = 200
    panel = matte_panel(
        frame, np.zeros((100, 100), np.uint8), Region(0, 0, 100, 100), image_from_square(0, 0, 100, 64), 64, 100
    )
    left, right = panel[50, 25].astype(int), panel[50, 75].astype(int)
    for colour in (left, right):
        assert colour[0] > colour[1] + 100 and colour[2] > colour[1] + 100
    assert right[1] > left[1] + 30


@pytest.mark.parametrize("shape", [(100, 900), (900, 100)])
def test_the_crop_of_a_long_frame_is_seen(shape: tuple[int, int]) -> None:
    """A square of 50 pixels near the far end of a frame."""
    height, wide = shape
    x0, y0 = wide - 75, height - 75
    frame = np.full((height, wide, 3), 128, np.uint8)
    frame[y0 : y0 + 50, x0 : x0 + 50] = (10, 200, 90)
    alpha = np.full((height, wide), 255, np.uint8)
    panel = matte_panel(frame, alpha, Region(0, 0, wide, height), image_from_square(x0, y0, 50, 64), 64, 384)
    assert panel.shape[0] >= 384 // 2
    inside = np.abs(panel.astype(int) - (10, 200, 90)).max(-1) < 8
    # A quarter of the panel's height or width, less the line around it.
    assert inside.sum() > 80**2
