"""Edge-aware refinement of a small matte against the colours of the full frame."""

from dataclasses import dataclass

import cv2
import numpy as np

from talkmill.arrays import Float32Array, Frame
from talkmill.matting.grid import Grid
from talkmill.region import Region


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

    def mean(image: Float32Array) -> Float32Array:
        return np.asarray(cv2.blur(image, window, borderType=cv2.BORDER_REFLECT), np.float32)

    # About the middle of the range, float32 loses the least in the difference of two means.
    r, g, b = (np.asarray(channel - np.float32(0.5)) for channel in cv2.split(guide))
    mean_r, mean_g, mean_b, mean_matte = mean(r), mean(g), mean(b), mean(matte)
    of_r = mean(r * matte) - mean_r * mean_matte
    of_g = mean(g * matte) - mean_g * mean_matte
    of_b = mean(b * matte) - mean_b * mean_matte
    rr = mean(r * r) - mean_r * mean_r + np.float32(epsilon)
    gg = mean(g * g) - mean_g * mean_g + np.float32(epsilon)
    bb = mean(b * b) - mean_b * mean_b + np.float32(epsilon)
    rg, rb, gb = mean(r * g) - mean_r * mean_g, mean(r * b) - mean_r * mean_b, mean(g * b) - mean_g * mean_b
    # The inverse of the symmetric 3 x 3 matrix by its cofactors.
    c_rr, c_rg, c_rb = gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg
    c_gg, c_gb, c_bb = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
    scale = 1 / (rr * c_rr + rg * c_rg + rb * c_rb)
    slope_r = (c_rr * of_r + c_rg * of_g + c_rb * of_b) * scale
    slope_g = (c_rg * of_r + c_gg * of_g + c_gb * of_b) * scale
    slope_b = (c_rb * of_r + c_gb * of_g + c_bb * of_b) * scale
    offset = mean_matte - slope_r * (mean_r + 0.5) - slope_g * (mean_g + 0.5) - slope_b * (mean_b + 0.5)
    return LocalLinearModel(mean(np.asarray(cv2.merge([slope_r, slope_g, slope_b, offset]), np.float32)))
