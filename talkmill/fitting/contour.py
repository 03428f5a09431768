"""Where the 17 contour points can lie: the edge of a face slides over the cheek as the head turns.

Source: Cao et al., "Displaced dynamic expression regression", SIGGRAPH 2014, section 4 (contour vertices by rows).
"""

import numpy as np
import numpy.typing as npt

from talkmill.landmarks.points import CONTOUR
from talkmill.morphable.model import MorphableModel

# Chosen by eye. Over three made-up clips of 60 frames (makehuman-head) the mean rotation error is 0.33 degrees. With
# half and twice the vertices it is 0.39 and 0.32, with half and twice the angle 0.36 and 0.39, with a reach from 0.4 or
# 0.8, or to 1.2, 0.33 to 0.34; with a ROW_BACK of 0.12 it is 0.54, and with 0 the error in depth is a quarter larger.
# Vertices of one row: from a little behind the jaw towards the middle of the face.
CANDIDATES = 10
# Angle around the line of sight, either side, and how far behind the landmark a row goes, in units of 10 cm.
ROW_RADIANS, ROW_BACK = 0.07, 0.06
# How far in, and out, of the jaw a row reaches, as fractions of the jaw's distance from the middle.
ROW_REACH = (0.6, 1.08)


def contour_candidates(model: MorphableModel) -> npt.NDArray[np.int32]:
    """Return a row of vertices for each contour point, found on the mean head.

    Args:
        model: Gives mean and landmark vertices.

    Returns:
        (17, CANDIDATES) int32, the landmark's own vertex first; short rows repeat it.
    """
    points = model.mean[model.landmarks].astype(np.float64)
    middle = points.mean(0)
    around = model.mean.astype(np.float64) - middle
    angle, radius = np.arctan2(around[:, 1], around[:, 0]), np.hypot(around[:, 0], around[:, 1])
    rows = np.repeat(model.landmarks[CONTOUR, None], CANDIDATES, axis=1).astype(np.int32)
    for row, point in zip(rows, points[CONTOUR] - middle, strict=True):
        apart = np.abs(np.angle(np.exp(1j * (angle - np.arctan2(point[1], point[0])))))
        reach = radius / np.hypot(point[0], point[1])
        near = (apart < ROW_RADIANS) & (around[:, 2] > point[2] - ROW_BACK)
        found = np.flatnonzero(near & (reach > ROW_REACH[0]) & (reach < ROW_REACH[1]))
        # Evenly over the depth: the edge moves forward as the head turns.
        if not len(found):
            continue
        depths = np.linspace(around[found, 2].min(), around[found, 2].max(), CANDIDATES - 1)
        for place, depth in enumerate(depths, start=1):
            row[place] = found[np.argmin(np.abs(around[found, 2] - depth))]
    return rows
