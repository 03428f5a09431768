"""Request and response types of the crop stage. Light: the orchestrator imports them."""

from dataclasses import dataclass, field
from typing import Literal

from talkmill.artifacts.artifact import Artifact
from talkmill.region import Region
from talkmill.stages.contract import Measurement
from talkmill.stages.fields import Level, Margin, Rate, Side


@dataclass(frozen=True, slots=True)
class CropParameters:
    """What decides the crop.

    Attributes:
        size: Side of the output in pixels.
        increase_area: Fraction of the face union's width and height that is added on each side.
        background_color: RGB behind the person where there is a matte, and outside the frame.
        image_format: How the set stores its images: `jpeg` (quality 95, 4:4:4) or `png` (lossless).
    """

    size: Side = 512
    increase_area: Margin = 0.2
    background_color: tuple[Level, Level, Level] = (255, 255, 255)
    image_format: Literal["jpeg", "png"] = "jpeg"


@dataclass(frozen=True, slots=True)
class CropInputs:
    """A clip, its face track and its rate; its matte, and the region that it is for, where it has one."""

    video: Artifact
    frame_table: Artifact
    face_track: Artifact
    rate: Rate
    parameters: CropParameters = CropParameters()
    alpha: Artifact | None = None
    region: Region | None = None

    def __post_init__(self) -> None:
        if (self.alpha is None) != (self.region is None):
            raise ValueError("alpha and region are given together, or neither is")


@dataclass(frozen=True, slots=True)
class CropOutputs:
    """The crop.

    Attributes:
        frames: .zip of coded images, size x size, one for each frame of the clip: the bytes that the set will hold.
        geometry: .npz: `image_from_crop` (3, 3) float64, pixel centres at integers; `face_boxes` (N, 4) float32 in
            pixels of the crop; `valid` (N,) bool, true where the detector saw the face.
        measurements: What was seen.
        notes: What the user should know.
    """

    frames: Artifact
    geometry: Artifact
    measurements: dict[str, Measurement] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
