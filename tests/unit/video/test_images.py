"""Coded images: what other readers see of them, and what is told of damage."""

import io
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from talkmill.video.images import ImageWriter, decode_image, encode_image, read_coded, read_images
from tests.media import numbered


def by_opencv(content: bytes) -> np.ndarray:
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def by_pillow(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


def saved(form: str, **options: object) -> bytes:
    content = io.BytesIO()
    Image.fromarray(numbered(5)).save(content, form, **options)
    return content.getvalue()


def test_a_jpeg_has_quality_95_and_chroma_of_every_pixel() -> None:
    content = encode_image(numbered(5))
    image = Image.open(io.BytesIO(content))
    assert image.format == "JPEG"
    assert JpegImagePlugin.get_sampling(image) == JpegImagePlugin.get_sampling(
        Image.open(io.BytesIO(saved("JPEG", subsampling="4:4:4")))
    )
    assert image.quantization == Image.open(io.BytesIO(saved("JPEG", quality=95))).quantization
    for reader in (by_opencv, by_pillow, decode_image):
        assert np.abs(reader(content).astype(int) - numbered(5)).mean() < 2


def test_a_png_is_the_picture_for_every_reader() -> None:
    content = encode_image(numbered(5), "png")
    for reader in (by_opencv, by_pillow, decode_image):
        assert np.array_equal(reader(content), numbered(5))


def test_a_part_of_an_array_is_encoded_like_its_copy() -> None:
    part = numbered(5)[3:40, 10:60]
    for form in ("jpeg", "png"):
        assert encode_image(part, form) == encode_image(part.copy(), form)  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["GIF", "TIFF", "WEBP", "BMP"])
def test_other_formats_are_refused(form: str) -> None:
    """Their decoders have had holes, and no set holds them."""
    with pytest.raises(ValueError, match="no JPEG and no PNG"):
        decode_image(saved(form))


@pytest.mark.parametrize("content", [b"", b"text", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError):
        decode_image(content)


@pytest.mark.parametrize("form", ["jpeg", "png"])
def test_an_image_that_is_cut_short_is_refused(form: str) -> None:
    content = encode_image(numbered(5), form)  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        decode_image(content[: len(content) // 2])


def test_a_file_of_images_is_a_zip_that_anything_opens(tmp_path: Path) -> None:
    with ImageWriter(tmp_path / "a.zip") as writer:
        for number in range(3):
            writer.write(numbered(number))
    assert writer.frame_count == 3
    with zipfile.ZipFile(tmp_path / "a.zip") as file:
        assert file.namelist() == ["000000.jpg", "000001.jpg", "000002.jpg"]
        assert [info.compress_type for info in file.infolist()] == [zipfile.ZIP_STORED] * 3
        assert file.read("000001.jpg") == encode_image(numbered(1))


def test_one_bit_that_is_turned_is_found(tmp_path: Path) -> None:
    with ImageWriter(tmp_path / "a.zip") as writer:
        for number in range(3):
            writer.write(numbered(number))
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.zip is damaged: Bad CRC-32"):
        list(read_coded(tmp_path / "a.zip"))
    with pytest.raises(ValueError, match="is damaged"):
        list(read_images(tmp_path / "a.zip"))
