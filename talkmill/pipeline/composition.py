"""Builds the stages of a run in one process."""

from pathlib import Path
from typing import Any

from talkmill.inference.runtime import choose_runtime
from talkmill.models.catalogue import find
from talkmill.models.choice import ModelChoice
from talkmill.models.repository import ModelRepository
from talkmill.pipeline.graph import RunParameters
from talkmill.stages.coarse_fit.stage import CoarseFitStage
from talkmill.stages.contract import Stage
from talkmill.stages.crop.stage import CropStage
from talkmill.stages.download.stage import DownloadStage
from talkmill.stages.fine_fit.stage import FineFitStage
from talkmill.stages.landmarks.stage import LandmarksStage, networks_of
from talkmill.stages.matting.messages import MATTING_METHODS
from talkmill.stages.matting.stage import MattingStage
from talkmill.stages.pack.stage import InPlacePackStage
from talkmill.stages.split.stage import SplitStage


def build_stages(
    folder: Path,
    models: ModelRepository,
    choice: ModelChoice,
    parameters: RunParameters,
    provider: str,
    threads: int,
    gpu: int = 0,
) -> dict[str, Stage[Any, Any]]:
    """Build every stage; models that are missing are fetched.

    Args:
        folder: The run's folder.
        models: Where models lie.
        choice: Which model does what.
        parameters: Of the run: its methods and their precision decide which networks are needed.
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
    method, precision = parameters.matting.method, parameters.matting.precision
    coarse = parameters.coarse_fit
    runtime.check(precision)
    detector = models.ensure(choice.detector, "face_detection")
    matting = {name: models.ensure(name, "matting", "matting_part") for name in MATTING_METHODS[method]}
    find(choice.landmarks, "landmarks")
    landmarks = {name: models.ensure(name, "landmarks", "face_embedding") for name in networks_of(choice.landmarks)}
    morphable = models.ensure(choice.morphable, "morphable")
    regressor = None if coarse.method == "landmark-fit" else models.ensure(coarse.method, "coarse_regressor")

    stages: tuple[Stage[Any, Any], ...] = (
        DownloadStage(),
        SplitStage(detector, runtime),
        MattingStage(matting, runtime, precision),
        CropStage(),
        LandmarksStage(choice.landmarks, landmarks, runtime),
        CoarseFitStage(coarse.method, morphable if regressor is None else regressor, runtime, coarse.precision),
        FineFitStage(morphable, threads),
        InPlacePackStage(folder / "lmdb"),
    )
    return {stage.name: stage for stage in stages}
