"""The coefficient layouts that trainers read, and where ours go in them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float32Array

# Deep3DFaceRecon: identity 80, expression 64, texture 80, angles 3, gamma 27, translation 3.
COARSE_COUNT = 257
COARSE_SLICES = {
    "identity": slice(0, 80),
    "expression": slice(80, 144),
    "texture": slice(144, 224),
    "angles": slice(224, 227),
    "gamma": slice(227, 254),
    "translation": slice(254, 257),
}
# AD-NeRF's fine fit.
FINE_IDENTITY_COUNT, FINE_EXPRESSION_COUNT = 100, 79


@dataclass(frozen=True, slots=True)
class CoarseCoefficients:
    """One clip in the 257 layout. Another basis than BFM fills the slots from the front; the rest is zero."""

    values: Float32Array

    @classmethod
    def assemble(
        cls,
        identity: npt.NDArray[np.floating],
        expression: npt.NDArray[np.floating],
        angles: npt.NDArray[np.floating],
        translation: npt.NDArray[np.floating],
    ) -> "CoarseCoefficients":
        """Fill the layout; texture and gamma are not estimated and stay zero.

        Args:
            identity: (N, up to 80).
            expression: (N, up to 64).
            angles: (N, 3) radians.
            translation: (N, 3) units of 10 cm.
        """
        values = np.zeros((len(angles), COARSE_COUNT), np.float32)
        parts = {"identity": identity, "expression": expression, "angles": angles, "translation": translation}
        for name, part in parts.items():
            start = COARSE_SLICES[name].start
            if part.shape[1] > COARSE_SLICES[name].stop - start:
                raise ValueError(f"{name} has {part.shape[1]} coefficients, the layout holds {COARSE_SLICES[name]}")
            values[:, start : start + part.shape[1]] = part
        return cls(values)


def padded(values: npt.NDArray[np.floating], count: int) -> Float32Array:
    """Append zeros to the last axis up to a count.

    Raises:
        ValueError: There are more values than the count.
    """
    if values.shape[-1] > count:
        raise ValueError(f"{values.shape[-1]} coefficients do not fit into {count}")
    width = [(0, 0)] * (values.ndim - 1) + [(0, count - values.shape[-1])]
    return np.pad(values, width).astype(np.float32)
