"""The 68 points on MediaPipe's face mesh.

The table was found without labelled photographs (docs/decisions/0063-fused-landmarks.md): corners and middles are
vertices, lids and lips lie on the vertex line, brows and nostrils among a few vertices, the contour in equal steps
along the oval of the face.
"""

import json
from functools import cache
from importlib import resources

import cv2
import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float64Array
from talkmill.landmarks.mesh import SURFACE_COUNT, VERTEX_COUNT, roll, turned
from talkmill.landmarks.points import CONTOUR_COUNT, COUNT

CHIN = CONTOUR_COUNT // 2
# Directions in which the contour goes out to the silhouette, in radians below the horizontal, from the ear to the chin.
OUTWARD = np.array([0.0, 0.0, 0.0, 0.1, 0.25, 0.5, 0.8, 1.2])


@cache
def point_table() -> Float64Array:
    """Return the weight of each vertex in each point, (68, 478)."""
    rows = json.loads(resources.files("talkmill.landmarks").joinpath("mesh_points.json").read_text())["points"]
    table = np.zeros((COUNT, VERTEX_COUNT))
    for point, row in enumerate(rows):
        for vertex, weight in row:
            table[point, vertex] = weight
    return table


def points_of(vertices: npt.NDArray[np.floating]) -> Float64Array:
    """Return the 68 points on the surface of meshes, (..., 478, 3) to (..., 68, 2)."""
    return np.asarray(point_table() @ vertices[..., :2])


def to_silhouette(points: npt.NDArray[np.floating], vertices: npt.NDArray[np.floating]) -> Float64Array:
    """Move the contour outward to the silhouette of the mesh.

    On the far side of a turned head the contour that people label is the outline, not a line on the surface. In front
    the two are nearly the same.

    Args:
        points: (68, 2) on the surface of the mesh.
        vertices: (478, 3).

    Returns:
        (68, 2) float64; the chin and the inner points stay.
    """
    turn = turned(roll(vertices))
    upright = vertices[:SURFACE_COUNT, :2] @ turn
    outline = cv2.convexHull(upright.astype(np.float32))[:, 0].astype(np.float64)
    right = np.stack([-np.cos(OUTWARD), np.sin(OUTWARD)], axis=1)
    directions = np.concatenate([right, right[::-1] * [-1, 1]])
    sides = [*range(CHIN), *range(CHIN + 1, CONTOUR_COUNT)]
    start = points[sides] @ turn
    moved = np.array(points, np.float64)
    moved[sides] = (start + directions * distance_out(start, directions, outline)[:, None]) @ turn.T
    return moved


def distance_out(start: Float64Array, directions: Float64Array, outline: Float64Array) -> Float64Array:
    """Return how far points lie from a convex outline along their directions; 0 for one outside it.

    Args:
        start: (P, 2).
        directions: (P, 2) of length 1.
        outline: (E, 2) corners in order.
    """
    edges = np.roll(outline, -1, axis=0) - outline
    normals = np.stack([edges[:, 1], -edges[:, 0]], axis=1)
    middle = outline.mean(0)
    normals *= np.sign(((outline - middle) * normals).sum(1))[:, None]
    gap = ((outline[None] - start[:, None]) * normals).sum(-1)
    speed = directions @ normals.T
    distances = np.where(speed > 0, gap / np.where(speed > 0, speed, 1), np.inf)
    return np.asarray(np.maximum(distances.min(1), 0))
