"""Plane transforms as 3x3 matrices on column vectors (x, y, 1). Pixel centres lie at integers."""

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
Points = npt.NDArray[np.float64]


def apply(target_from_source: Matrix, points: npt.NDArray[np.floating]) -> Points:
    """Map points by an affine transform.

    Args:
        target_from_source: (3, 3) affine, or (..., 3, 3) with one matrix for each set of points.
        points: (..., P, 2).

    Returns:
        (..., P, 2) float64.
    """
    linear, offset = target_from_source[..., :2, :2], target_from_source[..., None, :2, 2]
    mapped: Points = points.astype(np.float64) @ np.swapaxes(linear, -1, -2) + offset
    return mapped


def image_from_square(x0: float, y0: float, side: float, size: int) -> Matrix:
    """Map pixels of a resized square back to the image that it was cut from.

    Args:
        x0: Left edge of the square in the image, in pixels with centres at integers, edges at halves: a square that
            begins with pixel 10 has x0 = 10.
        y0: Top edge, likewise.
        side: Side in pixels of the image.
        size: Side in pixels of the resized square.

    Returns:
        (3, 3) image_from_crop. Centres map as cv2.resize does: x = (u + 1/2) * side / size - 1/2 + x0.
    """
    return image_from_part(x0, y0, side, side, size, size)


def image_from_part(x0: float, y0: float, width: float, height: float, columns: int, rows: int) -> Matrix:
    """Map pixels of a resized part of an image back to the image; see `image_from_square`.

    Args:
        x0: Left edge of the part.
        y0: Top edge.
        width: Of the part, in pixels of the image.
        height: Of the part.
        columns: Width of the resized part.
        rows: Its height.

    Returns:
        (3, 3).
    """
    step_x, step_y = width / columns, height / rows
    return np.array([[step_x, 0, x0 + step_x / 2 - 0.5], [0, step_y, y0 + step_y / 2 - 0.5], [0, 0, 1]])


def similarity_from_points(source: npt.NDArray[np.floating], target: npt.NDArray[np.floating]) -> Matrix:
    """Find the similarity that takes one set of points to another with least squares.

    Source: Umeyama, "Least-squares estimation of transformation parameters between two point patterns", TPAMI 1991,
    eq. 40-42.

    Args:
        source: (P, D).
        target: (P, D).

    Returns:
        (D+1, D+1) target_from_source: scale, rotation (no reflection) and offset.

    Raises:
        ValueError: The source points coincide.
    """
    source, target = source.astype(np.float64), target.astype(np.float64)
    source_mean, target_mean = source.mean(0), target.mean(0)
    centred = source - source_mean
    variance = float((centred**2).sum()) / len(source)
    if variance == 0:
        raise ValueError("the source points coincide: no similarity is defined")
    u, d, vt = np.linalg.svd((target - target_mean).T @ centred / len(source))
    signs = np.ones(source.shape[1])
    signs[-1] = np.sign(np.linalg.det(u) * np.linalg.det(vt)) or 1.0
    rotation = (u * signs) @ vt
    scale = float((d * signs).sum()) / variance
    matrix = np.eye(source.shape[1] + 1)
    matrix[:-1, :-1] = scale * rotation
    matrix[:-1, -1] = target_mean - scale * rotation @ source_mean
    return matrix
