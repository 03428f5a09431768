"""Matting: an alpha for every frame of a clip, at the clip's resolution, stable in time."""

from collections.abc import Iterable, Iterator
from fractions import Fraction

import cv2
import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float32Array, Frame
from talkmill.artifacts.manifest import ModelVersion
from talkmill.faces.crop_box import CropBox, head_region, square_in_frame
from talkmill.inference.precision import Precision
from talkmill.inference.runtime import Runtime
from talkmill.matting.fusion import FusionMatter
from talkmill.matting.matter import Matter
from talkmill.matting.modnet import ModnetMatter
from talkmill.matting.recurrent import RecurrentMatter
from talkmill.matting.temporal import largest_change
from talkmill.models.installed import InstalledModel
from talkmill.region import Region
from talkmill.stages.contract import Measurement, StageContext
from talkmill.stages.errors import FrameContractError, MatteLostError
from talkmill.stages.matting.messages import MattingInputs, MattingOutputs
from talkmill.stages.records import FaceTrack
from talkmill.video.clip import ClipMismatchError, read_clip
from talkmill.video.encode import alpha_writer
from talkmill.video.frame_table import FrameTable
from talkmill.video.prefetch import prefetched

# Pixels whose neighbourhood of this size changed by no more than this stand still (8-bit levels).
STILL_WINDOW, STILL_LEVELS = 5, 2
# In bf16 it lets a lectern back in (otavatar_example, 0.005 of the frame), and takes 2 ms less.
ALWAYS_FP32 = ("selfie-256",)
# Every so many-th pixel is looked at, so that no side has more than this.
FLICKER_SIDE = 640
# A mean alpha below this, in the middle half of the face box, means that the matte misses the face.
LOST_FACE_ALPHA = 0.8
# Pixels around the crop's square that alpha is stored for too: crop tells foreground from background by them.
MARGIN = 24


class MattingStage:
    """Runs one matting method over a clip."""

    name = "matting"
    version = "10"
    outputs_type = MattingOutputs
    keeps_result = True

    def __init__(self, models: dict[str, InstalledModel], runtime: Runtime, precision: Precision = "fp32") -> None:
        self.models: tuple[ModelVersion, ...] = tuple(model.version for model in models.values())
        self._installed = models
        self._runtime, self._precision = runtime, precision
        self.execution_provider = ""
        self.arithmetic = runtime.arithmetic

    def load(self) -> None:
        """Load the networks."""
        self._networks = {
            name: self._runtime.load(model.checked_path(), name, "fp32" if name in ALWAYS_FP32 else self._precision)
            for name, model in self._installed.items()
        }
        self.execution_provider = next(iter(self._networks.values())).execution_provider

    def run(self, inputs: MattingInputs, context: StageContext) -> MattingOutputs:
        """Matte a clip.

        Raises:
            MatteLostError: The matte misses the face in too many frames.
            FrameContractError: The clip and its face track differ in length.
        """
        matter = self._matter(inputs.parameters.method)
        boxes = FaceTrack.load(context.path(inputs.face_track)).boxes
        table = FrameTable.load(context.path(inputs.frame_table))
        if len(table.packets) != len(boxes):
            raise FrameContractError(f"the clip has {len(table.packets)} frames, its face track has {len(boxes)}")
        width, height = table.format.upright_size
        crop = seen_region(square_in_frame(head_region(boxes, inputs.increase_area), width, height), width, height)
        region = Region(0, 0, width, height) if inputs.parameters.full_frame else crop
        path = context.scratch / "alpha.mkv"
        flicker = FlickerMeter()
        coverage = 0.0
        offset = np.array([region.x, region.y] * 2, np.float32)
        face_alphas: list[float] = []
        rate = Fraction(inputs.rate)
        with alpha_writer(path, rate) as writer:
            # Decoding, the networks and encoding each have a thread: none waits for another.
            frames = prefetched(read_clip(context.path(inputs.video), table))
            rounded = _rounded(matter.mattes(frames, boxes, crop, region))
            try:
                for index, (picture, alpha) in enumerate(prefetched(rounded)):
                    writer.write(alpha)
                    flicker.add(picture, alpha)
                    coverage += float(alpha.mean()) / 255
                    face_alphas.append(_face_alpha(alpha, boxes[index] - offset))
                    context.advance(writer.frame_count, len(boxes))
                    context.count_video(1, float(1 / rate))
            except ClipMismatchError as error:
                raise FrameContractError(str(error)) from error
        lost = int(sum(value < LOST_FACE_ALPHA for value in face_alphas))
        limit = inputs.parameters.max_lost_fraction
        if lost > limit * len(boxes):
            message = f"the matte misses the face in {lost} of {len(boxes)} frames"
            raise MatteLostError(message, measure=round(lost / len(boxes), 4), threshold=limit)
        measurements: dict[str, Measurement] = {
            "face_alpha": round(float(np.mean(face_alphas)), 4),
            "flicker": flicker.value,
            "foreground_fraction": round(coverage / len(boxes), 4),
        }
        notes = (f"the matte misses the face in {lost} of {len(boxes)} frames",) if lost else ()
        return MattingOutputs(context.publish(path, "alpha.mkv", "video/x-matroska"), region, measurements, notes)

    def _matter(self, method: str) -> Matter:
        if method == "rvm-mobilenetv3":
            return RecurrentMatter(self._networks["rvm-mobilenetv3"])
        if method == "modnet":
            return ModnetMatter(self._networks["modnet"])
        return FusionMatter(self._networks["selfie-256"], self._networks["u2netp"] if method == "fusion" else None)


