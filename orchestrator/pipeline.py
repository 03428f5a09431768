"""The pipeline as data: parameters of a run, and how one stage's outputs become the next one's inputs."""

from dataclasses import dataclass, field
from typing import Any

from services.coarse_fit.messages import CoarseFitInputs, CoarseFitOutputs, CoarseFitParameters
from services.crop.messages import CropInputs, CropOutputs, CropParameters
from services.download.messages import DownloadParameters
from services.fine_fit.messages import FineFitInputs, FineFitOutputs, FineFitParameters
from services.landmarks.messages import LandmarksInputs, LandmarksOutputs, LandmarksParameters
from services.matting.messages import MattingInputs, MattingOutputs, MattingParameters
from services.split.messages import Clip, SplitParameters
from talkmill.artifacts.artifact import Artifact

# Coarse methods that look at the picture; the landmark fit is spared the transfer.
METHODS_WITH_FRAMES = ("deep3d-resnet50",)
CLIP_STAGES = ("matting", "crop", "landmarks", "coarse_fit", "fine_fit")


@dataclass(frozen=True, slots=True)
class RunParameters:
    """The parameters of every stage of a run."""

    download: DownloadParameters = DownloadParameters()
    split: SplitParameters = SplitParameters()
    matting: MattingParameters = MattingParameters()
    crop: CropParameters = CropParameters()
    landmarks: LandmarksParameters = LandmarksParameters()
    coarse_fit: CoarseFitParameters = CoarseFitParameters()
    fine_fit: FineFitParameters = FineFitParameters()


@dataclass(slots=True)
class ClipProgress:
    """What is known of a clip so far.

    Attributes:
        clip: The clip.
        outputs: Stage name to outputs.
    """

    clip: Clip
    outputs: dict[str, Any] = field(default_factory=dict)


def clip_inputs(stage: str, progress: ClipProgress, parameters: RunParameters) -> object:
    """Return the request of a clip's stage.

    Args:
        stage: One of `CLIP_STAGES`.
        progress: The clip and the outputs of the stages before.
        parameters: Of the run.
    """
    clip, done = progress.clip, progress.outputs
    if stage == "matting":
        return MattingInputs(clip.video, clip.face_track, clip.rate, parameters.matting)
    matting: MattingOutputs = done["matting"]
    if stage == "crop":
        return CropInputs(clip.video, matting.alpha, clip.face_track, clip.rate, parameters.crop)
    crop: CropOutputs = done["crop"]
    if stage == "landmarks":
        return LandmarksInputs(crop.frames, crop.geometry, clip.rate, parameters.landmarks)
    landmarks: LandmarksOutputs = done["landmarks"]
    size = parameters.crop.size
    if stage == "coarse_fit":
        frames = crop.frames if parameters.coarse_fit.method in METHODS_WITH_FRAMES else None
        return CoarseFitInputs(landmarks.landmarks, size, parameters.coarse_fit, frames)
    if stage == "fine_fit":
        return FineFitInputs(
            landmarks.landmarks, crop.frames, clip.video, matting.alpha, size, clip.rate, parameters.fine_fit
        )
    raise ValueError(f"{stage!r} is not a stage of a clip")


def clip_artifacts(progress: ClipProgress) -> dict[str, Artifact]:
    """Return every artifact that a finished clip is shown or exported from."""
    clip, matting = progress.clip, progress.outputs["matting"]
    return packed_artifacts(progress) | {
        "video": clip.video,
        "audio": clip.audio,
        "face_track": clip.face_track,
        "alpha": matting.alpha,
    }


def packed_artifacts(progress: ClipProgress) -> dict[str, Any]:
    """Return what pack reads of a finished clip."""
    crop: CropOutputs = progress.outputs["crop"]
    landmarks: LandmarksOutputs = progress.outputs["landmarks"]
    coarse: CoarseFitOutputs = progress.outputs["coarse_fit"]
    fine: FineFitOutputs = progress.outputs["fine_fit"]
    return {
        "frames": crop.frames,
        "landmarks": landmarks.landmarks,
        "coefficients": coarse.coefficients,
        "fit": fine.fit,
    }
