"""The foreground's own colour where a matte mixes it with the background."""

import importlib.util
import sys
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float32Array, Frame

# Colours of foreground and background are smooth: they are estimated at most at this long side, and made exact at each
# pixel (docs/decisions/0003-foreground-colour.md).
ESTIMATE_SIDE = 256
# numba's fallback thread pool cannot be entered by two threads at once.
_ESTIMATE_LOCK = threading.Lock()
# The one file of PyMatting that is loaded, and the name under which numba's cache finds it again.
_FILE, _MODULE = "foreground/estimate_foreground_ml.py", "pymatting_foreground_ml"


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
    height, width = alpha.shape
    # Whole pixels are averaged to one.
    step = -(-max(height, width) // ESTIMATE_SIDE)
    size = (max(1, round(width / step)), max(1, round(height / step)))
    small = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA)).astype(np.float32)
    cover = np.asarray(cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)).astype(np.float32)
    with _ESTIMATE_LOCK:
        pair = _estimator()(small / np.float32(255), cover / np.float32(255), return_background=True)
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


@cache
def _estimator() -> Callable[..., Any]:
    """Return PyMatting's estimate_foreground_ml.

    Its package compiles the kernels of all that it can do when it is imported for the first time: 56 s of CPU, where
    this one file takes 6.

    Raises:
        ImportError: PyMatting is not installed, or not as it was.
    """
    package = importlib.util.find_spec("pymatting")
    if package is None or not package.submodule_search_locations:
        raise ImportError("PyMatting is not installed", name="pymatting")
    path = Path(package.submodule_search_locations[0]) / _FILE
    spec = importlib.util.spec_from_file_location(_MODULE, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"PyMatting has no {_FILE}", name="pymatting", path=str(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MODULE] = module
    spec.loader.exec_module(module)
    estimator: Callable[..., Any] = module.estimate_foreground_ml
    return estimator
