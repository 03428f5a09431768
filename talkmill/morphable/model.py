"""A linear head model: mean + identity + expression."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float32Array


@dataclass(frozen=True, slots=True)
class MorphableModel:
    """A linear head model in BFM's frame: +x the subject's left, +y up, +z out of the face; 1 unit = 10 cm.

    The origin is the mean of BFM's vertices (docs/coordinates.md).

    Attributes:
        name: Catalogue id.
        mean: (V, 3) float32.
        identity: (V, 3, K) float32; a coefficient of 1 is one standard deviation.
        expression: (V, 3, E) float32; a coefficient of 1 is the whole unit.
        expression_names: E names.
        triangles: (T, 3) int32.
        landmarks: (68,) int32 vertex next to each iBUG point.
        vertex_indices: (68, 3) int32, the triangle that each point lies in.
        barycentric: (68, 3) float32 coordinates in that triangle.
        alignment_scale: What its eyes, nose and mouth corners are multiplied with in the 5-point alignment, so that
            the 224 crop is as large as with BFM's.
    """

    name: str
    mean: Float32Array
    identity: Float32Array
    expression: Float32Array
    expression_names: tuple[str, ...]
    triangles: npt.NDArray[np.int32]
    landmarks: npt.NDArray[np.int32]
    vertex_indices: npt.NDArray[np.int32]
    barycentric: Float32Array
    alignment_scale: float = 1.0

    def landmark_rows(self, values: Float32Array) -> Float32Array:
        """Return values (V, ...) at the 68 points, (68, ...)."""
        return np.asarray(np.einsum("pc,pc...->p...", self.barycentric, values[self.vertex_indices]), np.float32)

    def shape(self, identity: npt.NDArray[np.floating], expression: npt.NDArray[np.floating]) -> Float32Array:
        """Return the vertices of one head.

        Args:
            identity: (K,).
            expression: (E,).

        Returns:
            (V, 3) float32.
        """
        shape: Float32Array = self.mean + self.identity @ identity + self.expression @ expression
        return shape.astype(np.float32)

    def save(self, path: Path, **more: npt.NDArray[np.float32]) -> None:
        """Write the model as .npz, with more arrays that `load` passes over.

        Half precision for the bases keeps a vertex to 2 micrometres.
        """
        np.savez_compressed(
            path,
            name=np.array(self.name),
            mean=self.mean,
            identity=self.identity.astype(np.float16),
            expression=self.expression.astype(np.float16),
            expression_names=np.array(self.expression_names),
            triangles=self.triangles,
            landmarks=self.landmarks,
            corners=self.vertex_indices,
            shares=self.barycentric,
            alignment_scale=np.array(self.alignment_scale),
            allow_pickle=False,
            **more,
        )

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a model that `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(
                name=str(arrays["name"]),
                mean=arrays["mean"],
                identity=arrays["identity"].astype(np.float32),
                expression=arrays["expression"].astype(np.float32),
                expression_names=tuple(str(name) for name in arrays["expression_names"]),
                triangles=arrays["triangles"],
                landmarks=arrays["landmarks"],
                vertex_indices=arrays["corners"],
                barycentric=arrays["shares"],
                alignment_scale=float(arrays["alignment_scale"]),
            )


def at_vertices(landmarks: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.int32], Float32Array]:
    """Return vertex indices and barycentric coordinates of points that are vertices, (68, 3) each."""
    shares = np.zeros((len(landmarks), 3), np.float32)
    shares[:, 0] = 1
    return np.repeat(landmarks[:, None], 3, axis=1).astype(np.int32), shares


def without_size(modes: Float32Array, mean: Float32Array, landmarks: npt.NDArray[np.int32]) -> Float32Array:
    """Take growth as a whole out of identity modes: one camera can't tell a larger head from a nearer one.

    Args:
        modes: (V, 3, K).
        mean: (V, 3), the origin at the centroid of its landmarks.
        landmarks: (68,) vertices whose size is held.

    Returns:
        (V, 3, K).
    """
    face = mean[landmarks]
    growth = np.einsum("pik,pi->k", modes[landmarks], face) / (face**2).sum()
    return np.asarray(modes - mean[..., None] * growth, np.float32)
