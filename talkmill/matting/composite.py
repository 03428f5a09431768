"""Composites a matted foreground over a flat colour, without the old background in its edges."""

import threading

import numpy as np

from talkmill.arrays import Float32Array, Frame

# numba's fallback thread pool cannot be entered by two threads at once.
_ESTIMATE_LOCK = threading.Lock()


def estimate_foreground(frame: Frame, alpha: Float32Array) -> Float32Array:
    """Estimate the colour of the foreground where it mixes with the background.

    Source: Germer et al., "Fast multi-level foreground estimation", ICPR 2020, as pymatting implements it. Compared
    with blur fusion in docs/decisions/0003-foreground-colour.md.

    Args:
        frame: RGB, (H, W, 3) uint8.
        alpha: Matte in [0, 1], (H, W) float32.

    Returns:
        RGB in [0, 255], (H, W, 3) float32; the frame itself where alpha is 1.
    """
    # numba compiles on the first import ever; that does not belong in `import talkmill`.
    from pymatting.foreground.estimate_foreground_ml import estimate_foreground_ml

    image = frame.astype(np.float32)
    if not ((alpha > 0) & (alpha < 1)).any():
        return image
    with _ESTIMATE_LOCK:
        estimated = np.asarray(estimate_foreground_ml(image / np.float32(255), alpha), np.float32)
    solid = (alpha == 1)[..., None]
    estimated *= np.float32(255)
    np.clip(estimated, 0, 255, out=estimated)
    np.copyto(estimated, image, where=solid)
    return estimated


def composite_over(
    foreground: Float32Array | Frame, alpha: Float32Array, background_color: tuple[int, int, int]
) -> Frame:
    """Blend a foreground over a flat colour.

    Args:
        foreground: RGB in [0, 255], (H, W, 3) float32.
        alpha: Matte in [0, 1], (H, W) float32.
        background_color: RGB, three values in [0, 255].

    Returns:
        Composite, (H, W, 3) uint8, rounded to nearest.

    Raises:
        ValueError: The matte is not the size of the foreground.
    """
    if foreground.shape[:2] != alpha.shape:
        raise ValueError(f"the foreground is {foreground.shape[:2]}, the matte {alpha.shape}")
    background = np.array(background_color, np.float32)
    blended = np.subtract(foreground, background, dtype=np.float32)
    blended *= alpha[..., None]
    blended += background
    return np.rint(blended, out=blended).astype(np.uint8)
