"""What a made-up clip shows: identity, expression, pose and camera of every frame, and the landmarks seen in it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float64Array
from talkmill.geometry.conventions import REFERENCE_SIZE, principal_point, project, rotation_from_euler
from talkmill.landmarks.points import CONTOUR, COUNT
from talkmill.morphable.model import MorphableModel

RATE = 25.0
# What talking heads do: amplitude of pitch, yaw and roll in radians, and of the place in units of 10 cm.
TURN_AMPLITUDE = np.array([0.12, 0.30, 0.08])
SHIFT_AMPLITUDE = np.array([0.12, 0.08, 0.15])
# Fastest movement of the head in Hz; the second sines make up its band.
TURN_BAND = (0.15, 0.9)
# Pixels of a 512 crop that 10 cm take, and focal lengths of the same crop: webcams to long lenses.
PIXELS_PER_UNIT = (135.0, 170.0)
FOCAL_RANGE = (800.0, 1500.0)
# Contour points of a detector lie on the visible edge of the face: candidates within this angle about the face's centre
# and not farther back than the jaw.
SLAB_RADIANS, SLAB_BACK = 0.06, 0.05


@dataclass(frozen=True, slots=True)
class Scene:
    """A clip's truth.

    Attributes:
        model: The head that is shown.
        identity: (K,).
        expression: (N, E).
        rotation: (N, 3, 3) camera_from_model.
        translation: (N, 3).
        focal: Pixels of a 512 image.
        centre: (2,) principal point in pixels.
    """

    model: MorphableModel
    identity: Float64Array
    expression: Float64Array
    rotation: Float64Array
    translation: Float64Array
    focal: float
    centre: Float64Array

    def __len__(self) -> int:
        return len(self.rotation)

    def vertices(self, index: int) -> Float64Array:
        """Return the head of one frame, (V, 3), in the model's frame."""
        return self.model.shape(self.identity, self.expression[index]).astype(np.float64)

    def project(self, index: int, points: Float64Array) -> Float64Array:
        """Return pixels of model points of one frame, (P, 3) to (P, 2)."""
        pixels = project(points, self.rotation[index], self.translation[index], self.focal, 0.0)
        return np.asarray(pixels + self.centre)

    def landmarks(self, noise_pixels: float, seed: int) -> Float64Array:
        """Return what a detector would see, (N, 68, 2): the contour on the visible edge, normal noise on all."""
        slabs = _contour_slabs(self.model)
        middle = self.model.mean[self.model.landmarks].mean(0, keepdims=True).astype(np.float64)
        seen = np.empty((len(self), COUNT, 2))
        for index in range(len(self)):
            vertices = self.vertices(index)
            pixels = self.project(index, vertices)
            seen[index] = self.project(index, self.model.landmark_rows(vertices.astype(np.float32)).astype(np.float64))
            about = self.project(index, middle)[0]
            for point, slab in enumerate(slabs):
                outward = seen[index, point] - about
                seen[index, point] = pixels[slab][np.argmax((pixels[slab] - about) @ outward)]
        return np.asarray(seen + np.random.default_rng(seed).normal(0, noise_pixels, seen.shape))


def make_scene(model: MorphableModel, frame_count: int, seed: int, focal: float | None = None) -> Scene:
    """Make up a talking head.

    Args:
        model: The head.
        frame_count: Frames at 25 a second.
        seed: Of everything that is drawn.
        focal: Focal length in pixels at 512, or None to draw one evenly in its logarithm.

    Returns:
        The scene.
    """
    random = np.random.default_rng(seed)
    seconds = np.arange(frame_count) / RATE
    angles = TURN_AMPLITUDE * _wander(random, seconds, 3, TURN_BAND) + random.normal(0, 0.05, 3)
    shift = SHIFT_AMPLITUDE * _wander(random, seconds, 3, TURN_BAND)
    chosen = float(np.exp(random.uniform(*np.log(FOCAL_RANGE)))) if focal is None else focal
    shift[:, 2] -= chosen / random.uniform(*PIXELS_PER_UNIT)
    centre = np.full(2, principal_point(REFERENCE_SIZE))
    return Scene(
        model,
        np.asarray(random.normal(0, 1, model.identity.shape[2])),
        _talk(random, model.expression_names, seconds),
        rotation_from_euler(angles),
        shift,
        chosen,
        centre,
    )


def _wander(random: np.random.Generator, seconds: Float64Array, count: int, band: tuple[float, float]) -> Float64Array:
    """Return sums of sines of random phase in a band of frequencies, (N, count), with peaks near 1."""
    frequency = random.uniform(*band, (5, count))
    phase = random.uniform(0, 2 * np.pi, (5, count))
    weight = random.dirichlet(np.ones(5), count).T
    turns = 2 * np.pi * seconds[:, None, None] * frequency + phase
    return np.asarray((weight * np.sin(turns)).sum(1) * 1.3)


def _talk(random: np.random.Generator, names: tuple[str, ...], seconds: Float64Array) -> Float64Array:
    """Return unit coefficients (N, E) in 0..1: syllables for mouth and jaw, blinks, slow brows and cheeks."""
    columns = []
    for name in names:
        if name.startswith(("mouth", "jaw")):
            syllables = _wander(random, seconds, 1, (1.0, 4.5))[:, 0]
            column = random.uniform(0.1, 0.5) * np.clip(syllables, 0, 1)
        elif name.startswith("eyeBlink"):
            column = _blinks(np.random.default_rng(5), seconds)
        else:
            column = random.uniform(0, 0.4) * np.clip(_wander(random, seconds, 1, (0.1, 0.6))[:, 0], 0, 1)
        columns.append(column)
    return np.stack(columns, axis=1)


def _blinks(random: np.random.Generator, seconds: Float64Array) -> Float64Array:
    """Both eyes blink together: 0.2 s every 2 to 5 seconds."""
    level = np.zeros(len(seconds))
    moment = random.uniform(0.5, 2)
    while moment < seconds[-1] + 0.2:
        level = np.maximum(level, np.clip(1 - np.abs(seconds - moment) / 0.12, 0, 1))
        moment += random.uniform(2, 5)
    return level


def _contour_slabs(model: MorphableModel) -> list[npt.NDArray[np.int64]]:
    """Return for each contour point the vertices that its edge of the face can lie on."""
    points = model.mean[model.landmarks].astype(np.float64)
    middle = points.mean(0)
    around = model.mean.astype(np.float64) - middle
    angle = np.arctan2(around[:, 1], around[:, 0])
    slabs = []
    for point in points[CONTOUR] - middle:
        apart = np.abs(np.angle(np.exp(1j * (angle - np.arctan2(point[1], point[0])))))
        near = (apart < SLAB_RADIANS) & (around[:, 2] > point[2] - SLAB_BACK)
        slabs.append(np.flatnonzero(near))
    return slabs
