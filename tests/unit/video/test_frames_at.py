"""Some frames of a video, as a whole reading gives them."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from talkmill.video.decode import read_grey_frames, read_images, read_images_at
from talkmill.video.encode import alpha_writer, clip_writer, lossless_writer

WANTED = [0, 3, 4, 19]


@pytest.mark.parametrize("writer", [clip_writer, lossless_writer])
def test_frames_are_those_of_a_whole_reading(writer: Callable[..., object], tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    frames = [random.integers(0, 255, (64, 96, 3), np.uint8) for _ in range(20)]
    path = tmp_path / ("a.mp4" if writer is clip_writer else "a.mkv")
    with writer(path, Fraction(25)) as file:  # type: ignore[attr-defined]
        for frame in frames:
            file.write(frame)
    whole = list(read_images(path))
    found = read_images_at(path, WANTED)
    assert len(found) == len(WANTED)
    assert all(np.array_equal(image, whole[index]) for image, index in zip(found, WANTED, strict=True))


def test_grey_frames_too(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    with alpha_writer(tmp_path / "alpha.mkv", Fraction(25)) as file:
        for _ in range(20):
            file.write(random.integers(0, 255, (64, 96), np.uint8))
    whole = list(read_grey_frames(tmp_path / "alpha.mkv"))
    found = read_images_at(tmp_path / "alpha.mkv", WANTED, grey=True)
    assert all(np.array_equal(image, whole[index]) for image, index in zip(found, WANTED, strict=True))
