"""Which texels the camera sees, and how they stand to it."""

from dataclasses import dataclass

import numpy as np

from talkmill.arrays import Float32Array
from talkmill.fitting.chunks import by_chunks
from talkmill.fitting.rasteriser import depth_maps
from talkmill.fitting.state import State
from talkmill.fitting.texels import Texels, view
from talkmill.geometry.conventions import REFERENCE_SIZE

# Side of the depth maps; texels this far behind the nearest surface are hidden, in units of 10 cm.
DEPTH_SIZE, DEPTH_BIAS = 128, 0.06
# Cosine between normal and line of sight at which a texel begins to count, and counts in full.
GRAZING, FACING = 0.25, 0.5


@dataclass(frozen=True, slots=True)
class Facing:
    """How the texels stand to the camera.

    Attributes:
        visible: (N, S) float32 in 0..1: not hidden, not grazing.
        normals: (N, 3, S) float32 unit normals in the camera's frame.
    """

    visible: Float32Array
    normals: Float32Array


def facing(texels: Texels, state: State, threads: int = 1) -> Facing:
    """Cast the head into depth maps and return what is seen of the texels."""
    count = len(state.expression)
    parts = by_chunks(lambda frames: _facing(texels, state.part(frames)), count, threads)
    return Facing(np.concatenate([part.visible for part in parts]), np.concatenate([part.normals for part in parts]))


def _facing(texels: Texels, state: State) -> Facing:
    seen, head = view(texels.skin, state), view(texels.head, state).camera
    scale, middle = DEPTH_SIZE / REFERENCE_SIZE, (DEPTH_SIZE - 1) / 2
    maps = depth_maps(head, texels.triangles, state.focal * scale, middle, DEPTH_SIZE)
    inside = (np.abs(seen.offset) < REFERENCE_SIZE / 2).all(1)
    column, row = np.moveaxis(np.rint(seen.offset * scale + middle), 1, 0).clip(0, DEPTH_SIZE - 1).astype(np.int64)
    nearest = maps[np.arange(len(maps))[:, None], row, column]
    first, second, third = (head[:, :, vertex] for vertex in texels.vertex_indices)
    normals = _unit(np.cross(second - first, third - first, axis=1))
    cosine = -(normals * _unit(seen.camera)).sum(1)
    towards = ((cosine - GRAZING) / (FACING - GRAZING)).clip(0, 1)
    return Facing(towards * ((seen.depth < nearest + DEPTH_BIAS) & inside), normals)


def _unit(vectors: Float32Array) -> Float32Array:
    """Return vectors (N, 3, S) at length 1."""
    return np.asarray(vectors / np.maximum(np.sqrt((vectors**2).sum(1, keepdims=True)), np.float32(1e-12)))
