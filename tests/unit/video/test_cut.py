"""A part of a video: the right frames, whenever the video itself begins."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from talkmill.video.cut import EmptyCutError, SmallRegionError, cut_video
from talkmill.video.decode import read_video

COUNT = 30


@pytest.fixture
def frames() -> list[np.ndarray]:
    """Grey levels that say which frame it is."""
    return [np.full((96, 128, 3), 20 + 7 * index, np.uint8) for index in range(COUNT)]


def levels(path: Path) -> list[int]:
    return [round((float(image.mean()) - 20) / 7) for image in read_video(path)]


def test_a_part_has_the_frames_of_its_time(
    make_video: Callable[..., Path], frames: list[np.ndarray], tmp_path: Path
) -> None:
    cut = cut_video(make_video("a.mp4", frames), tmp_path / "cut.mp4", 0.4, 0.8, (0, 0, 96, 96))
    assert (cut.frame_count, cut.width, cut.height, cut.has_sound) == (10, 96, 96, False)
    assert levels(tmp_path / "cut.mp4") == list(range(10, 20))


def test_time_counts_from_the_first_frame_of_a_video_that_begins_late(
    make_video: Callable[..., Path], frames: list[np.ndarray], tmp_path: Path
) -> None:
    source = make_video("late.mkv", frames, times=[5 + index for index in range(COUNT)])
    cut_video(source, tmp_path / "cut.mp4", 0.2, 0.6, None)
    assert levels(tmp_path / "cut.mp4") == list(range(5, 15))


def test_what_cannot_be_cut_says_why(make_video: Callable[..., Path], frames: list[np.ndarray], tmp_path: Path) -> None:
    source = make_video("a.mp4", frames)
    with pytest.raises(EmptyCutError, match="no frame from 9 s"):
        cut_video(source, tmp_path / "cut.mp4", 9.0, 10.0, None)
    with pytest.raises(SmallRegionError, match="40x40"):
        cut_video(source, tmp_path / "cut.mp4", 0.0, 1.0, (0, 0, 40, 40))
    assert not list(tmp_path.glob("*cut*"))
