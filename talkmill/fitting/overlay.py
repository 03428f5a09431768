"""The fitted mesh drawn over a frame, for people to look at. Not a renderer: painter's algorithm, flat shading."""

import cv2
import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float64Array, Frame
from talkmill.geometry.conventions import project
from talkmill.morphable.model import MorphableModel

# Light blue, RGB: no skin has it.
MESH_COLOUR = np.array([120, 190, 255], np.float64)
OPACITY = 0.6
# Light on a triangle that is seen edge-on, where one that is seen face-on has 1, and the cosine between normal and line
# of sight below which a triangle is left out; both chosen by eye.
AMBIENT, EDGE_ON = 0.25, 0.05
# Sub-pixel bits of cv2's polygon coordinates.
SHIFT = 4


def draw_mesh(
    frame: Frame,
    model: MorphableModel,
    vertices: Float64Array,
    rotation: Float64Array,
    translation: Float64Array,
    focal: float,
    centre: float,
) -> Frame:
    """Draw a head over a frame.

    Args:
        frame: RGB, (H, W, 3) uint8.
        model: Gives the triangles.
        vertices: (V, 3) in the model's frame.
        rotation: (3, 3) camera_from_model.
        translation: (3,).
        focal: Focal length in pixels of the frame.
        centre: Principal point in pixels.

    Returns:
        A new frame, (H, W, 3) uint8.
    """
    camera = vertices @ rotation.T + translation
    corners = camera[model.triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    middles = corners.mean(1)
    towards = -middles / np.linalg.norm(middles, axis=1, keepdims=True)
    facing = (normals * towards).sum(1)
    # hm08 and ICT wind their faces counter-clockwise seen from outside.
    front = np.flatnonzero(facing > EDGE_ON)
    order = front[np.argsort(middles[front, 2])]
    pixels = project(vertices.astype(np.float64), rotation, translation, focal, centre)
    polygons = np.rint(pixels[model.triangles[order]] * (1 << SHIFT)).astype(np.int32)
    layer = frame.copy()
    for polygon, light in zip(polygons, facing[order], strict=True):
        shade = MESH_COLOUR * (AMBIENT + (1 - AMBIENT) * light)
        cv2.fillConvexPoly(layer, polygon, shade.tolist(), cv2.LINE_AA, SHIFT)
    return np.asarray(cv2.addWeighted(layer, OPACITY, frame, 1 - OPACITY, 0))


def draw_points(frame: Frame, points: npt.NDArray[np.floating], colour: tuple[int, int, int] = (0, 220, 60)) -> Frame:
    """Draw landmarks over a frame; (68, 2) pixels with centres at integers. Returns a new frame."""
    layer = frame.copy()
    radius = max(1, round(frame.shape[0] / 256))
    for x, y in np.rint(points * (1 << SHIFT)).astype(int):
        cv2.circle(layer, (int(x), int(y)), radius << SHIFT, colour, -1, cv2.LINE_AA, SHIFT)
    return layer
