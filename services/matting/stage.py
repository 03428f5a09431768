"""Matting: an alpha for every frame of a clip, at the clip's resolution, stable in time."""

from dataclasses import dataclass, field
from fractions import Fraction

import cv2
import numpy as np
import numpy.typing as npt

from talkmill.artifacts.artifact import Artifact
from talkmill.artifacts.manifest import ModelVersion
from talkmill.inference.onnx_backend import OnnxNetwork
from talkmill.matting.fusion import FusionMatter
from talkmill.matting.matter import Matter
from talkmill.matting.recurrent import RecurrentMatter
from talkmill.models.repository import InstalledModel
from talkmill.stage.contract import Measurement, StageContext
from talkmill.stage.errors import FrameContractError
from talkmill.video.decode import read_images
from talkmill.video.encode import alpha_writer

# Methods and the catalogue models that each of them needs.
MATTING_METHODS: dict[str, tuple[str, ...]] = {
    "fusion": ("selfie-256", "u2netp"),
    "draft": ("selfie-256",),
    "rvm-mobilenetv3": ("rvm-mobilenetv3",),
}
# Pixels whose neighbourhood of this size changed by no more than this stand still (8-bit levels).
STILL_WINDOW, STILL_LEVELS = 5, 2


@dataclass(frozen=True, slots=True)
class MattingParameters:
    """What decides the matte.

    Attributes:
        method: `fusion` (default), `draft` (quick look) or `rvm-mobilenetv3` (GPL weights).
    """

    method: str = "fusion"


@dataclass(frozen=True, slots=True)
class MattingInputs:
    """A clip, its face track and its rate."""

    video: Artifact
    face_track: Artifact
    rate: str
    parameters: MattingParameters = MattingParameters()


@dataclass(frozen=True, slots=True)
class MattingOutputs:
    """The matte.

    Attributes:
        alpha: Grey FFV1 video, 0..255, one frame for each of the clip's.
        measurements: `flicker`: mean change of alpha between neighbours where the frame stands still;
            `foreground_fraction`: mean alpha.
    """

    alpha: Artifact
    measurements: dict[str, Measurement] = field(default_factory=dict)


class MattingStage:
    """Runs one matting method over a clip."""

    name = "matting"
    version = "1"
    outputs_type = MattingOutputs

    def __init__(self, models: dict[str, InstalledModel], providers: list[str], threads: int) -> None:
        self.models: tuple[ModelVersion, ...] = tuple(model.version for model in models.values())
        self._installed = models
        self._providers = providers
        self._threads = threads
        self.execution_provider = ""

    def load(self) -> None:
        """Load the networks."""
        self._networks = {
            name: OnnxNetwork(model.path, name, self._providers, self._threads)
            for name, model in self._installed.items()
        }
        self.execution_provider = next(iter(self._networks.values())).execution_provider

    def run(self, inputs: MattingInputs, context: StageContext) -> MattingOutputs:
        """Matte a clip.

        Raises:
            FrameContractError: The clip and its face track differ in length.
        """
        matter = self._matter(inputs.parameters.method)
        with np.load(context.path(inputs.face_track), allow_pickle=False) as track:
            boxes = track["boxes"]
        path = context.scratch / "alpha.mkv"
        flicker = FlickerMeter()
        coverage = 0.0
        with alpha_writer(path, Fraction(inputs.rate)) as writer:
            for index, frame in enumerate(read_images(context.path(inputs.video))):
                if index >= len(boxes):
                    break
                alpha = np.rint(matter.matte(frame, boxes[index]) * 255).astype(np.uint8)
                writer.write(alpha)
                flicker.add(frame, alpha)
                coverage += float(alpha.mean()) / 255
                context.advance(writer.frame_count, len(boxes))
        if writer.frame_count != len(boxes):
            raise FrameContractError(f"the clip has {writer.frame_count} frames, its face track has {len(boxes)}")
        measurements: dict[str, Measurement] = {
            "flicker": flicker.value,
            "foreground_fraction": round(coverage / len(boxes), 4),
        }
        return MattingOutputs(context.publish(path, "alpha.mkv", "video/x-matroska"), measurements)

    def _matter(self, method: str) -> Matter:
        if method == "rvm-mobilenetv3":
            return RecurrentMatter(self._networks["rvm-mobilenetv3"])
        return FusionMatter(self._networks["selfie-256"], self._networks["u2netp"] if method == "fusion" else None)


class FlickerMeter:
    """Mean absolute change of alpha between neighbouring frames where the frame stands still."""

    def __init__(self) -> None:
        self._previous: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]] | None = None
        self._sum, self._count = 0.0, 0

    def add(self, frame: npt.NDArray[np.uint8], alpha: npt.NDArray[np.uint8]) -> None:
        """Take the next frame, RGB, and its alpha, grey, both uint8."""
        if self._previous is not None:
            change = cv2.absdiff(frame, self._previous[0]).max(axis=2)
            still = cv2.dilate(change, np.ones((STILL_WINDOW, STILL_WINDOW), np.uint8)) <= STILL_LEVELS
            self._sum += float(cv2.absdiff(alpha, self._previous[1])[still].sum()) / 255
            self._count += int(still.sum())
        self._previous = (frame, alpha)

    @property
    def value(self) -> float | None:
        """The mean so far; None where nothing stood still."""
        return round(self._sum / self._count, 6) if self._count else None
