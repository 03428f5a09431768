"""A part of a video: the right frames, whenever the video itself begins."""

from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from talkmill.hdtf.faces import FaceSampler
from talkmill.video.cut import EmptyCutError, SmallRegionError, cut_part, find_part
from talkmill.video.decode import DecodedPicture, _Decoder, read_video
from tests.media import RATE, numbers_of, record

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
    cut = cut_part(find_part(make_video("a.mp4", frames), 0.4, 0.8), tmp_path / "cut.mp4", (0, 0, 96, 96))
    assert (cut.frame_count, cut.width, cut.height, cut.has_sound) == (10, 96, 96, False)
    assert levels(tmp_path / "cut.mp4") == list(range(10, 20))


def test_time_counts_from_the_first_frame_of_a_video_that_begins_late(
    make_video: Callable[..., Path], frames: list[np.ndarray], tmp_path: Path
) -> None:
    source = make_video("late.mkv", frames, times=[5 + index for index in range(COUNT)])
    cut_part(find_part(source, 0.2, 0.6), tmp_path / "cut.mp4", None)
    assert levels(tmp_path / "cut.mp4") == list(range(5, 15))


def test_a_part_ends_at_a_hole_and_samples_are_spread_over_what_is_left(tmp_path: Path) -> None:
    times = np.arange(60) / RATE + np.where(np.arange(60) >= 40, 2.0, 0.0)
    part = find_part(record(tmp_path / "a.mp4", times), 0.4, 4.0)
    assert part.scan.times[[part.first, part.end - 1]] == pytest.approx([0.4, 39 / RATE])
    assert part.notes[-1] == "the part ends at 1.56 s, where the video has a hole or changes its format"
    sampler = FaceSampler(None, None, None)  # type: ignore[arg-type]
    assert numbers_of(sampler.frames(part)) == [11, 15, 19, 23, 26, 30, 34, 38]
    assert cut_part(part, tmp_path / "cut.mp4", None).frame_count == 30


def test_a_part_is_decoded_to_find_it_to_cut_it_and_for_the_samples_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = record(tmp_path / "a.mp4", np.arange(100) / RATE, options={"preset": "ultrafast", "g": "10"})
    decoded = []
    decode = _Decoder.decode

    def counting(decoder: _Decoder, packet: av.Packet, number: int) -> Iterator[DecodedPicture]:
        decoded.append(number)
        return decode(decoder, packet, number)

    monkeypatch.setattr(_Decoder, "decode", counting)
    part = find_part(path, 0.0, None)
    assert len(decoded) == 100
    FaceSampler(None, None, None).frames(part)  # type: ignore[arg-type]
    assert len(decoded) <= 100 + 8 * 10
    decoded.clear()
    cut_part(part, tmp_path / "cut.mp4", None)
    assert len(decoded) == 100


def test_what_cannot_be_cut_says_why(make_video: Callable[..., Path], frames: list[np.ndarray], tmp_path: Path) -> None:
    source = make_video("a.mp4", frames)
    with pytest.raises(EmptyCutError, match="no frame from 9 s"):
        find_part(source, 9.0, 10.0)
    part = find_part(source, 0.0, 1.0)
    with pytest.raises(SmallRegionError, match="40x40"):
        cut_part(part, tmp_path / "cut.mp4", (0, 0, 40, 40))
    assert not list(tmp_path.glob("*cut*"))
