"""Some frames of a clip, of an alpha and of images, as a whole reading gives them."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from talkmill.video.clip import read_clip
from talkmill.video.decode import read_grey_at, read_grey_frames
from talkmill.video.encode import alpha_writer
from talkmill.video.images import ImageFormat, ImageWriter, read_coded, read_images, read_images_at
from tests.media import numbers_of, record, whole_table

WANTED = [0, 3, 4, 19]


def test_frames_of_a_clip(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", [index / 25 for index in range(20)])
    table = whole_table(path)
    whole = list(read_clip(path, table))
    found = list(read_clip(path, table, indices=WANTED))
    assert numbers_of(found) == WANTED
    assert all(np.array_equal(image, whole[index]) for image, index in zip(found, WANTED, strict=True))


def test_frames_of_an_alpha(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    with alpha_writer(tmp_path / "alpha.mkv", Fraction(25)) as file:
        for _ in range(20):
            file.write(random.integers(0, 255, (64, 96), np.uint8))
    whole = list(read_grey_frames(tmp_path / "alpha.mkv"))
    found = read_grey_at(tmp_path / "alpha.mkv", WANTED)
    assert all(np.array_equal(image, whole[index]) for image, index in zip(found, WANTED, strict=True))


@pytest.mark.parametrize(("image_format", "error"), [("jpeg", 40), ("png", 0)])
def test_images_are_stored_as_they_were_coded(tmp_path: Path, image_format: ImageFormat, error: int) -> None:
    random = np.random.default_rng(0)
    images = [random.integers(0, 255, (64, 96, 3), np.uint8) for _ in range(20)]
    for name in ("a.zip", "b.zip"):
        with ImageWriter(tmp_path / name, image_format) as writer:
            for image in images:
                writer.write(image)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    whole = list(read_images(tmp_path / "a.zip"))
    assert max(np.abs(one.astype(int) - other).max() for one, other in zip(whole, images, strict=True)) <= error
    found = read_images_at(tmp_path / "a.zip", WANTED)
    assert all(np.array_equal(image, whole[index]) for image, index in zip(found, WANTED, strict=True))
    content = (tmp_path / "a.zip").read_bytes()
    assert all(coded in content for coded in read_coded(tmp_path / "a.zip"))


def test_a_damaged_file_of_images_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"no zip")
    with pytest.raises(ValueError, match=r"a\.zip is damaged"):
        next(read_coded(tmp_path / "a.zip"))
