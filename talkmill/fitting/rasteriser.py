"""Depth maps of meshes, vectorised over frames and triangles.

Source: Pineda, "A parallel algorithm for polygon rasterization", SIGGRAPH 1988 (edge functions).
"""

import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float32Array

# Sides of the boxes that triangles are sorted into; a larger triangle is clipped to the last.
BOXES = (2, 4, 8, 16, 32, 64)
FAR = 1e6


def depth_maps(
    vertices: Float32Array, triangles: npt.NDArray[np.integer], focal: float, centre: float, size: int
) -> Float32Array:
    """Return the depth of the nearest surface at each pixel's centre.

    Args:
        vertices: (N, 3, V) float32 in the camera's frame, looking down -z.
        triangles: (T, 3) vertices, counter-clockwise seen from outside; the backs of triangles hide nothing.
        focal: Focal length in pixels of the map.
        centre: Principal point in pixels of the map.
        size: Side of the map.

    Returns:
        (N, size, size) float32, FAR where nothing is.
    """
    near = 1 / np.maximum(-vertices[:, 2], np.float32(1e-3))
    pixels = np.stack([centre + focal * vertices[:, 0] * near, centre - focal * vertices[:, 1] * near])
    corners = [pixels[:, :, vertex] for vertex in triangles.T]
    # Twice the signed area; negative in front, because rows run down.
    (ax, ay), (bx, by), (cx, cy) = corners
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    # The pixel centres that a triangle can cover.
    begin = np.maximum(np.ceil(np.minimum.reduce(corners)), 0)
    end = np.minimum(np.floor(np.maximum.reduce(corners)), size - 1)
    frame, face = np.nonzero((area < -1e-6) & (begin <= end).all(0))
    begin, end, area = begin[:, frame, face], end[:, frame, face], area[frame, face]
    a, b, c = (corner[:, frame, face] - begin for corner in corners)
    # The barycentric coordinates of two corners, and the inverse of the depth, are linear in the picture.
    first, second = _plane(b, c, area), _plane(c, a, area)
    near_a, near_b, near_c = (near[frame, triangles[face, corner]] for corner in range(3))
    inverse = first * (near_a - near_c) + second * (near_b - near_c)
    inverse[0] += near_c
    room = end - begin
    place = (frame * size + begin[1].astype(np.int64)) * size + begin[0].astype(np.int64)
    nearest = np.zeros(len(vertices) * size * size, np.float32)
    side, smallest = room.max(0) + 1, 0
    for box in BOXES:
        boxed = np.flatnonzero((side > smallest) & ((side <= box) | (box == BOXES[-1])))
        smallest = box
        down, across = np.divmod(np.arange(box * box, dtype=np.int64)[:, None], box)
        u, v, depth = (
            start[boxed] + by_x[boxed] * across.astype(np.float32) + by_y[boxed] * down.astype(np.float32)
            for start, by_x, by_y in (first, second, inverse)
        )
        covered = (u >= 0) & (v >= 0) & (u + v <= 1) & (across <= room[0, boxed]) & (down <= room[1, boxed])
        np.maximum.at(nearest, (place[boxed] + down * size + across)[covered], depth[covered])
    maps = np.full_like(nearest, FAR)
    np.divide(1, nearest, out=maps, where=nearest > 0)
    return maps.reshape(-1, size, size)


def _plane(start: Float32Array, end: Float32Array, area: Float32Array) -> Float32Array:
    """Return value at (0, 0), slope by x and slope by y of the barycentric coordinate that is 0 from start to end."""
    by_x, by_y = (start[1] - end[1]) / area, (end[0] - start[0]) / area
    return np.stack([-by_x * start[0] - by_y * start[1], by_x, by_y])
