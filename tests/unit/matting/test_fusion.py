"""The default recipe on networks whose answers are known."""

from collections.abc import Mapping

import numpy as np
import pytest

from talkmill.arrays import Float32Array
from talkmill.geometry.boxes import mean_sides
from talkmill.geometry.pyramid import Pyramid
from talkmill.matting.fusion import FusionMatter, rescue_head
from talkmill.matting.grid import Grid
from talkmill.matting.selfie import SelfiePyramid, mean_map
from talkmill.region import Region
from tests.unit.matting.networks import SalientOf, SelfieOf

BOX = np.array([140, 60, 200, 130], np.float32)
CROP = Region(70, 20, 200, 180)


def scene(count: int, flag: bool = False) -> list[np.ndarray]:
    """A person in red, whom both networks see (channels 0 and 1); a flag beside the head, which only the selfie net half sees."""
    frame = np.full((220, 360, 3), (0, 0, 120), np.uint8)
    frame[40:220, 130:210] = (255, 255, 40)
    if flag:
        frame[100:220, 225:250] = (150, 0, 200)
    return [frame] * count


def alphas(matter: FusionMatter, frames: list[np.ndarray], region: Region = CROP) -> list[np.ndarray]:
    boxes = np.tile(BOX, (len(frames), 1))
    return [alpha for _, alpha in matter.mattes(frames, boxes, CROP, region)]


def test_the_pyramid_puts_its_squares_where_they_were_cut() -> None:
    rows, columns = np.mgrid[:220, :360]
    frame = np.dstack([columns * 255 // 359, rows * 255 // 219, rows]).astype(np.uint8)
    for channel, side in ((0, 359), (1, 219)):
        maps = SelfiePyramid(SelfieOf(channel)).maps(Pyramid(frame), BOX)
        grid = Grid.at_ratio(CROP, 0.7)
        found = mean_map(maps, grid)
        at = grid.frame_from_grid @ np.array([60.0, 80.0, 1.0])
        # 8-bit steps of the picture, and of the crops that are made of it.
        assert found[80, 60] == pytest.approx(at[channel] / side, abs=0.006)


def test_a_square_is_not_feathered_where_it_leaves_the_frame() -> None:
    frame = np.zeros((220, 360, 3), np.uint8)
    box = np.array([20, 60, 80, 130], np.float32)
    side = 2.4 * float(mean_sides(box))
    near = SelfiePyramid(SelfieOf(0)).maps(Pyramid(frame), box)[1]
    # It begins at 50 - side / 2 < 0, and ends inside the frame.
    assert 50 - side / 2 < 0
    middle = near.weights[128]
    assert middle[0] == pytest.approx(12, abs=0.01)
    assert middle[-1] < 0.5


@pytest.mark.parametrize("salient", [True, False])
def test_a_person_is_matted_at_the_size_of_the_frame(salient: bool) -> None:
    matter = FusionMatter(SelfieOf(0), SalientOf(1) if salient else None)
    found = alphas(matter, scene(6))
    assert len(found) == 6
    truth = (scene(1)[0][..., 0] > 0).astype(np.float32)[CROP.slices]
    for alpha in found:
        assert alpha.shape == truth.shape
        assert np.abs(alpha - truth).mean() < 0.005


def test_a_flag_that_one_network_is_half_sure_of_goes() -> None:
    flag = np.s_[110:160, 160:175]
    frames = scene(3, flag=True)
    assert alphas(FusionMatter(SelfieOf(0), None), frames)[2][flag].min() > 0.5
    assert alphas(FusionMatter(SelfieOf(0), SalientOf(1)), frames)[2][flag].max() < 0.05


def test_whole_frames_hold_the_refined_crop() -> None:
    frames = scene(5)
    matter = FusionMatter(SelfieOf(0), SalientOf(1))
    whole = alphas(matter, frames, Region(0, 0, 360, 220))
    for alpha, part in zip(whole, alphas(matter, frames), strict=True):
        assert alpha.shape == (220, 360)
        assert np.array_equal(alpha[CROP.slices], part)
        # Below the crop the person goes on, beside it there is nothing.
        assert alpha[205:, 140:200].min() > 0.95
        assert alpha[:, 300:].max() < 0.05


def test_black_bars_are_nobody() -> None:
    class Everything(SelfieOf):
        def run(self, inputs: Mapping[str, Float32Array]) -> list[Float32Array]:
            return [np.ones_like(inputs["image"][..., :1])]

    frame = scene(1)[0]
    frame[-30:] = 3
    alpha = alphas(FusionMatter(Everything(0), None), [frame])[0]
    # The crop ends 20 rows above the frame's end: 10 of its rows are of the bar.
    assert alpha[-10:].max() == 0
    assert alpha[:-10].min() == 1


def test_a_missing_half_of_a_head_is_rescued_and_a_haze_is_not() -> None:
    selfie = np.full((200, 200), 0.6, np.float32)
    selfie[50:, 40:160] = 1
    salient = np.zeros((200, 200), np.float32)
    salient[50:, 40:100] = 1
    raw = np.sqrt(salient * selfie)
    rescued = rescue_head(raw, selfie, np.array([70, 60, 130, 130], np.float32))
    assert rescued[60:160, 100:150].min() > 0.99
    assert rescued[:50].max() == 0
    # Beyond head and shoulders nothing is rescued.
    small = rescue_head(np.zeros_like(raw), np.ones_like(raw), np.array([90, 20, 110, 45], np.float32))
    assert small[120:].max() == 0
