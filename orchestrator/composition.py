"""Building the stages of the embedded mode from settings and model ids."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.coarse_fit.messages import CoarseMethod
from services.coarse_fit.stage import CoarseFitStage
from services.crop.stage import CropStage
from services.download.stage import DownloadStage
from services.fine_fit.stage import FineFitStage
from services.landmarks.stage import LandmarksStage
from services.matting.messages import MATTING_METHODS, MattingMethod
from services.matting.stage import MattingStage
from services.pack.stage import InPlacePackStage
from services.split.stage import SplitStage
from talkmill.fitting.device import choose_device
from talkmill.inference.precision import Precision
from talkmill.inference.runtime import choose_runtime
from talkmill.models.catalogue import Role
from talkmill.models.repository import ModelRepository
from talkmill.stage.contract import Stage


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Which model does what.

    Attributes:
        matting: A method of `services.matting`.
        landmarks: A landmark model.
        morphable: A morphable model.
        detector: A face detector.
        coarse: How coarse coefficients are found.
        precision: Of the matting and the coarse networks.
    """

    matting: MattingMethod = "fusion"
    landmarks: str = "face-api-68"
    morphable: str = "makehuman-head"
    detector: str = "faceboxes-v2"
    coarse: CoarseMethod = "landmark-fit"
    precision: Precision = "fp32"


def build_stages(
    folder: Path,
    models: ModelRepository,
    choice: ModelChoice,
    provider: str,
    threads: int,
    gpu: int = 0,
) -> dict[str, Stage[Any, Any]]:
    """Build every stage; models that are missing are fetched.

    Args:
        folder: The run's folder.
        models: Where models lie.
        choice: Which model does what.
        provider: Execution provider.
        threads: Threads of one network.
        gpu: Number of the GPU.

    Returns:
        Stage name to stage.

    Raises:
        ModelError: A model cannot be had.
        UnknownModelError: A model is not in the catalogue, or does something else.
        ValueError: The execution provider is not there.
    """
    runtime = choose_runtime(provider, threads, gpu, models.folder / ".engines")
    runtime.check(choice.precision)
    detector = models.ensure(choice.detector, "face_detection")
    needed = MATTING_METHODS[choice.matting]
    role: Role = "matting" if needed == (choice.matting,) else "matting_part"
    matting = {name: models.ensure(name, role) for name in needed}
    landmarks = models.ensure(choice.landmarks, "landmarks")
    morphable = models.ensure(choice.morphable, "morphable")
    regressor = None if choice.coarse == "landmark-fit" else models.ensure(choice.coarse, "coarse_regressor")

    stages: tuple[Stage[Any, Any], ...] = (
        DownloadStage(),
        SplitStage(detector, runtime),
        MattingStage(matting, runtime, choice.precision),
        CropStage(),
        LandmarksStage(landmarks, runtime),
        CoarseFitStage(choice.coarse, morphable if regressor is None else regressor, runtime, choice.precision),
        FineFitStage(morphable, choose_device(provider, gpu), threads),
        InPlacePackStage(folder / "lmdb"),
    )
    return {stage.name: stage for stage in stages}
