"""Where the 68 points lie on a mesh: data beside this file, found on clips (docs/decisions/0009-camera-pose.md)."""

import json
from dataclasses import dataclass
from importlib import resources

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class LandmarkPoints:
    """Points in the numbering of the published mesh.

    Attributes:
        landmarks: (68,) int32 vertex next to each point.
        vertex_indices: (68, 3) int32, the triangle that it lies in.
        barycentric: (68, 3) float32 coordinates in that triangle.
    """

    landmarks: npt.NDArray[np.int32]
    vertex_indices: npt.NDArray[np.int32]
    barycentric: npt.NDArray[np.float32]


def landmark_table(name: str) -> str:
    """Return the table of a mesh, `makehuman` or `ict`, as JSON."""
    return resources.files("talkmill.morphable").joinpath(f"{name}_landmarks.json").read_text()


def landmark_points(name: str) -> LandmarkPoints:
    """Read the points of a mesh, `makehuman` or `ict`."""
    table = json.loads(landmark_table(name))
    corners, shares = zip(*table["points"], strict=True)
    weights = np.array(shares, np.float32)
    return LandmarkPoints(
        np.array(table["landmarks"], np.int32),
        np.array(corners, np.int32),
        weights / weights.sum(1, keepdims=True),
    )
