"""Landmarks: 68 points a frame in pixels of the crop, with confidence and validity, smoothed in time."""

from collections.abc import Callable, Mapping
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from talkmill.artifacts.manifest import ModelVersion
from talkmill.faces.embedding import EMBEDDING_MODEL, FaceEmbedder
from talkmill.faces.identity import IdentityWatch
from talkmill.inference.runtime import Runtime
from talkmill.landmarks.detection import FaceApiDetector, LandmarkDetector
from talkmill.landmarks.eyes import eye_opening, gaze
from talkmill.landmarks.fan import FanDetector
from talkmill.landmarks.fused import FusedDetector
from talkmill.landmarks.mesh import FaceMesh
from talkmill.landmarks.occlusion import HiddenShares
from talkmill.landmarks.points import INNER, eyes_and_mouth, outer_eye_distance
from talkmill.landmarks.smoothing import fill_gaps, jitter, smooth_over_time
from talkmill.landmarks.validity import plausible
from talkmill.models.installed import InstalledModel
from talkmill.stages.contract import Measurement, StageContext
from talkmill.stages.errors import FrameContractError, LandmarksInvalidError, PersonChangesError
from talkmill.stages.landmarks.messages import LandmarksInputs, LandmarksOutputs
from talkmill.stages.records import MEDIA_TYPE, ClipFaceMesh, ClipLandmarks, CropGeometry
from talkmill.video.images import read_images
from talkmill.video.prefetch import prefetched
from talkmill.video.stretches import stretches_of

# Each landmark model that may be chosen: the networks that its detector needs, and what makes it out of them.
DETECTORS: dict[str, tuple[tuple[str, ...], Callable[..., LandmarkDetector]]] = {
    "face-mesh-478": (("face-mesh-478", "face-api-68"), FusedDetector),
    "face-api-68": (("face-api-68",), FaceApiDetector),
    "fan-2d4": (("fan-2d4",), FanDetector),
}
# Trust in a frame that was filled in, against 0.5 to 1 of a measured one.
FILLED_WEIGHT = 0.02


def networks_of(choice: str) -> tuple[str, ...]:
    """Return the models that the stage needs, for a landmark model of DETECTORS."""
    return *DETECTORS[choice][0], EMBEDDING_MODEL


