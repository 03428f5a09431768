"""Composites a matted foreground over a flat colour, without the old background in its edges."""

import threading

import cv2
import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float32Array, Frame

# Colours of foreground and background are smooth: they are estimated at most at this long side, and made exact at each
# pixel (docs/decisions/0003-foreground-colour.md).
ESTIMATE_SIDE = 256
# numba's fallback thread pool cannot be entered by two threads at once.
_ESTIMATE_LOCK = threading.Lock()


def flat(height: int, width: int, color: tuple[int, int, int]) -> Frame:
    """Return a picture of one colour, (height, width, 3) uint8; RGB in [0, 255]."""
    image = np.empty((height, width, 3), np.uint8)
    # Whole rows are copied: NumPy spreads three bytes over a picture in ten times the time.
    image[:] = np.tile(np.array(color, np.uint8), (width, 1))
    return image


def composite_over(frame: Frame, alpha: npt.NDArray[np.uint8], background_color: tuple[int, int, int]) -> Frame:
    """Put the foreground of a frame over a flat colour; see `composite_onto`.

    Returns:
        Composite, (H, W, 3) uint8.
    """
    canvas = flat(frame.shape[0], frame.shape[1], background_color)
    composite_onto(canvas, frame, alpha, background_color)
    return canvas


def composite_onto(
    canvas: Frame, frame: Frame, alpha: npt.NDArray[np.uint8], background_color: tuple[int, int, int]
) -> None:
    """Put the foreground of a frame onto a canvas of one colour.

    Where alpha lies between nothing and all, the foreground's own colour is estimated and blended.

    Args:
        canvas: RGB, (H, W, 3) uint8, the background colour everywhere; it becomes the composite, rounded to nearest.
        frame: RGB, (H, W, 3) uint8.
        alpha: Matte, (H, W) uint8, 255 for the foreground.
        background_color: RGB, three values in [0, 255].

    Raises:
        ValueError: The matte is not the size of the frame.
    """
    if frame.shape[:2] != alpha.shape:
        raise ValueError(f"the frame is {frame.shape[:2]}, the matte {alpha.shape}")
    cv2.copyTo(frame, cv2.inRange(alpha, 255, 255), canvas)
    rows, columns = np.nonzero(cv2.inRange(alpha, 1, 254))
    if len(rows):
        cover = alpha[rows, columns].astype(np.float32)[:, None] / np.float32(255)
        colour = foreground_at(frame, alpha, rows, columns)
        blended = colour * cover + np.array(background_color, np.float32) * (1 - cover)
        canvas[rows, columns] = np.rint(blended).astype(np.uint8)


def foreground_at(
    frame: Frame, alpha: npt.NDArray[np.uint8], rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]
) -> Float32Array:
    """Estimate the colour of the foreground at pixels where it mixes with the background.

    Source: Germer et al., "Fast multi-level foreground estimation", ICPR 2020, as pymatting implements it; at a small
    size, then their update of a pixel at the full size, which makes foreground and background add up to the frame.
    docs/decisions/0003-foreground-colour.md.

    Args:
        frame: RGB, (H, W, 3) uint8.
        alpha: Matte, (H, W) uint8.
        rows: (K,) rows of the pixels.
        columns: (K,) columns of the pixels.

    Returns:
        RGB in [0, 255], (K, 3) float32.
    """
    # numba compiles on the first import ever; that does not belong in `import talkmill`.
    from pymatting.foreground.estimate_foreground_ml import estimate_foreground_ml

    height, width = alpha.shape
    # Whole pixels are averaged to one.
    step = -(-max(height, width) // ESTIMATE_SIDE)
    size = (max(1, round(width / step)), max(1, round(height / step)))
    small = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA)).astype(np.float32)
    cover = np.asarray(cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)).astype(np.float32)
    with _ESTIMATE_LOCK:
        pair = estimate_foreground_ml(small / np.float32(255), cover / np.float32(255), return_background=True)
    # Pixel centres lie at integers.
    at_x = ((columns + 0.5) * (size[0] / width) - 0.5).astype(np.float32)[:, None]
    at_y = ((rows + 0.5) * (size[1] / height) - 0.5).astype(np.float32)[:, None]
    foreground, background = (_sampled(np.asarray(image, np.float32), at_x, at_y) for image in pair)
    share = alpha[rows, columns].astype(np.float32)[:, None] / np.float32(255)
    seen = frame[rows, columns].astype(np.float32) / np.float32(255)
    missing = seen - share * foreground - (1 - share) * background
    exact = foreground + share * missing / (share * share + (1 - share) * (1 - share))
    return np.asarray(np.clip(exact, 0, 1) * np.float32(255), np.float32)


# cv2.remap takes no map of more than SHRT_MAX rows.
_ROWS = 30_000


def _sampled(image: Float32Array, x: Float32Array, y: Float32Array) -> Float32Array:
    """Sample an image between its pixels, (K, 3)."""
    parts = [
        cv2.remap(image, x[row : row + _ROWS], y[row : row + _ROWS], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for row in range(0, len(x), _ROWS)
    ]
    return np.concatenate(parts).reshape(-1, 3).astype(np.float32)
