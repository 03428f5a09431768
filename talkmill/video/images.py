"""A clip's pictures as coded images, one file each in a .zip that stores them as they are. They are coded once."""

import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np
import simplejpeg
from PIL import Image, UnidentifiedImageError

from talkmill.arrays import Frame

ImageFormat = Literal["jpeg", "png"]
MEDIA_TYPE = "application/zip"
JPEG_QUALITY = 95
JPEG_BEGINNING = b"\xff\xd8\xff"
# zlib: three times as fast as the default, 3 % larger.
PNG_LEVEL = 3
# The same images give the same file, whenever it is written: the earliest date that a .zip can hold.
DATE = (1980, 1, 1, 0, 0, 0)


def encode_image(image: Frame, image_format: ImageFormat = "jpeg") -> bytes:
    """Return an RGB frame as JPEG, quality 95, 4:4:4, or as PNG."""
    if image_format == "jpeg":
        return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(image), JPEG_QUALITY, "RGB", "444"))
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG", compress_level=PNG_LEVEL)
    return content.getvalue()


def decode_image(content: bytes) -> Frame:
    """Return a JPEG or PNG as an RGB frame, (H, W, 3) uint8.

    Raises:
        ValueError: The bytes are neither.
    """
    if content.startswith(JPEG_BEGINNING):
        return np.asarray(simplejpeg.decode_jpeg(content, "RGB"))
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            return np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError("the bytes are no JPEG and no PNG") from error


def image_mode(content: bytes) -> str:
    """Return what a JPEG or PNG is to Pillow, such as `RGB` or `L`, without decoding it.

    Raises:
        ValueError: The bytes are neither.
    """
    try:
        with Image.open(io.BytesIO(content), formats=["JPEG", "PNG"]) as image:
            return image.mode
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError("the bytes are no JPEG and no PNG") from error


class ImageWriter:
    """Writes images to a .zip; a context manager."""

    def __init__(self, path: Path, image_format: ImageFormat = "jpeg") -> None:
        self._format = image_format
        self._file = zipfile.ZipFile(path, "w", zipfile.ZIP_STORED)
        self.frame_count = 0

    def write(self, image: Frame) -> None:
        """Append a frame, RGB (H, W, 3) uint8."""
        self.write_coded(encode_image(image, self._format))

    def write_coded(self, content: bytes) -> None:
        """Append a frame that is coded already."""
        ending = "jpg" if content.startswith(JPEG_BEGINNING) else "png"
        self._file.writestr(zipfile.ZipInfo(f"{self.frame_count:06}.{ending}", DATE), content)
        self.frame_count += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()


def read_coded(path: Path, indices: Iterable[int] | None = None) -> Iterator[bytes]:
    """Yield images as they are stored, in order.

    Args:
        path: The .zip.
        indices: Numbers of the wanted images; None for all.

    Raises:
        ValueError: The file is damaged.
    """
    try:
        with zipfile.ZipFile(path) as file:
            names = file.namelist()
            for name in names if indices is None else (names[index] for index in indices):
                yield file.read(name)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path.name} is damaged: {error}") from error


def read_images(path: Path) -> Iterator[Frame]:
    """Yield the images as RGB frames, (H, W, 3) uint8, in order."""
    return map(decode_image, read_coded(path))


def read_images_at(path: Path, indices: Sequence[int]) -> list[Frame]:
    """Return some images as RGB frames."""
    return [decode_image(content) for content in read_coded(path, indices)]
