"""The frame of BFM 2009, into which free heads are brought when they are built: one constant similarity each.

The origin is the mean of BFM's vertices, +y is up and +z out of its face. The constants are least squares (Umeyama,
TPAMI 1991) from a head's 51 inner points to those of BFM's mean, both made symmetric: scale, a turn about x, a shift in
y and z. BFM's points are those of `similarity_Lm3D_all.mat` of Deep3DFaceRecon_pytorch 9167c71, in its vertex
frame; nothing of them is in these files. How they were computed: docs/models.md, "The frame of the head".
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float32Array


@dataclass(frozen=True, slots=True)
class IntoBfmFrame:
    """A similarity from a head's frame, its origin at the centroid of its landmark vertices, into BFM's.

    Attributes:
        scale: BFM's size over the head's.
        pitch_degrees: Right-handed turn about x.
        shift: (y, z) in units of 10 cm.
    """

    scale: float
    pitch_degrees: float
    shift: tuple[float, float]

    def points(self, points: Float32Array) -> Float32Array:
        """Move points, (..., 3)."""
        moved = self.scale * points @ self._rotation().T + np.array([0.0, *self.shift])
        return np.asarray(moved, np.float32)

    def modes(self, modes: Float32Array) -> Float32Array:
        """Turn and scale offsets, (V, 3, K)."""
        return np.asarray(self.scale * np.einsum("ij,vjk->vik", self._rotation(), modes), np.float32)

    def _rotation(self) -> npt.NDArray[np.float64]:
        cosine, sine = np.cos(np.radians(self.pitch_degrees)), np.sin(np.radians(self.pitch_degrees))
        return np.array([[1.0, 0.0, 0.0], [0.0, cosine, -sine], [0.0, sine, cosine]])


MAKEHUMAN = IntoBfmFrame(1.015755, -2.27974, (-0.066532, 0.173781))
ICT = IntoBfmFrame(0.952788, 1.02779, (-0.071741, 0.180152))
