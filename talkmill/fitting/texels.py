"""Texels of the skin, and where the camera sees them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from talkmill.arrays import BoolArray, Float32Array
from talkmill.fitting.projection import LinearShape
from talkmill.fitting.state import State
from talkmill.fitting.surface import face_surface
from talkmill.morphable.model import MorphableModel


@dataclass(frozen=True, slots=True)
class Texels:
    """Points of the skin, and the head that they lie on, in float32.

    Attributes:
        skin: S points.
        modes: (S, 3, E + K) expression and identity of the points.
        held_out: (S,) points that are never fitted, only compared.
        vertex_indices: (3, S) the triangle that each point lies in.
        head: V vertices.
        triangles: (T, 3) vertex indices.
    """

    skin: LinearShape[np.float32]
    modes: Float32Array
    held_out: BoolArray
    vertex_indices: npt.NDArray[np.int32]
    head: LinearShape[np.float32]
    triangles: npt.NDArray[np.int32]

    @classmethod
    def of(cls, model: MorphableModel) -> "Texels":
        """Spread texels over the skin of a head."""
        surface = face_surface(model)
        shape = surface.shape
        skin = LinearShape(_single(shape.mean), _single(shape.identity), _single(shape.expression))
        modes = np.concatenate([skin.expression, skin.identity], axis=2)
        head = LinearShape(model.mean, model.identity, model.expression)
        return cls(skin, modes, surface.held_out, model.triangles[surface.faces].T, head, model.triangles)


@dataclass(frozen=True, slots=True)
class View:
    """Points of N frames as the camera sees them, float32; coordinates stand before points.

    Attributes:
        turned: (N, 3, P) rotated places.
        camera: (N, 3, P) places in the camera's frame.
        depth: (N, P) in front of the camera.
        offset: (N, 2, P) pixels of the 512 image to the right of and below its middle, the principal point.
    """

    turned: Float32Array
    camera: Float32Array
    depth: Float32Array
    offset: Float32Array


def view(shape: LinearShape[np.float32], state: State) -> View:
    """Project the points of a shape in every frame of a state."""
    rotation, translation = _single(state.pose.rotation), _single(state.pose.translation)
    points = shape.points(_single(state.identity), _single(state.expression))
    turned = rotation @ np.swapaxes(points, 1, 2)
    camera = turned + translation[:, :, None]
    depth = np.maximum(-camera[:, 2], np.float32(1e-3))
    focal = np.array([[state.focal], [-state.focal]], np.float32)
    return View(turned, camera, depth, focal * camera[:, :2] / depth[:, None])


def _single(array: npt.NDArray[np.floating]) -> Float32Array:
    return np.asarray(array, np.float32)
