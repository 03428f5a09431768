"""The camera that OTAvatar makes of our `condition`, written out here.

Facts of OTAvatar c8c484f, data/dataset.py and data/utils.py: it negates the first two of the stored angles, turns them
by the usual matrices in the order z, y, x, and takes the transpose as the rotation of the camera in the world; it
averages rotation and translation over the frames i-1 to i+1, of which the window of the last frame and of the one
before it leaves the last out; trans z - 10; centre = -R trans, times 0.27, plus (0, 0.015, 0.161), times 2.7 / 4; the
camera looks along +z with y down; focal 2985.29 / 700 * focal / 1050 of the picture's side, principal point at 1/2.
"""

from dataclasses import dataclass

import numpy as np

SIZE = 512


@dataclass(frozen=True)
class Camera:
    """cam2world (4, 4) of OTAvatar's generator, and focal length over the picture's side."""

    world_from_camera: np.ndarray
    focal: float

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Project (P, 3) points of a head, in its own frame and units, into a picture of SIZE."""
        # The inverse of what the centre went through takes the head into the generator's world.
        world = (points * 0.27 + [0, 0.015, 0.161]) * (2.7 / 4)
        rotation, centre = self.world_from_camera[:3, :3], self.world_from_camera[:3, 3]
        seen = np.linalg.solve(rotation, (world - centre).T).T
        return SIZE * (self.focal * seen[:, :2] / seen[:, 2:] + 0.5)


def usual(angles: np.ndarray) -> np.ndarray:
    """Rz Ry Rx of right-handed turns."""
    (sx, sy, sz), (cx, cy, cz) = np.sin(angles), np.cos(angles)
    x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return z @ y @ x


def reference_camera(condition: np.ndarray, index: int) -> Camera:
    rows = condition.astype(np.float64)
    turns = np.stack([usual(row[:3] * [-1, -1, 1]).T for row in rows])
    window = slice(max(index - 1, 0), min(index + 2, len(rows) - 1))
    with np.errstate(invalid="ignore"):
        count = len(rows[window])
        shift = rows[window, 3:6].sum(0) / np.float64(count)
        rotation = turns[window].sum(0) / np.float64(count)
    shift[2] -= 10
    pose = np.eye(4)
    pose[:3, :3] = rotation @ np.diag([1, -1, -1])
    pose[:3, 3] = (-rotation @ shift * 0.27 + [0, 0.015, 0.161]) * 2.7 / 4
    return Camera(pose, 2985.29 / 700 * rows[index, 6] / 1050)


def after_the_best_scale_and_shift(points: np.ndarray, target: np.ndarray) -> float:
    """RMS distance in pixels that is left."""
    a, b = points - points.mean(0), target - target.mean(0)
    return float(np.sqrt(((a * (a * b).sum() / (a * a).sum() - b) ** 2).sum(1).mean()))
