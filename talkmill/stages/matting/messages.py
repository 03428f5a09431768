"""Request and response types of the matting stage. Light: the orchestrator imports them."""

from dataclasses import dataclass, field
from typing import Literal

from talkmill.artifacts.artifact import Artifact
from talkmill.inference.precision import Precision
from talkmill.stages.contract import Measurement
from talkmill.stages.fields import Fraction01, Rate

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
    """

    method: MattingMethod = "fusion"
    precision: Precision = "fp32"
    max_lost_fraction: Fraction01 = 0.1


@dataclass(frozen=True, slots=True)
class MattingInputs:
    """A clip, its face track and its rate."""

    video: Artifact
    face_track: Artifact
    rate: Rate
    parameters: MattingParameters = MattingParameters()


@dataclass(frozen=True, slots=True)
class MattingOutputs:
    """The matte.

    Attributes:
        alpha: Grey FFV1 video, 0..255, one frame for each of the clip's.
        measurements: `flicker`: mean change of alpha between neighbours where the frame stands still;
            `foreground_fraction`: mean alpha; `face_alpha`: mean alpha inside the face.
        notes: What the user should know.
    """

    alpha: Artifact
    measurements: dict[str, Measurement] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
