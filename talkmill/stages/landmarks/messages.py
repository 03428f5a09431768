"""Request and response types of the landmarks stage. Light: the orchestrator imports them."""

from dataclasses import dataclass, field

from talkmill.artifacts.artifact import Artifact
from talkmill.stages.contract import Measurement
from talkmill.stages.fields import Fraction01, Positive, Rate


@dataclass(frozen=True, slots=True)
class LandmarksParameters:
    """What decides the landmarks.

    Attributes:
        cutoff_hertz: Half the amplitude of a motion at this frequency passes the smoothing. The default is high enough
            for the sharpest lip closures (docs/stages/landmarks.md).
        max_invalid_fraction: A clip with a larger share of invalid frames is rejected.
        max_face_distance: A clip is rejected in which the faces of two moments are farther apart, as distances of
            face-api's embeddings (docs/decisions/0066-one-person.md).
    """

    cutoff_hertz: Positive = 8.0
    max_invalid_fraction: Fraction01 = 0.1
    max_face_distance: Positive = 0.5


@dataclass(frozen=True, slots=True)
class LandmarksInputs:
    """A crop, its geometry and its rate."""

    frames: Artifact
    geometry: Artifact
    rate: Rate
    parameters: LandmarksParameters = LandmarksParameters()


@dataclass(frozen=True, slots=True)
class LandmarksOutputs:
    """The landmarks.

    Attributes:
        landmarks: .npz: `points` (N, 68, 2) float32 smoothed, `raw_points` (N, 68, 2) float32 as measured,
            `confidence` (N, 68) float32, `valid` (N,) bool. Pixels of the crop, centres at integers, iBUG order.
        face_mesh: .npz: `mesh` (N, 478, 3) float32 pixels of the crop, `presence` (N,) float32, `eye_opening` (N, 2)
            float32, `gaze` (N, 2, 2) float32. None where the landmark model has no mesh.
        measurements: What was seen.
        notes: What the user should know.
    """

    landmarks: Artifact
    face_mesh: Artifact | None = None
    measurements: dict[str, Measurement] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
