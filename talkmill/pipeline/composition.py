"""Builds the stages of a run in one process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from talkmill.inference.runtime import choose_runtime
from talkmill.models.catalogue import find
from talkmill.models.choice import ModelChoice
from talkmill.models.repository import ModelRepository
from talkmill.pipeline.graph import RunParameters, names_of
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
    """Build the stages of a run; models that are missing are fetched.

    Args:
        folder: The run's folder.
        models: Where models lie.
        choice: Which model does what.
        parameters: Of the run: what it is for, its methods and their precision decide which networks are needed.
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
    precision, coarse = parameters.matting.precision, parameters.coarse_fit
    runtime.check(precision)
    find(choice.landmarks, "landmarks")

    def split() -> Stage[Any, Any]:
        return SplitStage(models.ensure(choice.detector, "face_detection"), runtime)

    def matting() -> Stage[Any, Any]:
        networks = MATTING_METHODS[parameters.matting.method]
        return MattingStage(
            {name: models.ensure(name, "matting", "matting_part") for name in networks}, runtime, precision
        )

    def landmarks() -> Stage[Any, Any]:
        networks = networks_of(choice.landmarks)
        installed = {name: models.ensure(name, "landmarks", "face_embedding") for name in networks}
        return LandmarksStage(choice.landmarks, installed, runtime)

    def coarse_fit() -> Stage[Any, Any]:
        if coarse.method == "landmark-fit":
            model = models.ensure(choice.morphable, "morphable")
        else:
            model = models.ensure(coarse.method, "coarse_regressor")
        return CoarseFitStage(coarse.method, model, runtime, coarse.precision)

    def fine_fit() -> Stage[Any, Any]:
        return FineFitStage(models.ensure(choice.morphable, "morphable"), threads)

    makers: dict[str, Callable[[], Stage[Any, Any]]] = {
        DownloadStage.name: DownloadStage,
        SplitStage.name: split,
        MattingStage.name: matting,
        CropStage.name: CropStage,
        LandmarksStage.name: landmarks,
        CoarseFitStage.name: coarse_fit,
        FineFitStage.name: fine_fit,
        InPlacePackStage.name: lambda: InPlacePackStage(folder / "lmdb"),
    }
    return {name: makers[name]() for name in names_of(kinds=parameters.kinds)}
