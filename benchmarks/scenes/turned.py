"""A real face turned: the picture of a frontal face on a fitted head, drawn from another side by ray casting.

What the picture does not show is taken from the other half of the face, and where neither is seen it is plain skin.
Source: Zhu et al., "Face alignment across large poses: a 3D solution", CVPR 2016 (there: face profiling).
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from talkmill.arrays import Float32Array, Float64Array, Frame
from talkmill.fitting.frames import fit_frames
from talkmill.fitting.priors import FitPriors
from talkmill.fitting.projection import LandmarkBasis
from talkmill.geometry.conventions import (
    REFERENCE_SIZE,
    euler_from_rotation,
    principal_point,
    project,
    rotation_from_euler,
)
from talkmill.landmarks.points import LEFT_EYE, OUTER_EYE_CORNERS, RIGHT_EYE
from talkmill.morphable.model import MorphableModel

FOCAL, CENTRE = FitPriors().focal_pixels, principal_point(REFERENCE_SIZE)
# What closes the holes of the mesh: points around a hole, and how far its middle stands out in units of 10 cm.
HOLES = ((RIGHT_EYE, 0.03), (LEFT_EYE, 0.03), (slice(60, 68), -0.05))
# Cosines between surface and line of sight at which a picture begins to count, and at which it counts fully.
FLAT, STEEP = 0.15, 0.35
# A surface is seen where a ray to it ends as near as this, in units of 10 cm.
SAME_PLACE = 0.08
# A landmark's ray that ends farther than this from the head's own point, in units of 10 cm, went through a hole.
BESIDE_THE_POINT = 0.3
# Blur of the background, so that no second face is left in it, in pixels.
BACKGROUND_BLUR = 40.0
MIRRORED = np.array([-1.0, 1.0, 1.0])


@dataclass(frozen=True, slots=True)
class _Hits:
    """Where rays end.

    Attributes:
        hit: (R,) bool.
        triangle: (R,) index; of those that hit nothing, any.
        weights: (R, 3) of the triangle's corners.
    """

    hit: npt.NDArray[np.bool_]
    triangle: npt.NDArray[np.int64]
    weights: Float64Array

    def of(self, values: Float64Array) -> Float64Array:
        """Interpolate values of corners, (T, 3, C) to (R, C)."""
        return np.asarray((self.weights[..., None] * values[self.triangle]).sum(1))


@dataclass(frozen=True, slots=True)
class TurnedFace:
    """A face whose head can be turned.

    Attributes:
        picture: RGB, (512, 512, 3) uint8.
        corners: (T, 3, 3) triangles of the head in the model's frame, the holes closed.
        points: (68, 3) where the landmarks of the picture lie on it.
        rotation: (3, 3) camera_from_model in the picture.
        translation: (3,).
    """

    picture: Frame
    corners: Float64Array
    points: Float64Array
    rotation: Float64Array
    translation: Float64Array

    @classmethod
    def of(
        cls, picture: Frame, landmarks: Float32Array, confidence: Float32Array, model: MorphableModel
    ) -> "TurnedFace":
        """Fit a head.

        Args:
            picture: RGB, (512, 512, 3) uint8; the face looks into the camera.
            landmarks: (68, 2) pixels.
            confidence: (68,).
            model: The head.
        """
        basis = LandmarkBasis.of(model)
        fit = fit_frames(basis, landmarks[None], confidence[None], FOCAL, CENTRE, FitPriors())
        vertices = model.shape(fit.identity[0], fit.expression[0])
        rows = model.landmark_rows(vertices.astype(np.float32)).astype(np.float64)
        corners = np.concatenate([vertices.astype(np.float64)[model.triangles], _lids(rows)])
        found = cls(picture, corners, rows, fit.pose.rotation[0], fit.pose.translation[0])
        hits = found._cast(landmarks.astype(np.float64), found.rotation)
        ends = hits.of(corners)
        met = hits.hit & (np.linalg.norm(ends - rows, axis=1) < BESIDE_THE_POINT)
        return replace(found, points=np.where(met[:, None], ends, rows))

    @property
    def eye_distance(self) -> float:
        """Distance of the outer eye corners in pixels, of a head that looks into the camera."""
        right, left = self.points[list(OUTER_EYE_CORNERS)]
        return float(np.linalg.norm(right - left) * FOCAL / -self.translation[2])

    def truth(self, yaw: float) -> Float64Array:
        """Return where the landmarks of the picture are after a turn, (68, 2) pixels."""
        return self._project(self.points, self._turned(yaw))

    def draw(self, yaw: float) -> Frame:
        """Draw the head from another side.

        Args:
            yaw: Turn of the head in radians, in place of the picture's own.

        Returns:
            RGB, (512, 512, 3) uint8.
        """
        rows, columns = np.divmod(np.arange(REFERENCE_SIZE**2), REFERENCE_SIZE)
        hits = self._cast(np.stack([columns, rows], axis=1).astype(np.float64), self._turned(yaw))
        normals = np.cross(self.corners[:, 1] - self.corners[:, 0], self.corners[:, 2] - self.corners[:, 0])
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        places, directions = hits.of(self.corners), normals[hits.triangle]
        own, own_share = self._seen(places, directions)
        other, other_share = self._seen(places * MIRRORED, directions * MIRRORED)
        other_share = other_share * (1 - own_share)
        skin = np.median(self._seen(self.points, np.zeros_like(self.points))[0], axis=0)
        colour = own_share * own + other_share * other + (1 - own_share - other_share) * skin
        background = cv2.GaussianBlur(self.picture, (0, 0), BACKGROUND_BLUR).reshape(-1, 3)
        drawn = np.where(hits.hit[:, None], colour, background)
        return np.asarray(np.rint(np.clip(drawn, 0, 255)).reshape(self.picture.shape), np.uint8)

    def _turned(self, yaw: float) -> Float64Array:
        euler = euler_from_rotation(self.rotation[None])
        euler[0, 1] = yaw
        return np.asarray(rotation_from_euler(euler)[0])

    def _project(self, places: Float64Array, rotation: Float64Array) -> Float64Array:
        return project(places, rotation, self.translation, FOCAL, CENTRE)

    def _cast(self, pixels: Float64Array, rotation: Float64Array) -> _Hits:
        """Send rays through pixels (R, 2) at the head in some pose."""
        scene = EmbreeScene()
        TriangleMesh(scene, (self.corners @ rotation.T + self.translation).astype(np.float32))
        offset = (pixels - CENTRE) / FOCAL
        rays = np.stack([offset[:, 0], -offset[:, 1], -np.ones(len(pixels))], axis=1).astype(np.float32)
        found = scene.run(np.zeros_like(rays), rays, output=1)
        u, v = found["u"].astype(np.float64), found["v"].astype(np.float64)
        triangle = found["primID"].astype(np.int64)
        return _Hits(triangle >= 0, triangle, np.stack([1 - u - v, u, v], axis=1))

    def _seen(self, places: Float64Array, directions: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Return colours (P, 3) of places on the head in the picture, and how well they are seen, (P, 1) in 0..1."""
        pixels = self._project(places, self.rotation)
        side = REFERENCE_SIZE - 1
        x, y = (np.clip(np.rint(pixels[:, axis]), 0, side).astype(int) for axis in range(2))
        camera = places @ self.rotation.T + self.translation
        facing = -(directions @ self.rotation.T * camera).sum(1) / np.linalg.norm(camera, axis=1)
        hits = self._cast(pixels, self.rotation)
        there = hits.hit & (np.linalg.norm(hits.of(self.corners) - places, axis=1) < SAME_PLACE)
        share = np.clip((facing - FLAT) / (STEEP - FLAT), 0, 1) * there
        return self.picture[y, x].astype(np.float64), share[:, None]


def _lids(rows: Float64Array) -> Float64Array:
    """Return triangles over the holes of the mesh, (T, 3, 3), from its landmarks (68, 3)."""
    fans = []
    for hole, out in HOLES:
        edge = rows[hole]
        middle = np.broadcast_to(edge.mean(0) + [0, 0, out], edge.shape)
        fans.append(np.stack([np.roll(edge, -1, axis=0), edge, middle], axis=1))
    return np.concatenate(fans)
