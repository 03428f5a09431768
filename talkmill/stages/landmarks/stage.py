"""Landmarks: 68 points a frame in pixels of the crop, with confidence and validity, smoothed in time."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from talkmill.artifacts.manifest import ModelVersion
from talkmill.inference.backend import Network
from talkmill.inference.runtime import Runtime
from talkmill.landmarks.detection import FaceApiDetector, LandmarkDetector
from talkmill.landmarks.fan import FanDetector
from talkmill.landmarks.points import INNER, outer_eye_distance
from talkmill.landmarks.smoothing import fill_gaps, jitter, smooth_over_time
from talkmill.landmarks.validity import plausible
from talkmill.models.installed import InstalledModel
from talkmill.stages.contract import Measurement, StageContext
from talkmill.stages.errors import FrameContractError, LandmarksInvalidError
from talkmill.stages.landmarks.messages import LandmarksInputs, LandmarksOutputs
from talkmill.stages.records import MEDIA_TYPE, ClipLandmarks, CropGeometry
from talkmill.video.images import read_images
from talkmill.video.prefetch import prefetched

# How each landmark model of the catalogue is fed and read.
DETECTORS: dict[str, Callable[[Network], LandmarkDetector]] = {
    "face-api-68": FaceApiDetector,
    "fan-2d4": FanDetector,
}
# Trust in a frame that was filled in, against 0.5 to 1 of a measured one.
FILLED_WEIGHT = 0.02


class LandmarksStage:
    """Measures, checks and smooths."""

    name = "landmarks"
    version = "2"
    outputs_type = LandmarksOutputs
    keeps_result = True

    def __init__(self, model: InstalledModel, runtime: Runtime) -> None:
        self.models: tuple[ModelVersion, ...] = (model.version,)
        self._model = model
        self._runtime = runtime
        self.execution_provider = ""
        self.arithmetic = runtime.arithmetic

    def load(self) -> None:
        """Load the landmark net."""
        network = self._runtime.load(self._model.checked_path(), self._model.version.id)
        self.execution_provider = network.execution_provider
        self._detector = DETECTORS[self._model.version.id](network)

    def run(self, inputs: LandmarksInputs, context: StageContext) -> LandmarksOutputs:
        """Find the landmarks of a clip.

        Raises:
            LandmarksInvalidError: Too many frames could not be measured.
            FrameContractError: The crop and its geometry differ in length.
        """
        geometry = CropGeometry.load(context.path(inputs.geometry))
        boxes, seen = geometry.face_boxes, geometry.valid
        raw = np.zeros((len(boxes), 68, 2), np.float32)
        confidence = np.zeros((len(boxes), 68), np.float32)
        rate = float(Fraction(inputs.rate))
        count = 0
        for index, frame in enumerate(prefetched(read_images(context.path(inputs.frames)))):
            if index < len(boxes):
                found = self._detector.detect(frame, boxes[index])
                raw[index], confidence[index] = found.points, found.confidence
            count = index + 1
            context.advance(min(count, len(boxes)), len(boxes))
            context.count_video(1, 1 / rate)
        if count != len(boxes):
            raise FrameContractError(f"the crop has {count} frames, its geometry has {len(boxes)}")
        valid = seen & plausible(raw, confidence, boxes)
        invalid_fraction = float(1 - valid.mean())
        if invalid_fraction > inputs.parameters.max_invalid_fraction:
            message = f"landmarks could not be measured in {invalid_fraction:.0%} of {len(boxes)} frames"
            limit = inputs.parameters.max_invalid_fraction
            raise LandmarksInvalidError(message, measure=round(invalid_fraction, 4), threshold=limit)
        points = self._smooth(raw, confidence, valid, rate, inputs.parameters.cutoff_hertz)
        path = context.scratch / "landmarks.npz"
        ClipLandmarks(points, raw, confidence, valid).save(path)
        eyes = float(np.median(outer_eye_distance(points)))
        measurements: dict[str, Measurement] = {
            "valid_fraction": round(float(valid.mean()), 4),
            "mean_confidence": round(float(confidence.mean()), 4),
            "outer_eye_pixels": round(eyes, 2),
            "jitter_raw_percent": _jitter_percent(raw, eyes),
            "jitter_percent": _jitter_percent(points, eyes),
        }
        notes = []
        if not valid.all():
            notes.append(f"{int((~valid).sum())} of {len(valid)} frames could not be measured and are interpolated")
        return LandmarksOutputs(context.publish(path, "landmarks.npz", MEDIA_TYPE), measurements, tuple(notes))

    def _smooth(
        self,
        raw: npt.NDArray[np.float32],
        confidence: npt.NDArray[np.float32],
        valid: npt.NDArray[np.bool_],
        rate: float,
        cutoff: float,
    ) -> npt.NDArray[np.float32]:
        filled = fill_gaps(raw, valid)
        trust = np.where(valid[:, None], confidence, FILLED_WEIGHT)
        weights = np.repeat(trust[:, :, None], 2, axis=2)
        return smooth_over_time(filled, weights, rate, cutoff).astype(np.float32)


def _jitter_percent(points: npt.NDArray[np.float32], eyes: float) -> float | None:
    """Mean second difference of the inner points, in percent of the outer-eye distance."""
    if len(points) < 3:
        return None
    return round(float(jitter(points[:, INNER]).mean()) / eyes * 100, 4)
