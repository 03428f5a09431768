"""Request and response types of the matting stage. Light: the orchestrator imports them."""

from dataclasses import dataclass, field
from typing import Literal

from talkmill.artifacts.artifact import Artifact
from talkmill.inference.precision import Precision
from talkmill.region import Region
from talkmill.stages.contract import Measurement
from talkmill.stages.fields import Fraction01, Margin, Rate

MattingMethod = Literal["fusion", "draft", "modnet", "rvm-mobilenetv3"]

# Methods and the catalogue models that each of them needs.
MATTING_METHODS: dict[MattingMethod, tuple[str, ...]] = {
    "fusion": ("selfie-256", "u2netp"),
    "draft": ("selfie-256",),
    "modnet": ("modnet",),
    "rvm-mobilenetv3": ("rvm-mobilenetv3",),
}


@dataclass(frozen=True, slots=True)
class MattingParameters:
    """What decides the matte.

    Attributes:
        method: `fusion` (default), `draft` (quick look), `modnet` (imported), or `rvm-mobilenetv3` (GPL weights).
        precision: Of the networks' arithmetic; `bf16` needs the OpenVINO provider, `fp16` TensorRT.
        max_lost_fraction: A clip is rejected when the matte misses the face in a larger share of its frames.
        full_frame: Whether alpha is stored for the whole frame, and not only for what the crop will show.
    """

    method: MattingMethod = "fusion"
    precision: Precision = "fp32"
    max_lost_fraction: Fraction01 = 0.1
    full_frame: bool = False


@dataclass(frozen=True, slots=True)
class MattingInputs:
    """A clip, its face track, its rate, and the margin of the crop that will show it."""

    video: Artifact
    frame_table: Artifact
    face_track: Artifact
    rate: Rate
    increase_area: Margin = 0.2
    parameters: MattingParameters = MattingParameters()


@dataclass(frozen=True, slots=True)
class MattingOutputs:
    """The matte.

    Attributes:
        alpha: Grey FFV1 video, 0..255, one frame for each of the clip's, of the region alone.
        region: The part of the upright frame that alpha is for: the crop's square and a margin, as far as it lies in
            the frame.
        measurements: `flicker`: mean change of alpha between neighbours where the frame stands still;
            `foreground_fraction`: mean alpha; `face_alpha`: mean alpha inside the face; all of the region.
        notes: What the user should know.
    """

    alpha: Artifact
    region: Region
    measurements: dict[str, Measurement] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
