"""Request and response types of the crop stage. Light: the orchestrator imports them."""

from dataclasses import dataclass, field

from talkmill.artifacts.artifact import Artifact
from talkmill.stages.contract import Measurement
from talkmill.stages.fields import Level, Margin, Rate, Side


@dataclass(frozen=True, slots=True)
class CropParameters:
    """What decides the crop.

    Attributes:
        size: Side of the output in pixels.
        increase_area: Fraction of the face union's width and height that is added on each side.
        background_color: RGB behind the person.
    """

    size: Side = 512
    increase_area: Margin = 0.2
    background_color: tuple[Level, Level, Level] = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class CropInputs:
    """A clip, its matte, its face track and its rate."""

    video: Artifact
    alpha: Artifact
    face_track: Artifact
    rate: Rate
    parameters: CropParameters = CropParameters()


@dataclass(frozen=True, slots=True)
class CropOutputs:
    """The crop.

    Attributes:
        frames: RGB FFV1 video, size x size, one frame for each of the clip's.
        geometry: .npz: `image_from_crop` (3, 3) float64, pixel centres at integers; `face_boxes` (N, 4) float32 in
            pixels of the crop; `valid` (N,) bool, true where the detector saw the face.
        measurements: What was seen.
        notes: What the user should know.
    """

    frames: Artifact
    geometry: Artifact
    measurements: dict[str, Measurement] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
