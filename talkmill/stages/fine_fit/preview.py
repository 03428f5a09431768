"""Draws the preview: source, matte, crop, landmarks and mesh of a few frames."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from talkmill.arrays import Frame
from talkmill.region import Region

COLUMNS = 6
TILE = 256
MATTE_COLOUR = np.array([0, 177, 64], np.float32)


def preview_indices(frame_count: int) -> list[int]:
    """Return the frames that are shown, spread over the clip."""
    return sorted({int(index) for index in np.linspace(0, frame_count - 1, COLUMNS)})


def write_preview(
    path: Path,
    sources: list[Frame],
    alphas: list[Frame],
    region: Region,
    crops: list[Frame],
    draw_landmarks: Callable[[int, Frame], Frame],
    draw_fit: Callable[[int, Frame], Frame],
) -> None:
    """Write the strip: one column a frame; rows are source, matte over green, crop, landmarks, mesh.

    Args:
        path: The .jpg.
        sources: Frames of the clip, RGB.
        alphas: Their mattes in a region, grey.
        region: The region, which the second row shows.
        crops: Their crops, RGB.
        draw_landmarks: Column and crop to the crop with landmarks.
        draw_fit: Column and crop to the crop with the mesh.
    """
    rows = [
        [_tile(frame) for frame in sources],
        [_tile(_over_green(frame, alpha, region)) for frame, alpha in zip(sources, alphas, strict=True)],
        [_tile(crop) for crop in crops],
        [_tile(draw_landmarks(column, crop)) for column, crop in enumerate(crops)],
        [_tile(draw_fit(column, crop)) for column, crop in enumerate(crops)],
    ]
    strip = np.concatenate([np.concatenate(row, axis=1) for row in rows])
    cv2.imwrite(str(path), cv2.cvtColor(strip, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92])


def _over_green(frame: Frame, alpha: npt.NDArray[np.uint8], region: Region) -> Frame:
    cover = alpha[..., None].astype(np.float32) / 255
    return np.asarray(np.rint(frame[region.slices] * cover + MATTE_COLOUR * (1 - cover)), np.uint8)


def _tile(image: Frame) -> Frame:
    """Fit an image into a square tile, centred on grey."""
    height, width = image.shape[:2]
    scale = TILE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    tile = np.full((TILE, TILE, 3), 128, np.uint8)
    top, left = (TILE - size[1]) // 2, (TILE - size[0]) // 2
    tile[top : top + size[1], left : left + size[0]] = small
    return tile