def seen_region(box: CropBox, width: int, height: int) -> Region:
    """Return the part of a frame that a crop shows, with its margin."""
    x1, y1 = box.x0 + box.side + MARGIN, box.y0 + box.side + MARGIN
    return Region.inside(box.x0 - MARGIN, box.y0 - MARGIN, x1, y1, width, height)


def _rounded(mattes: Iterable[tuple[Frame, Float32Array]]) -> Iterator[tuple[Frame, Frame]]:
    """Yield pictures with their mattes, 0..255."""
    for picture, alpha in mattes:
        # Rounds to nearest and keeps to 0..255.
        yield picture, np.asarray(cv2.convertScaleAbs(alpha, alpha=255))


def _face_alpha(alpha: npt.NDArray[np.uint8], box: npt.NDArray[np.float32]) -> float:
    """Mean alpha in the middle half of a face box, as far as it lies in the frame; 1 where none of it does."""
    x0, y0, x1, y1 = (float(value) for value in box)
    margin_x, margin_y = (x1 - x0) / 4, (y1 - y0) / 4
    rows = slice(max(0, int(y0 + margin_y)), max(0, int(y1 - margin_y)))
    columns = slice(max(0, int(x0 + margin_x)), max(0, int(x1 - margin_x)))
    middle = alpha[rows, columns]
    return float(middle.mean()) / 255 if middle.size else 1.0


class FlickerMeter:
    """Mean absolute change of alpha between neighbouring frames where the frame stands still."""

    def __init__(self) -> None:
        self._previous: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]] | None = None
        self._sum, self._count = 0.0, 0

    def add(self, frame: npt.NDArray[np.uint8], alpha: npt.NDArray[np.uint8]) -> None:
        """Take the next frame, RGB, and its alpha, grey, both uint8."""
        step = -(-max(alpha.shape) // FLICKER_SIDE)
        frame, alpha = np.ascontiguousarray(frame[::step, ::step]), np.ascontiguousarray(alpha[::step, ::step])
        if self._previous is not None:
            change = largest_change(frame, self._previous[0])
            still = cv2.dilate(change, np.ones((STILL_WINDOW, STILL_WINDOW), np.uint8)) <= STILL_LEVELS
            self._sum += float(cv2.absdiff(alpha, self._previous[1])[still].sum()) / 255
            self._count += int(still.sum())
        self._previous = (frame, alpha)

    @property
    def value(self) -> float | None:
        """The mean so far; None where nothing stood still."""
        return round(self._sum / self._count, 6) if self._count else None
