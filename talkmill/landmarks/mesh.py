"""MediaPipe's face mesh: 478 vertices of a face, irises included, from upright crops around it."""

import json
from dataclasses import dataclass
from math import atan2

import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float32Array, Float64Array, Frame
from talkmill.geometry.pyramid import Pyramid
from talkmill.geometry.transforms import Matrix, apply
from talkmill.inference.backend import Network
from talkmill.landmarks.crops import batch_of, crop_transform

SIDE = 256
SURFACE_COUNT, VERTEX_COUNT = 468, 478
# An iris: its middle, then four points on its edge.
IRISES = RIGHT_IRIS, LEFT_IRIS = slice(468, 473), slice(473, 478)
RIGHT_OUTER_EYE, LEFT_OUTER_EYE = 33, 263
RIGHT_EAR, LEFT_EAR = 234, 454
# The outline of the face with its forehead. Source: MediaPipe, face_mesh_connections.py.
OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
# Side of a crop over that of the face; 1.3 shows brows and eyes better and the mouth worse.
SCALE = 1.5
# Slope of the yaw of a rigid fit of the canonical mesh over the angle between the ears (correlation 0.995).
YAW_GAIN = 1.03
# Where the ONNX file keeps the table of mirrored vertices.
MIRROR_KEY = "mirror"


@dataclass(frozen=True, slots=True)
class FaceMesh:
    """The mesh of one face.

    Attributes:
        vertices: (478, 3) float32 pixels of the frame, centres at integers; z is in the same unit, grows away from the
            camera and has its zero near the middle of the head.
        presence: Logit of the net that there is a face.
    """

    vertices: Float32Array
    presence: float


@dataclass(frozen=True, slots=True)
class MeshVotes:
    """What the last crops say, straight and mirrored.

    Attributes:
        votes: (2, 478, 3) float64, as the vertices of a `FaceMesh`.
        presence: Mean logit.
    """

    votes: Float64Array
    presence: float

    @property
    def mesh(self) -> FaceMesh:
        """The mean of the votes."""
        return FaceMesh(self.votes.mean(0).astype(np.float32), self.presence)


class MeshDetector:
    """Runs face-mesh-478."""

    def __init__(self, network: Network) -> None:
        """Create a detector from face-mesh-478."""
        self._network = network
        self._mirror = np.array(json.loads(network.metadata[MIRROR_KEY]))

    def detect(self, frame: Frame, face_box: Float32Array) -> MeshVotes:
        """Find the mesh of one face: in its box, then twice in a crop around what was found.

        Args:
            frame: RGB, (H, W, 3) uint8.
            face_box: (4,) x0, y0, x1, y1 in pixels.
        """
        pyramid = Pyramid(frame)
        centre = (face_box[:2] + face_box[2:]) / 2
        side = float((face_box[2:] - face_box[:2]).max()) * SCALE
        votes, _ = self._run(pyramid, crop_transform(centre, side, 0.0, SIDE), mirrored=False)
        votes, _ = self._run(pyramid, crop_around(votes[0]), mirrored=False)
        return MeshVotes(*self._run(pyramid, crop_around(votes[0]), mirrored=True))

    def _run(self, pyramid: Pyramid, frame_from_crop: Matrix, mirrored: bool) -> tuple[Float64Array, float]:
        """Run a crop, and its mirror image where it is wanted; (1 or 2, 478, 3) in pixels of the frame, and a logit."""
        batch = batch_of(pyramid, [frame_from_crop], SIDE, mirrored=mirrored, white=1.0)
        points, presence = self._network.run({self._network.input_names[0]: batch})
        votes = points.astype(np.float64)
        # The net's pixels begin at their edge; the crop's centres lie at integers.
        votes[..., :2] -= 0.5
        if mirrored:
            votes[1, :, 0] = SIDE - 1 - votes[1, :, 0]
            votes[1] = votes[1][self._mirror]
        scale = np.hypot(frame_from_crop[0, 0], frame_from_crop[1, 0])
        return np.concatenate([apply(frame_from_crop, votes[..., :2]), votes[..., 2:] * scale], axis=-1), float(
            presence.mean()
        )


def crop_around(vertices: npt.NDArray[np.floating]) -> Matrix:
    """Return frame_from_crop of the crop whose rows are level with the eyes, around a mesh (478, 3)."""
    angle = roll(vertices)
    turn = turned(angle)
    upright = vertices[:SURFACE_COUNT, :2] @ turn
    low, high = upright.min(0), upright.max(0)
    return crop_transform(turn @ ((low + high) / 2), float((high - low).max()) * SCALE, angle, SIDE)


def roll(vertices: npt.NDArray[np.floating]) -> float:
    """Return the angle of the line through the outer eye corners in radians, clockwise in the image."""
    x, y = vertices[LEFT_OUTER_EYE, :2] - vertices[RIGHT_OUTER_EYE, :2]
    return atan2(y, x)


def turned(angle: float) -> Float64Array:
    """Return the rotation of the image that takes upright points to the frame's, (2, 2)."""
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def yaw(vertices: npt.NDArray[np.floating]) -> float:
    """Return the turn of the head in radians: 0 where it faces the camera, positive towards the image's left."""
    between = vertices[LEFT_EAR] - vertices[RIGHT_EAR]
    return YAW_GAIN * atan2(-between[2], float(np.hypot(between[0], between[1])))
