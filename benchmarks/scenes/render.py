"""Pictures of a scene, by ray casting: none of the code that fits takes part in it.

Skin is a solid texture: a function of the place on the mean head, so that it is the same whatever mesh carries it.
Light is nine spherical harmonics a channel, fixed to the camera. Hair is a shell that no fitted head knows of.
Source: Wald et al., "Embree: a kernel framework for efficient CPU ray tracing", SIGGRAPH 2014 (embreex); Ramamoorthi
and Hanrahan, "An efficient representation for irradiance environment maps", SIGGRAPH 2001, eq. 13.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation, Slerp

from benchmarks.scenes.scene import Scene
from talkmill.arrays import Float64Array, Frame
from talkmill.geometry.conventions import REFERENCE_SIZE
from talkmill.morphable.model import MorphableModel

SKIN, LIPS, BROW, HAIR = (
    np.array(rgb) for rgb in ((0.74, 0.55, 0.46), (0.62, 0.33, 0.33), (0.20, 0.14, 0.11), (0.16, 0.11, 0.08))
)
EYE, MOUTH, CLOTH, HAND = (
    np.array((0.55, 0.53, 0.52)),
    np.array((0.25, 0.08, 0.08)),
    np.array((0.22, 0.27, 0.40)),
    np.array((0.70, 0.50, 0.42)),
)
# Rays a pixel along each side, sub-frames of a blurred frame, and how much of the frame's time the shutter is open.
RAYS, SUBFRAMES, SHUTTER = 2, 5, 0.5
SENSOR_NOISE = 0.006
LATTICE = 48


@dataclass(frozen=True, slots=True)
class Look:
    """What makes a picture harder.

    Attributes:
        occluded: A hand passes in front of the face.
        blurred: The shutter stays open for half the frame's time.
        size: Side of the picture in pixels.
        seed: Of skin, light, hair, background and sensor noise.
    """

    occluded: bool = False
    blurred: bool = False
    size: int = REFERENCE_SIZE
    seed: int = 0


@dataclass(frozen=True, slots=True)
class _Ball:
    """An eyeball or the inside of the mouth: seen through the holes of the mesh.

    Attributes:
        points: Landmarks around the hole.
        radius: In units of 10 cm.
        depth: Of its centre behind them.
        colour: RGB.
    """

    points: slice
    radius: float
    depth: float
    colour: Float64Array

    def mesh(self, landmarks: Float64Array) -> Float64Array:
        """Return its triangles' corners, (T, 3, 3), in the camera's frame."""
        down, around = np.meshgrid(np.linspace(0, np.pi, 9), np.linspace(0, 2 * np.pi, 17), indexing="ij")
        sphere = np.stack([np.sin(down) * np.cos(around), np.cos(down), np.sin(down) * np.sin(around)], axis=-1)
        a, b, c, d = sphere[:-1, :-1], sphere[:-1, 1:], sphere[1:, :-1], sphere[1:, 1:]
        corners = np.concatenate([np.stack([a, b, c], axis=2), np.stack([b, d, c], axis=2)]).reshape(-1, 3, 3)
        return np.asarray(corners * self.radius + landmarks[self.points].mean(0) - [0, 0, self.depth])


INSIDE = (
    _Ball(slice(36, 42), 0.13, 0.17, EYE),
    _Ball(slice(42, 48), 0.13, 0.17, EYE),
    _Ball(slice(60, 68), 0.24, 0.32, MOUTH),
)


def render(scene: Scene, look: Look) -> Iterator[Frame]:
    """Yield the frames of a scene, RGB (size, size, 3) uint8."""
    painter = _Painter(scene, look)
    noise = np.random.default_rng(look.seed + 1)
    for index in range(len(scene)):
        picture = painter.picture(index)
        picture = picture + noise.normal(0, SENSOR_NOISE, picture.shape)
        yield np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def irradiance(light: Float64Array, normals: Float64Array) -> Float64Array:
    """Return the light that surfaces receive, (P, 3) from (9, 3) coefficients and (P, 3) unit normals."""
    x, y, z = normals.T
    one = np.ones_like(x)
    terms = np.stack([one, y, z, x, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y], axis=1)
    return np.asarray(terms @ light)


class _Painter:
    def __init__(self, scene: Scene, look: Look) -> None:
        self._scene, self._look = scene, look
        random = np.random.default_rng(look.seed)
        self._lattice = random.uniform(-1, 1, (LATTICE,) * 3)
        self._light = _random_light(random)
        self._background = _background(random, look.size)
        model = scene.model
        self._triangles = model.triangles.astype(np.int64)
        self._features = model.mean[model.landmarks].astype(np.float64)
        self._mean = model.mean.astype(np.float64)
        self._hairy = _hair_cover(model, self._features)
        self._tufts = (
            0.10 + 0.08 * _noise(self._lattice, self._mean, 2.5) + 0.05 * _noise(self._lattice, self._mean, 9.0)
        )

    def picture(self, index: int) -> Float64Array:
        """Return one frame, (size, size, 3) in 0..1."""
        if not self._look.blurred:
            return self._moment(index, self._scene.rotation[index], self._scene.translation[index])
        following = min(index + 1, len(self._scene) - 1)
        turn = Slerp([0, 1], Rotation.from_matrix(self._scene.rotation[[index, following]]))
        pictures = []
        # The truth of a blurred frame is the middle of its exposure.
        for part in (np.arange(SUBFRAMES) + 0.5) / SUBFRAMES * SHUTTER - SHUTTER / 2:
            share = abs(part)
            other = following if part > 0 else max(index - 1, 0)
            if part < 0:
                turn = Slerp([0, 1], Rotation.from_matrix(self._scene.rotation[[index, other]]))
            shift = (1 - share) * self._scene.translation[index] + share * self._scene.translation[other]
            pictures.append(self._moment(index, turn(share).as_matrix(), shift))
        return np.asarray(np.mean(pictures, axis=0))

    def _moment(self, index: int, rotation: Float64Array, translation: Float64Array) -> Float64Array:
        size = self._look.size
        camera = self._scene.vertices(index) @ rotation.T + translation
        normals = _vertex_normals(camera, self._triangles)
        cover = self._hairy[:, None]
        shell = camera + normals * np.where(cover > 0, self._tufts[:, None], -0.02)
        canvas = self._background.copy()
        focal, centre = (
            self._scene.focal * size / REFERENCE_SIZE,
            (self._scene.centre + 0.5) * size / REFERENCE_SIZE - 0.5,
        )
        _paint_shoulders(canvas, camera, focal, centre)
        pixels = np.stack(
            [centre[0] - focal * shell[:, 0] / shell[:, 2], centre[1] + focal * shell[:, 1] / shell[:, 2]], axis=1
        )
        low = np.clip(np.floor(pixels.min(0)).astype(int) - 1, 0, size)
        high = np.clip(np.ceil(pixels.max(0)).astype(int) + 2, 0, size)
        width, height = high - low
        offsets = (np.arange(RAYS) + 0.5) / RAYS - 0.5
        columns = (low[0] + np.arange(width)[:, None] + offsets).reshape(-1)
        rows = (low[1] + np.arange(height)[:, None] + offsets).reshape(-1)
        grid_x, grid_y = np.meshgrid((columns - centre[0]) / focal, -(rows - centre[1]) / focal)
        rays = np.stack([grid_x, grid_y, -np.ones_like(grid_x)], axis=-1).reshape(-1, 3)
        colour, hit = self._trace(camera, shell, normals, rays)
        shape = (height, RAYS, width, RAYS, 3)
        share = hit.reshape(shape[:-1]).mean((1, 3))[..., None]
        painted = (colour * hit[:, None]).reshape(shape).mean((1, 3))
        canvas[low[1] : high[1], low[0] : high[0]] *= 1 - share
        canvas[low[1] : high[1], low[0] : high[0]] += painted
        if self._look.occluded:
            self._paint_hand(canvas, index, pixels.mean(0))
        return canvas

    def _trace(
        self, camera: Float64Array, shell: Float64Array, normals: Float64Array, rays: Float64Array
    ) -> tuple[Float64Array, npt.NDArray[np.bool_]]:
        """Return colours (R, 3) and whether something was hit (R,)."""
        triangles = self._triangles
        hair = triangles[(self._hairy[triangles] > 0).any(1)]
        balls = [ball.mesh(camera[self._scene.model.landmarks]) for ball in INSIDE]
        corners = np.concatenate([camera[triangles], shell[hair], *balls]).astype(np.float32)
        embree = EmbreeScene()
        TriangleMesh(embree, corners)
        found: dict[str, Any] = embree.run(np.zeros_like(rays, np.float32), rays.astype(np.float32), output=1)
        hit = found["primID"] >= 0
        colour = np.zeros_like(rays)
        primitive = found["primID"][hit]
        inside = primitive >= len(triangles) + len(hair)
        face = np.concatenate([triangles, hair])[np.where(inside, 0, primitive)]
        u, v = found["u"][hit].astype(np.float64), found["v"][hit].astype(np.float64)
        weight = np.stack([1 - u - v, u, v], axis=1)[..., None]
        place, normal = (weight * self._mean[face]).sum(1), (weight * normals[face]).sum(1)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        on_hair = primitive >= len(triangles)
        from_behind = (normal * rays[hit]).sum(1) > 0.3
        albedo = self._albedo(place)
        strands = 1 + 0.5 * _noise(self._lattice, place * [3, 1, 3], 14.0)[:, None]
        albedo[on_hair] = HAIR * strands[on_hair]
        albedo[from_behind] = MOUTH
        which = (primitive[inside] - len(triangles) - len(hair)) // len(balls[0])
        albedo[inside], normal[inside] = np.array([ball.colour for ball in INSIDE])[which], [0, 0, 1]
        colour[hit] = albedo * np.clip(irradiance(self._light, normal), 0.05, None)
        return colour, hit

    def _albedo(self, place: Float64Array) -> Float64Array:
        """Return skin with lips, brows, blotches and freckles at places of the mean head, (P, 3)."""
        tone = 1 + 0.06 * _noise(self._lattice, place, 1.5) + 0.05 * _noise(self._lattice, place, 5.0)
        tone += 0.04 * _noise(self._lattice, place + 7, 16.0)
        freckles = np.clip(_noise(self._lattice, place + 3, 11.0) - 0.45, 0, 1)
        colour = SKIN * (tone - 0.5 * freckles)[:, None]
        colour = _stroke(colour, place, self._features[[*range(48, 60), 48]], LIPS, 0.05)
        for brow in (range(17, 22), range(22, 27)):
            colour = _stroke(colour, place, self._features[list(brow)] + [0, 0.02, 0], BROW, 0.06)
        return colour

    def _paint_hand(self, canvas: Float64Array, index: int, head: Float64Array) -> None:
        """A hand crosses the lower face from the side, once every four seconds."""
        moment = (index / 100) % 1
        size = self._look.size
        place = head + np.array([(moment - 0.5) * 1.6, 0.12]) * size * 0.6
        mask = np.zeros(canvas.shape[:2], np.float32)
        centre = (round(float(place[0])), round(float(place[1])))
        cv2.ellipse(mask, centre, (size // 16, size // 9), 20, 0, 360, 1.0, -1, cv2.LINE_AA)
        canvas *= 1 - mask[..., None]
        canvas += mask[..., None] * HAND


def _noise(lattice: Float64Array, places: Float64Array, frequency: float) -> Float64Array:
    """Smooth noise in -1..1 at places (P, 3), about so many blobs a unit."""
    return np.asarray(map_coordinates(lattice, (places * frequency).T, order=1, mode="grid-wrap"))


def _stroke(
    colour: Float64Array, place: Float64Array, line: Float64Array, paint: Float64Array, width: float
) -> Float64Array:
    """Paint along a line of the mean head (L, 3)."""
    steps = np.concatenate([np.linspace(a, b, 8, endpoint=False) for a, b in itertools.pairwise(line)])
    near = np.flatnonzero(np.abs(place - line.mean(0)).max(1) < np.ptp(line, axis=0).max() / 2 + 2 * width)
    distance = np.full(len(place), np.inf)
    if len(near):
        distance[near] = np.sqrt(((place[near, None] - steps) ** 2).sum(-1).min(1))
    share = np.clip((width - distance) / (0.5 * width), 0, 1)[:, None]
    return np.asarray(colour * (1 - share) + paint * share)


def _random_light(random: np.random.Generator) -> Float64Array:
    """A soft key light from a side, (9, 3)."""
    light = random.normal(0, 0.05, (9, 1)) + random.normal(0, 0.01, (9, 3))
    light[0] = 0.75
    light[1] += random.uniform(0.05, 0.2)
    light[2] += random.uniform(0.15, 0.3)
    light[3] += random.uniform(-0.2, 0.2)
    return np.asarray(light)


def _background(random: np.random.Generator, size: int) -> Float64Array:
    coarse = random.uniform(0.2, 0.8, (6, 6, 3)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC), np.float64).clip(0, 1)


def _hair_cover(model: MorphableModel, features: Float64Array) -> Float64Array:
    """Return 1 for vertices under hair: above the forehead, and behind and above the ears."""
    brow, chin = features[17:27, 1].mean(), features[8, 1]
    face = brow - chin
    y, z = model.mean[:, 1], model.mean[:, 2]
    top = y > brow + 0.32 * face
    back = (z < features[[0, 16], 2].mean() - 0.1) & (y > chin + 0.35 * face)
    return np.asarray((top | back).astype(np.float64))


def _paint_shoulders(canvas: Float64Array, camera: Float64Array, focal: float, centre: Float64Array) -> None:
    """A plain garment under the head, drawn in the plane."""
    lowest = camera[np.argmin(camera[:, 1])]
    x, y = centre[0] - focal * camera[:, 0].mean() / lowest[2], centre[1] + focal * lowest[1] / lowest[2]
    unit = focal / abs(lowest[2])
    outline = np.array([[-0.5, -0.25], [0.5, -0.25], [1.9, 0.5], [2.2, 4], [-2.2, 4], [-1.9, 0.5]]) * unit + [x, y]
    mask = np.zeros(canvas.shape[:2], np.float32)
    cv2.fillPoly(mask, [np.rint(outline * 16).astype(np.int32)], 1.0, cv2.LINE_AA, 4)
    canvas *= 1 - mask[..., None]
    canvas += mask[..., None] * CLOTH


def _vertex_normals(vertices: Float64Array, triangles: npt.NDArray[np.int64]) -> Float64Array:
    corners = vertices[triangles]
    faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, triangles[:, corner], faces)
    return np.asarray(normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12))
