"""Request and response types of the coarse_fit stage. Light: the orchestrator imports them."""

from dataclasses import dataclass, field
from typing import Literal

from talkmill.artifacts.artifact import Artifact
from talkmill.fitting.priors import FitPriors
from talkmill.inference.precision import Precision
from talkmill.stages.contract import Measurement
from talkmill.stages.fields import Positive, Side

CoarseMethod = Literal["landmark-fit", "deep3d-resnet50"]


@dataclass(frozen=True, slots=True)
class CoarseFitParameters:
    """What decides the coefficients.

    Attributes:
        method: `landmark-fit`, or the network `deep3d-resnet50`.
        landmark_fraction: Noise of a landmark as a fraction of the outer-eye distance; of `landmark-fit`.
        precision: Of the network's arithmetic; `bf16` needs the OpenVINO provider, `fp16` TensorRT.
    """

    method: CoarseMethod = "landmark-fit"
    landmark_fraction: Positive = FitPriors().landmark_fraction
    precision: Precision = "fp32"


@dataclass(frozen=True, slots=True)
class CoarseFitInputs:
    """Landmarks and the side of the image that they are in; a network wants the frames too."""

    landmarks: Artifact
    size: Side
    parameters: CoarseFitParameters = CoarseFitParameters()
    frames: Artifact | None = None


@dataclass(frozen=True, slots=True)
class CoarseFitOutputs:
    """The coefficients.

    Attributes:
        coefficients: .npz: `coeff` (N, 257) float32, `transform_params` (N, 5) float32, `warping_params` (N, 4, 4)
            float32, `valid` (N,) bool.
        measurements: What was seen.
    """

    coefficients: Artifact
    measurements: dict[str, Measurement] = field(default_factory=dict)
