"""The fitted head drawn over a frame, for people to look at. Not a renderer: painter's algorithm, one light."""

import cv2
import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float32Array, Float64Array, Frame
from talkmill.geometry.conventions import project
from talkmill.morphable.model import MorphableModel

# Clay, RGB; and how much of it covers the frame. Chosen by eye, as are all constants here.
CLAY = np.array([218, 218, 222], np.float32)
OPACITY = 0.7
# Where clay and skin are equally bright, as in print without colour, the outlines are what is seen.
OUTLINE = (0, 114, 178)
# Where the light stands in the camera's frame (x right, y up, z towards the camera), and what reaches the dark side.
LIGHT = np.array([-0.35, 0.45, 0.82])
AMBIENT = 0.3
# A triangle whose normal and line of sight have a smaller cosine is seen edge-on and left out.
EDGE_ON = 0.05
# How often each normal is replaced by the mean of those around it: enough that a crease of one triangle is not seen,
# and that nose, lips and brows still are.
SMOOTHING_ROUNDS = 4
# Standard deviation of the blur that hides the triangles and softens the outline, of the frame's side.
BLUR = 1 / 300
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
    """Draw a head of clay over a frame.

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
    camera, triangles = vertices @ rotation.T + translation, model.triangles
    corners = camera[triangles]
    faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    middles = corners.mean(1)
    # hm08 and ICT wind their faces counter-clockwise seen from outside.
    front = np.flatnonzero((_unit(faces) * _unit(-middles)).sum(1) > EDGE_ON)
    order = front[np.argsort(middles[front, 2])]
    lit = np.maximum(_smooth_normals(faces, triangles, len(vertices)) @ _unit(LIGHT), 0)
    # 0 is left for where no head is.
    lights = np.rint(255 * (AMBIENT + (1 - AMBIENT) * lit[triangles[order]].mean(1)))
    pixels = project(vertices.astype(np.float64), rotation, translation, focal, centre)
    polygons = np.rint(pixels[triangles[order]] * (1 << SHIFT)).astype(np.int32)
    layer = np.zeros(frame.shape[:2], np.uint8)
    for polygon, light in zip(polygons, lights.tolist(), strict=True):
        cv2.fillConvexPoly(layer, polygon, light, cv2.LINE_8, SHIFT)
    return _blended(frame, layer)


def _blended(frame: Frame, layer: npt.NDArray[np.uint8]) -> Frame:
    """Put clay and its outlines over a frame, with the light of a layer, (H, W) uint8, in which 0 is no head."""
    sigma = BLUR * len(frame)
    cover = _blur(np.asarray(layer > 0, np.float32), sigma)
    light = _blur(np.asarray(layer, np.float32) / np.float32(255), sigma) / np.maximum(cover, 1e-3)
    share = OPACITY * cover[..., None]
    image = np.asarray(np.rint(frame * (1 - share) + share * CLAY * np.minimum(light, 1)[..., None]), np.uint8)
    # Of the head and of the openings of eyes and mouth.
    outlines, _ = cv2.findContours((layer > 0).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(image, outlines, -1, OUTLINE, 1, cv2.LINE_AA))


def _smooth_normals(faces: Float64Array, triangles: npt.NDArray[np.int32], count: int) -> Float64Array:
    """Return unit normals of the vertices, (V, 3), out of those of the faces, (T, 3), which weigh by their area."""
    around = faces
    for _ in range(1 + SMOOTHING_ROUNDS):
        sums = [np.bincount(triangles.reshape(-1), np.repeat(axis, 3), count) for axis in around.T]
        normals = _unit(np.stack(sums, axis=1))
        around = normals[triangles].mean(1)
    return normals


def _unit(vectors: Float64Array) -> Float64Array:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12))


def _blur(image: Float32Array, sigma: float) -> Float32Array:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma))
