"""Edge-aware refinement of a small matte against the full frame."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float32Array
from talkmill.region import Region


@dataclass(frozen=True, slots=True)
class LocalLinearModel:
    """Coefficients of a guided filter: alpha = slope * grey + offset, both (h, w) float32."""

    slope: Float32Array
    offset: Float32Array

    def at(self, guide: Float32Array) -> Float32Array:
        """Evaluate at another resolution.

        Args:
            guide: Luma in [0, 1], (H, W) float32; any size.

        Returns:
            (H, W) float32, not clipped.
        """
        size = (guide.shape[1], guide.shape[0])
        result = np.asarray(cv2.resize(self.slope, size, interpolation=cv2.INTER_LINEAR), np.float32)
        result *= guide
        result += cv2.resize(self.offset, size, interpolation=cv2.INTER_LINEAR)
        return result

    def in_part(self, guide: Float32Array, part: Region, full_size: tuple[int, int]) -> Float32Array:
        """Evaluate at another resolution in a part of the image alone.

        Args:
            guide: Luma of the part in [0, 1], (H, W) float32; any size.
            part: The part, in pixels of an image of `full_size`.
            full_size: Width and height of the image that the model covers.

        Returns:
            (H, W) float32, not clipped; what `at` gives there, to the precision of cv2.warpAffine (1/32 pixel).
        """
        height, width = self.slope.shape
        steps = np.array([part.width / guide.shape[1], part.height / guide.shape[0]])
        ratios = np.array([width / full_size[0], height / full_size[1]])
        # Pixel centres lie at integers: pixel u of the guide lies at (part + (u + 1/2) step) ratio - 1/2 of the model.
        offsets = (np.array([part.x, part.y]) + steps / 2) * ratios - 0.5
        model_from_guide = np.hstack([np.diag(steps * ratios), offsets[:, None]])
        size = (guide.shape[1], guide.shape[0])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP

        def sampled(values: Float32Array) -> Float32Array:
            border = cv2.BORDER_REPLICATE
            return np.asarray(
                cv2.warpAffine(values, model_from_guide, size, flags=flags, borderMode=border), np.float32
            )

        result = sampled(self.slope)
        result *= guide
        result += sampled(self.offset)
        return result


def grey(frame: npt.NDArray[np.uint8]) -> Float32Array:
    """Return the luma of an RGB frame in [0, 1], (H, W) float32."""
    luma = np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)).astype(np.float32)
    luma *= np.float32(1 / 255)
    return luma


def fit_guided_filter(guide: Float32Array, matte: Float32Array, radius: int, epsilon: float) -> LocalLinearModel:
    """Fit the guided filter of a matte at a small size.

    Source: He, Sun, Tang, "Guided image filtering", TPAMI 2013, eq. 5-8; applying averaged coefficients at full
    size is He and Sun, "Fast guided filter", 2015.

    Args:
        guide: Luma in [0, 1], (h, w) float32.
        matte: Alpha in [0, 1], (h, w) float32.
        radius: Half the window, in pixels.
        epsilon: Regularisation, in squared luma.

    Returns:
        The averaged local linear coefficients.
    """
    window = (2 * radius + 1, 2 * radius + 1)

    def mean(image: Float32Array) -> Float32Array:
        return np.asarray(cv2.blur(image, window, borderType=cv2.BORDER_REFLECT))

    mean_guide, mean_matte = mean(guide), mean(matte)
    covariance = mean(guide * matte) - mean_guide * mean_matte
    variance = mean(guide * guide) - mean_guide * mean_guide
    slope = np.asarray(covariance / (variance + np.float32(epsilon)), np.float32)
    offset = np.asarray(mean_matte - slope * mean_guide, np.float32)
    return LocalLinearModel(mean(slope), mean(offset))
