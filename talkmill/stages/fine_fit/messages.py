"""Request and response types of the fine_fit stage. Light: the orchestrator imports them."""

from dataclasses import dataclass, field

from talkmill.artifacts.artifact import Artifact
from talkmill.fitting.priors import FitPriors, PhotometricPriors
from talkmill.region import Region
from talkmill.stages.contract import Measurement
from talkmill.stages.fields import Focal, Fraction01, Level, Positive, Rate, Side


@dataclass(frozen=True, slots=True)
class FineFitParameters:
    """What decides the fit.

    Attributes:
        priors: Spreads of the unknowns and of the landmarks.
        max_reprojection_pixels: A clip whose RMS reprojection error over all 68 points, in pixels at 512, is larger is
            rejected: its landmarks are not those of a head (full profile, occlusion). Good clips have 2 to 4.5.
            A frame whose inner points are missed by more is not valid.
        max_invalid_fraction: A clip that loses a larger share of its frames is rejected.
        photometric: Whether the colours of the skin refine what the landmarks gave.
        photometric_priors: Noise of colours.
        focal_pixels: Focal length that is held, in pixels of a 512 crop; None estimates it. The reference's is 1100.
    """

    priors: FitPriors = FitPriors()
    max_reprojection_pixels: Positive = 8.0
    max_invalid_fraction: Fraction01 = 0.1
    photometric: bool = True
    photometric_priors: PhotometricPriors = PhotometricPriors()
    focal_pixels: Focal | None = None


@dataclass(frozen=True, slots=True)
class FineFitInputs:
    """Landmarks and frames to fit, and what the preview shows besides.

    Attributes:
        landmarks: Of the landmarks stage.
        frames: Of the crop stage.
        video: The clip, and its frame table.
        frame_table: Which picture of the video stands at each instant of the clip.
        alpha: Of the matting stage.
        region: The part of the upright frame that alpha is for.
        geometry: Of the crop stage.
        background_color: RGB behind the person in the crop.
        size: Side of the crop in pixels.
        rate: Frames a second.
        parameters: What decides the fit.
        face_mesh: Of the landmarks stage; None where the landmark model has none.
    """

    landmarks: Artifact
    frames: Artifact
    video: Artifact
    frame_table: Artifact
    alpha: Artifact
    region: Region
    geometry: Artifact
    background_color: tuple[Level, Level, Level]
    size: Side
    rate: Rate
    parameters: FineFitParameters = FineFitParameters()
    face_mesh: Artifact | None = None


@dataclass(frozen=True, slots=True)
class FineFitOutputs:
    """The fit.

    Attributes:
        fit: .npz: `euler` (N, 3) radians, `trans` (N, 3) units of 10 cm, `focal` (1,) and `focal_interval` (2,)
            pixels of a 512 crop, `id` (100,), `exp` (N, 79), `reprojection_error` and `reprojection_error_inner` (N,)
            RMS pixels at 512, `photometric_residual` (N,) grey levels, `jitter` (N,) pixels at 512, `valid` (N,) bool;
            float32. Camera: docs/coordinates.md.
        preview: JPEG; docs/preview.md.
        measurements: What was seen.
        notes: Why the verdict is not `good`.
    """

    fit: Artifact
    preview: Artifact
    measurements: dict[str, Measurement] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