class LandmarksStage:
    """Measures, checks and smooths."""

    name = "landmarks"
    version = "9"
    outputs_type = LandmarksOutputs
    keeps_result = True

    def __init__(self, choice: str, models: Mapping[str, InstalledModel], runtime: Runtime) -> None:
        """Create the stage.

        Args:
            choice: A landmark model of DETECTORS.
            models: Those of `networks_of`.
            runtime: Where they run.
        """
        self._make = DETECTORS[choice][1]
        self._networks = [models[name] for name in networks_of(choice)]
        self.models: tuple[ModelVersion, ...] = tuple(model.version for model in self._networks)
        self._runtime = runtime
        self.execution_provider = ""
        self.arithmetic = runtime.arithmetic

    def load(self) -> None:
        """Load the landmark nets."""
        *networks, embedding = [self._runtime.load(model.checked_path(), model.version.id) for model in self._networks]
        self.execution_provider = networks[0].execution_provider
        self._detector = self._make(*networks)
        self._embedder = FaceEmbedder(embedding)

    def run(self, inputs: LandmarksInputs, context: StageContext) -> LandmarksOutputs:
        """Find the landmarks of a clip.

        Raises:
            LandmarksInvalidError: Too many frames could not be measured.
            PersonChangesError: Two moments show two people.
            FrameContractError: The crop and its geometry differ in length.
        """
        geometry = CropGeometry.load(context.path(inputs.geometry))
        boxes, seen = geometry.face_boxes, geometry.valid
        raw = np.zeros((len(boxes), 68, 2), np.float32)
        confidence = np.zeros((len(boxes), 68), np.float32)
        meshes: list[FaceMesh] = []
        rate = float(Fraction(inputs.rate))
        watch = IdentityWatch(self._embedder, rate)
        count = 0
        for index, frame in enumerate(prefetched(read_images(context.path(inputs.frames)))):
            if index < len(boxes):
                found = self._detector.detect(frame, boxes[index])
                raw[index], confidence[index] = found.points, found.confidence
                watch.look(index, frame, eyes_and_mouth(found.points), float(found.confidence.mean()))
                meshes += [] if found.mesh is None else [found.mesh]
            count = index + 1
            context.advance(min(count, len(boxes)), len(boxes))
            context.count_video(1, 1 / rate)
        if count != len(boxes):
            raise FrameContractError(f"the crop has {count} frames, its geometry has {len(boxes)}")
        valid = seen & plausible(raw, confidence, boxes)
        invalid_fraction = float(1 - valid.mean())
        if invalid_fraction > inputs.parameters.max_invalid_fraction:
            begin, end = max(stretches_of(~valid), key=lambda gap: gap[1] - gap[0])
            message = (
                f"landmarks could not be measured in {invalid_fraction:.0%} of {len(boxes)} frames; "
                f"the longest gap is from {begin / rate:.2f} to {end / rate:.2f} s of the clip"
            )
            limit = inputs.parameters.max_invalid_fraction
            raise LandmarksInvalidError(message, measure=round(invalid_fraction, 4), threshold=limit)
        alike = _check_person(watch, rate, inputs.parameters.max_face_distance)
        points = self._smooth(raw, confidence, valid, rate, inputs.parameters.cutoff_hertz)
        path, mesh_path = (context.scratch / name for name in ("landmarks.npz", "face_mesh.npz"))
        ClipLandmarks(points, raw, confidence, valid).save(path)
        eyes = float(np.median(outer_eye_distance(points)))
        measurements: dict[str, Measurement] = {
            "valid_fraction": round(float(valid.mean()), 4),
            "mean_confidence": round(float(confidence.mean()), 4),
            "outer_eye_pixels": round(eyes, 2),
            "jitter_raw_percent": _jitter_percent(raw, eyes),
            "jitter_percent": _jitter_percent(points, eyes),
            "face_distance": alike,
        }
        notes = []
        if not valid.all():
            notes.append(f"{int((~valid).sum())} of {len(valid)} frames could not be measured and are interpolated")
        if meshes:
            hidden = HiddenShares.of(confidence, valid, rate)
            measurements["mouth_hidden_share"] = round(hidden.mouth, 4)
            measurements["eye_hidden_share"] = round(hidden.eye, 4)
            notes.extend(hidden.warnings)
            face_mesh = _face_mesh(meshes, valid)
            face_mesh.save(mesh_path)
            measurements["median_presence"] = round(float(np.median(face_mesh.presence)), 2)
            measurements["median_eye_opening"] = round(float(np.median(face_mesh.eye_opening)), 4)
        return LandmarksOutputs(
            context.publish(path, "landmarks.npz", MEDIA_TYPE),
            context.publish(mesh_path, "face_mesh.npz", MEDIA_TYPE) if meshes else None,
            measurements,
            tuple(notes),
        )

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


def _check_person(watch: IdentityWatch, rate: float, limit: float) -> float | None:
    """Return how far apart the faces of a clip are, None where too few were seen; raise where that is too far."""
    moments = watch.farthest()
    if moments is None:
        return None
    distance = round(moments.distance, 4)
    if distance > limit:
        first, other = moments.first_frame / rate, moments.other_frame / rate
        message = f"the faces at {first:.2f} s and at {other:.2f} s of the clip are not of one person"
        raise PersonChangesError(message, measure=distance, threshold=limit)
    return distance


def _face_mesh(meshes: list[FaceMesh], valid: npt.NDArray[np.bool_]) -> ClipFaceMesh:
    mesh = fill_gaps(np.stack([one.vertices for one in meshes]), valid).astype(np.float32)
    presence = np.array([one.presence for one in meshes], np.float32)
    return ClipFaceMesh(mesh, presence, eye_opening(mesh), gaze(mesh))


def _jitter_percent(points: npt.NDArray[np.float32], eyes: float) -> float | None:
    """Mean second difference of the inner points, in percent of the outer-eye distance."""
    if len(points) < 3:
        return None
    return round(float(jitter(points[:, INNER]).mean()) / eyes * 100, 4)
