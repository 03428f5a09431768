"""Edge-aware refinement of a small matte against the colours of the full frame."""

from dataclasses import dataclass

import cv2
import numpy as np

from talkmill.arrays import Float32Array, Frame
from talkmill.matting.grid import Grid
from talkmill.region import Region

# What is worked out pixel by pixel goes by strips of so many rows: they stay in the processor's cache.
STRIP_ROWS = 32


@dataclass(frozen=True, slots=True)
class LocalLinearModel:
    """A guided filter: alpha = slope . colour + offset at every pixel.

    Attributes:
        coefficients: The slopes of red, green and blue, and the offset, (h, w, 4) float32.
    """

    coefficients: Float32Array

    def at(self, guide: Float32Array) -> Float32Array:
        """Evaluate at the same size.

        Args:
            guide: RGB in [0, 1], (h, w, 3) float32.

        Returns:
            (h, w) float32, not clipped.
        """
        red, green, blue, offset = cv2.split(self.coefficients)
        for slope, channel in zip((red, green, blue), cv2.split(guide), strict=True):
            offset = cv2.add(offset, cv2.multiply(slope, channel))
        return np.asarray(offset, np.float32)

    def in_part(self, picture: Frame, part: Region, grid: Grid) -> Float32Array:
        """Evaluate at the frame's own size.

        Args:
            picture: A part of the frame, RGB uint8.
            part: Which one: alpha is wanted for it.
            grid: Where in the frame the coefficients lie; its part holds `part`.

        Returns:
            (part.height, part.width) float32, not clipped.
        """
        inside = Region(part.x - grid.part.x, part.y - grid.part.y, part.width, part.height).slices
        red, green, blue, offset = (
            cv2.resize(plane, (grid.part.width, grid.part.height), interpolation=cv2.INTER_LINEAR)[inside]
            for plane in cv2.split(self.coefficients)
        )
        for slope, colour in zip((red, green, blue), cv2.split(picture), strict=True):
            offset = cv2.add(offset, cv2.multiply(slope, colour, scale=1 / 255, dtype=cv2.CV_32F))
        return np.asarray(offset, np.float32)


def in_unit_range(picture: Frame) -> Float32Array:
    """Return an RGB picture in [0, 1], (H, W, 3) float32."""
    guide = picture.astype(np.float32)
    guide *= np.float32(1 / 255)
    return guide


def fit_guided_filter(guide: Float32Array, matte: Float32Array, radius: int, epsilon: float) -> LocalLinearModel:
    """Fit the guided filter of a matte at a small size.

    Source: He, Sun, Tang, "Guided image filtering", TPAMI 2013, eq. 14-16; applying averaged coefficients at full
    size is He and Sun, "Fast guided filter", 2015.

    Args:
        guide: RGB in [0, 1], (h, w, 3) float32.
        matte: Alpha in [0, 1], (h, w) float32.
        radius: Half the window, in pixels.
        epsilon: Regularisation, in squared units of the guide.

    Returns:
        The averaged local linear coefficients.
    """
    window = (2 * radius + 1, 2 * radius + 1)
    height, width = matte.shape
    strips = [slice(top, top + STRIP_ROWS) for top in range(0, height, STRIP_ROWS)]
    # Means over the window: of the channels and the matte, of their products, and of pairs of channels.
    means = np.empty((13, height, width), np.float32)
    for rows in strips:
        # About the middle of the range, float32 loses the least in the difference of two means.
        r, g, b = (np.asarray(channel - np.float32(0.5)) for channel in cv2.split(guide[rows]))
        alpha = matte[rows]
        values = (r, g, b, alpha, r * alpha, g * alpha, b * alpha, r * r, g * g, b * b, r * g, r * b, g * b)
        for plane, value in zip(means, values, strict=True):
            plane[rows] = value
    for plane in means:
        cv2.blur(plane, window, dst=plane, borderType=cv2.BORDER_REFLECT)
    coefficients = np.empty((height, width, 4), np.float32)
    for rows in strips:
        coefficients[rows] = cv2.merge(_solved(means[:, rows], np.float32(epsilon)))
    return LocalLinearModel(np.asarray(cv2.blur(coefficients, window, borderType=cv2.BORDER_REFLECT), np.float32))


def _solved(means: Float32Array, epsilon: np.float32) -> list[Float32Array]:
    """Return the slopes and the offset of each window from its means, 13 times (h, w), in pixels about the middle."""
    mean_r, mean_g, mean_b, mean_matte, of_r, of_g, of_b, rr, gg, bb, rg, rb, gb = means
    of_r, of_g, of_b = of_r - mean_r * mean_matte, of_g - mean_g * mean_matte, of_b - mean_b * mean_matte
    rr, gg, bb = rr - mean_r * mean_r + epsilon, gg - mean_g * mean_g + epsilon, bb - mean_b * mean_b + epsilon
    rg, rb, gb = rg - mean_r * mean_g, rb - mean_r * mean_b, gb - mean_g * mean_b
    # The inverse of the symmetric 3 x 3 matrix by its cofactors.
    c_rr, c_rg, c_rb = gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg
    c_gg, c_gb, c_bb = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
    scale = 1 / (rr * c_rr + rg * c_rg + rb * c_rb)
    slope_r = (c_rr * of_r + c_rg * of_g + c_rb * of_b) * scale
    slope_g = (c_rg * of_r + c_gg * of_g + c_gb * of_b) * scale
    slope_b = (c_rb * of_r + c_gb * of_g + c_bb * of_b) * scale
    offset = mean_matte - slope_r * (mean_r + 0.5) - slope_g * (mean_g + 0.5) - slope_b * (mean_b + 0.5)
    return [slope_r, slope_g, slope_b, offset]
