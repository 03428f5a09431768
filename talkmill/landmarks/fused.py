"""The default detector: eyes and mouth of MediaPipe's face mesh; brows, nose and contour of the mesh and face-api-68.

face-api-68 shows no blink and leaves shut lips open; the mesh guesses more where a head is turned far. Figures and
where the shares come from: docs/decisions/0063-fused-landmarks.md; on heads turned far: 0065-profiles.md beside it.
"""

from math import degrees, exp

import numpy as np

from talkmill.arrays import Float32Array, Float64Array, Frame
from talkmill.inference.backend import Network
from talkmill.landmarks.detection import Augmentation, FaceApiDetector, Landmarks, trust
from talkmill.landmarks.mesh import MeshDetector, MeshVotes, yaw
from talkmill.landmarks.mesh_points import points_of, to_silhouette
from talkmill.landmarks.points import BROWS, CONTOUR, INNER, LEFT_EYE, MOUTH, NOSE, RIGHT_EYE, face_size

# Crops of face-api's second pass; twelve votes instead of four give the same error in the fusion.
FACE_API_CROPS: tuple[Augmentation, ...] = ((0.0, 0.0, 1.0), (0.0, 0.0, 1.06))
# face-api's mean confidence of the inner points at which it begins to count, and at which it counts fully. In full
# profile its points lie beside the head.
FACE_API_TRUST = (0.25, 0.45)
# The yaw in degrees at which face-api begins to count more, and at which it does fully.
TURNED_DEGREES = (30.0, 50.0)
# Shares of face-api at full trust: in front, and what a turned head adds.
SHARE, SHARE_TURNED = 0.5, 0.3


class FusedDetector:
    """Runs face-mesh-478 and face-api-68."""

    def __init__(self, mesh: Network, face_api: Network) -> None:
        """Create a detector from face-mesh-478 and face-api-68."""
        self._mesh = MeshDetector(mesh)
        self._face_api = FaceApiDetector(face_api, FACE_API_CROPS)

    def detect(self, frame: Frame, face_box: Float32Array) -> Landmarks:
        """Find the landmarks of one face; see `detection.LandmarkDetector.detect`."""
        return fuse(self._mesh.detect(frame, face_box), self._face_api.detect(frame, face_box))


def fuse(votes: MeshVotes, face_api: Landmarks) -> Landmarks:
    """Fuse what two nets say of one face.

    A share of face-api grows with its own confidence. The confidence of a point falls with the spread of the mesh's
    votes and the distance between the nets; for an eye and the mouth, with that of their middles, else a blink that
    only the mesh sees would deserve no trust. All of it is multiplied by the probability that the mesh's crop shows a
    face: in full profile two nets can agree on a guess.

    Args:
        votes: Of the mesh.
        face_api: Of face-api-68, in the same pixels.
    """
    mesh = votes.mesh
    seen = to_silhouette(points_of(mesh.vertices), mesh.vertices)
    known = _ramp(float(face_api.confidence[INNER].mean()), FACE_API_TRUST)
    turned = _ramp(abs(degrees(yaw(mesh.vertices))), TURNED_DEGREES)
    apart = face_api.points.astype(np.float64) - seen
    points = seen.copy()
    for part, share in (
        (BROWS, SHARE + SHARE_TURNED * turned),
        (NOSE, SHARE + SHARE_TURNED * turned),
        (CONTOUR, SHARE),
    ):
        points[part] += share * known * apart[part]
    for part in (RIGHT_EYE, LEFT_EYE):
        points[part] += SHARE * turned * known * apart[part].mean(0)
    spread = np.linalg.norm(points_of(votes.votes) - points_of(mesh.vertices), axis=-1).mean(0)
    agreement = trust((spread + _distances(apart) / 2) / face_size(points))
    confidence = agreement * np.float32(_probability(votes.presence))
    return Landmarks(points.astype(np.float32), confidence, mesh)


def _distances(apart: Float64Array) -> Float64Array:
    """Return how far two sets of points lie from each other, (68, 2) to (68,): an eye or the mouth as a whole."""
    distances = np.linalg.norm(apart, axis=-1)
    for part in (RIGHT_EYE, LEFT_EYE, MOUTH):
        distances[part] = np.linalg.norm(apart[part].mean(0))
    return np.asarray(distances)


def _probability(logit: float) -> float:
    """Return the probability that belongs to a logit."""
    return 1 / (1 + exp(-logit))


def _ramp(value: float, between: tuple[float, float]) -> float:
    """Return 0 up to the first bound, 1 from the second on, a line in between."""
    low, high = between
    return min(1.0, max(0.0, (value - low) / (high - low)))
