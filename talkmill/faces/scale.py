"""How large a head stays in one square for a whole clip, and where a clip ends so that it stays large enough."""

import numpy as np

from talkmill.arrays import Float32Array
from talkmill.faces.crop_box import steady_boxes


def union_ratio(boxes: Float32Array) -> float:
    """Return the longer side of the union of all boxes over the longer side of the smallest.

    A head that keeps its place and its size gives 1. The square of a clip grows with the union: at a ratio of 2 the
    head has half the height in the crop that it could have, and its distance from the camera doubles in every fit.

    Args:
        boxes: (N, 4) float32 x0, y0, x1, y1 in pixels, N >= 1.

    Returns:
        The ratio, of boxes after the median that the crop takes.
    """
    steady = steady_boxes(boxes)
    union = (steady[:, 2:].max(0) - steady[:, :2].min(0)).max()
    return float(union / (steady[:, 2:] - steady[:, :2]).max(1).min())


def split_by_union_ratio(boxes: Float32Array, max_ratio: float) -> list[tuple[int, int]]:
    """Cut a track into the fewest parts whose `union_ratio` stays within a bound.

    A part begins where the one before would exceed the bound, as in the crop of FOMM (Siarohin et al., NeurIPS 2019,
    crop-video.py), which ends a clip where the overlap of the box with the first one falls below a quarter.

    Args:
        boxes: (N, 4) float32 x0, y0, x1, y1 in pixels.
        max_ratio: Largest `union_ratio`, above 1.

    Returns:
        First row and the row after the last, of each part, in order; together they are all rows.
    """
    steady = steady_boxes(boxes).astype(np.float64)
    starts = [0]
    x0, y0, x1, y1, smallest = np.inf, np.inf, -np.inf, -np.inf, np.inf
    for row, (left, top, right, bottom) in enumerate(steady.tolist()):
        extent = max(right - left, bottom - top)
        x0, y0, x1, y1 = min(x0, left), min(y0, top), max(x1, right), max(y1, bottom)
        smallest = min(smallest, extent)
        if max(x1 - x0, y1 - y0) > max_ratio * smallest:
            starts.append(row)
            x0, y0, x1, y1, smallest = left, top, right, bottom, extent
    return list(zip(starts, [*starts[1:], len(boxes)], strict=True))
