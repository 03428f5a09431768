"""Shows a matte: over the source, and its edge in the crop, enlarged, over a loud colour."""

import cv2
import numpy as np
import numpy.typing as npt

from talkmill.arrays import Frame
from talkmill.geometry.shrink import resized
from talkmill.geometry.transforms import Matrix, apply
from talkmill.preview.canvas import INK, MAGENTA, PAPER, Canvas
from talkmill.region import Region

# How much of the loud colour covers what the matte takes out of the source: the rest shows what it was.
TINT = 0.6
# The edge is shown at this scale, or larger where the crop is small.
EDGE_SCALE = 2


def matte_panel(
    frame: Frame, alpha: npt.NDArray[np.uint8], region: Region, image_from_crop: Matrix, size: int, width: int
) -> Frame:
    """Show a frame of the source, what the matte takes out of it, and the crop's square.

    Args:
        frame: Upright, RGB, (H, W, 3) uint8. Of one that is higher than wide a square around the crop is shown, and of
            one that is wider than twice its height a part of twice its height.
        alpha: Its matte in a region, uint8.
        region: The region.
        image_from_crop: (3, 3) pixels of the crop to pixels of the frame.
        size: Side of the crop in pixels.
        width: Of the panel in pixels.

    Returns:
        (height, width, 3) uint8; at most as high as wide.
    """
    corners = apply(image_from_crop, np.array([[-0.5, -0.5], [size - 0.5, size - 0.5]]))
    shown = frame.copy()
    taken = TINT * (1 - alpha[..., None].astype(np.float32) / 255)
    part = shown[region.slices]
    shown[region.slices] = np.rint(part * (1 - taken) + taken * np.array(MAGENTA, np.float32)).astype(np.uint8)
    height, wide = frame.shape[:2]
    rows, columns = min(height, wide), min(wide, 2 * height)
    middle_x, middle_y = corners.mean(0)
    left = int(np.clip(round(float(middle_x) - columns / 2), 0, wide - columns))
    top = int(np.clip(round(float(middle_y) - rows / 2), 0, height - rows))
    scale = width / columns
    canvas = Canvas(resized(shown[top : top + rows, left : left + columns], width, max(1, round(rows * scale))))
    (x0, y0), (x1, y1) = (corners - [left, top] + 0.5) * scale - 0.5
    square = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    for thickness, colour in ((4, INK), (2, PAPER)):
        canvas.line(square, colour, thickness, closed=True)
    return canvas.image


def cover_in_crop(
    alpha: npt.NDArray[np.uint8], region: Region, image_from_crop: Matrix, size: int
) -> npt.NDArray[np.uint8]:
    """Return the matte of a crop, (size, size) uint8, resized as the crop was; 0 outside the frame."""
    scale = float(image_from_crop[0, 0])
    # The square begins and ends with whole pixels: docs/stages/crop.md.
    side = round(scale * size)
    x0, y0 = (round(float(offset - scale / 2 + 0.5)) for offset in image_from_crop[:2, 2])
    square = np.zeros((side, side), np.uint8)
    left, top = max(x0, region.x), max(y0, region.y)
    right, bottom = min(x0 + side, region.x + region.width), min(y0 + side, region.y + region.height)
    square[top - y0 : bottom - y0, left - x0 : right - x0] = alpha[
        top - region.y : bottom - region.y, left - region.x : right - region.x
    ]
    return resized(square, size, size)


def edge_window(cover: npt.NDArray[np.uint8], side: int) -> tuple[int, int]:
    """Return x and y of the square of some side that holds most of a matte's edge, with the edge in its middle."""
    share = cover.astype(np.float32) / 255
    # What a pixel adds is largest where it is half covered.
    soft = share * (1 - share)
    sums = cv2.boxFilter(soft, -1, (side, side), anchor=(0, 0), normalize=False, borderType=cv2.BORDER_CONSTANT)
    rows, columns = (length - side + 1 for length in cover.shape)
    y, x = np.unravel_index(int(sums[:rows, :columns].argmax()), (rows, columns))
    moments = cv2.moments(soft[y : y + side, x : x + side])
    if moments["m00"] == 0:
        return (columns - 1) // 2, (rows - 1) // 2
    left, top = (start + moments[first] / moments["m00"] - side / 2 for start, first in ((x, "m10"), (y, "m01")))
    return int(np.clip(left, 0, columns - 1)), int(np.clip(top, 0, rows - 1))


def edge_panel(
    crop: Frame, cover: npt.NDArray[np.uint8], background_color: tuple[int, int, int], side: int, width: int
) -> Frame:
    """Show the square of a crop that holds most of the matte's edge, with a loud colour behind the person, enlarged.

    The crop is foreground and background by the matte's shares, so the other colour takes the place of the first
    exactly: what is seen are the colours that the set holds.

    Args:
        crop: RGB, (size, size, 3) uint8.
        cover: Its matte, (size, size) uint8.
        background_color: RGB behind the person in the crop.
        side: Of the square, in pixels of the crop.
        width: Of the panel, which is square.
    """
    x, y = edge_window(cover, side)
    part = np.s_[y : y + side, x : x + side]
    missing = 1 - cover[part][..., None].astype(np.float32) / 255
    other = crop[part] + missing * (np.array(MAGENTA, np.float32) - np.array(background_color, np.float32))
    return resized(np.rint(np.clip(other, 0, 255)).astype(np.uint8), width, width)
