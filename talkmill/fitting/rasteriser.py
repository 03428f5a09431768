"""Depth maps of meshes, vectorised over frames and triangles; no order of threads changes them.

Source: Pineda, "A parallel algorithm for polygon rasterization", SIGGRAPH 1988 (edge functions).
"""

import torch

# Sides of the boxes that triangles are sorted into; a larger triangle is clipped to the last.
BOXES = (2, 4, 8, 16, 32, 64)
FAR = 1e6


def depth_maps(vertices: torch.Tensor, triangles: torch.Tensor, focal: float, centre: float, size: int) -> torch.Tensor:
    """Return the depth of the nearest surface at each pixel's centre.

    Args:
        vertices: (N, V, 3) float32 in the camera's frame, looking down -z.
        triangles: (T, 3) int64.
        focal: Focal length in pixels of the map.
        centre: Principal point in pixels of the map.
        size: Side of the map.

    Returns:
        (N, size, size) float32, FAR where nothing is.
    """
    count = len(vertices)
    depth = (-vertices[..., 2]).clamp(min=1e-3)
    pixels = torch.stack([centre + focal * vertices[..., 0] / depth, centre - focal * vertices[..., 1] / depth], dim=-1)
    corners, depths = pixels[:, triangles], depth[:, triangles]
    first, second, third = corners.unbind(2)
    # Twice the signed area; negative in front, because rows run down.
    area = _cross(second - first, third - first)
    low, high = corners.amin(2), corners.amax(2)
    inside = (high >= 0).all(-1) & (low <= size - 1).all(-1) & (area < -1e-6)
    # Pixel centres that a triangle can cover.
    begin = low.ceil().clamp(min=0)
    sides = (high.floor() - begin).amax(-1) + 1
    maps = torch.full((count * size * size,), FAR, device=vertices.device)
    smallest = 0
    for box in BOXES:
        last = box == BOXES[-1]
        chosen = inside & (sides > smallest) & ((sides <= box) | last)
        smallest = box
        frame, face = chosen.nonzero(as_tuple=True)
        if not len(frame):
            continue
        offsets = torch.arange(box, device=vertices.device)
        grid = torch.stack(torch.meshgrid(offsets, offsets, indexing="xy"), dim=-1).reshape(1, -1, 2)
        points = begin[frame, face][:, None] + grid
        a, b, c = corners[frame, face][:, None].unbind(2)
        whole = area[frame, face][:, None]
        u, v = _cross(c - b, points - b) / whole, _cross(a - c, points - c) / whole
        w = 1 - u - v
        covered = (u >= 0) & (v >= 0) & (w >= 0) & (points < size).all(-1)
        near = depths[frame, face][:, None]
        # Perspective: the inverse of the depth is linear in the picture.
        between = 1 / (u / near[..., 0] + v / near[..., 1] + w / near[..., 2])
        place = (frame[:, None] * size + points[..., 1].long()) * size + points[..., 0].long()
        maps.scatter_reduce_(0, place[covered], between[covered], "amin")
    return maps.reshape(count, size, size)


def _cross(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    return first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]
