"""Landmarks of a frame: what a detector gives, and face-api-68's, which runs two passes of crops around the face."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float32Array, Frame
from talkmill.geometry.pyramid import Pyramid
from talkmill.geometry.transforms import Matrix, apply
from talkmill.inference.backend import Network
from talkmill.landmarks.crops import batch_of, crop_transform
from talkmill.landmarks.mesh import FaceMesh
from talkmill.landmarks.points import MIRROR, face_size, roll

# Figures of the constants below: docs/stages/landmarks.md.
SIDE = 112
FIRST_SCALE = 1.1
SECOND_SCALE = 1.15
# A crop of the second pass: shift in x and y in sides, scale; each is also mirrored.
Augmentation = tuple[float, float, float]
TEST_TIME_AUGMENTATION: tuple[Augmentation, ...] = (
    (0.0, 0.0, 1.0),
    (0.03, 0.0, 1.0),
    (-0.03, 0.0, 1.0),
    (0.0, 0.03, 1.0),
    (0.0, -0.03, 1.0),
    (0.0, 0.0, 1.06),
)
# The crops disagree by this share of the face size on a point that deserves half the trust.
HALF_TRUST_SPREAD = 0.02


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Landmarks of one face.

    Attributes:
        points: (68, 2) float32 pixels, centres at integers.
        confidence: (68,) float32 in (0, 1]: 1 where all votes agree, 1/2 where they differ by 2 % of the face; less
            where the face mesh doubts that there is a face.
        mesh: What the face mesh says; None where it was not asked.
    """

    points: Float32Array
    confidence: Float32Array
    mesh: FaceMesh | None = None


class LandmarkDetector(Protocol):
    """Finds the landmarks of a face."""

    def detect(self, frame: Frame, face_box: Float32Array) -> Landmarks:
        """Find the landmarks of one face.

        Args:
            frame: RGB, (H, W, 3) uint8.
            face_box: (4,) x0, y0, x1, y1 in pixels.

        Returns:
            Points in pixels of the frame, which may lie outside it.
        """
        ...


def trust(spread: npt.NDArray[np.floating]) -> Float32Array:
    """Return the confidence of points whose votes differ by a share of the face size; float32 in (0, 1]."""
    return np.asarray(1 / (1 + (spread / HALF_TRUST_SPREAD) ** 2), np.float32)


class FaceApiDetector:
    """Runs face-api-68, which wants a square around an upright face."""

    def __init__(self, network: Network, augmentation: Sequence[Augmentation] = TEST_TIME_AUGMENTATION) -> None:
        """Create a detector from face-api-68.

        Args:
            network: face-api-68.
            augmentation: Crops of the second pass.
        """
        self._network, self._augmentation = network, augmentation

    def detect(self, frame: Frame, face_box: Float32Array) -> Landmarks:
        """Find the landmarks of one face; see `LandmarkDetector.detect`."""
        pyramid = Pyramid(frame)
        centre = (face_box[:2] + face_box[2:]) / 2
        side = float((face_box[2:] - face_box[:2]).max()) * FIRST_SCALE
        first = self._run(pyramid, [crop_transform(centre, side, 0.0, SIDE)]).mean(0)
        angle = roll(first)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        upright = first @ turn
        low, high = upright.min(0), upright.max(0)
        side = float((high - low).max()) * SECOND_SCALE
        transforms = [
            crop_transform(turn @ ((low + high) / 2 + np.array([dx, dy]) * side), side * scale, angle, SIDE)
            for dx, dy, scale in self._augmentation
        ]
        votes = self._run(pyramid, transforms)
        points = votes.mean(0)
        spread = np.linalg.norm(votes - points, axis=-1).mean(0) / face_size(points)
        return Landmarks(points.astype(np.float32), trust(spread))

    def _run(self, pyramid: Pyramid, transforms: list[Matrix]) -> npt.NDArray[np.float64]:
        """Run every crop and its mirror image; (2 * crops, 68, 2) in pixels of the frame."""
        batch = batch_of(pyramid, transforms, SIDE, mirrored=True)
        (output,) = self._network.run({self._network.input_names[0]: batch})
        points = output.astype(np.float64) * SIDE - 0.5
        count = len(transforms)
        points[count:, :, 0] = SIDE - 1 - points[count:, :, 0]
        points[count:] = points[count:, MIRROR]
        return apply(np.stack([*transforms, *transforms]), points)
