"""Fine fit: one identity and focal length a clip, smooth pose and expression, and the preview."""

from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from talkmill.arrays import Frame
from talkmill.artifacts.manifest import ModelVersion
from talkmill.fitting.clip import ClipFit, ObservedClip, fit_clip
from talkmill.fitting.coefficients import FINE_EXPRESSION_COUNT, FINE_IDENTITY_COUNT, padded
from talkmill.fitting.overlay import draw_mesh
from talkmill.fitting.photometric import Refinement, refine
from talkmill.fitting.projection import LandmarkBasis
from talkmill.fitting.report import FrameReport, report_frames, verdict
from talkmill.fitting.state import State
from talkmill.geometry.conventions import REFERENCE_SIZE, euler_from_rotation, principal_point
from talkmill.landmarks.occlusion import HiddenShares
from talkmill.models.installed import InstalledModel
from talkmill.morphable.model import MorphableModel
from talkmill.stages.contract import Measurement, StageContext
from talkmill.stages.errors import FitFailedError
from talkmill.stages.fine_fit.messages import FineFitInputs, FineFitOutputs
from talkmill.stages.fine_fit.preview import write_preview
from talkmill.stages.records import MEDIA_TYPE, ClipLandmarks, FineFit
from talkmill.video.images import read_images

SWITCHED_OFF = "colours were not used (`photometric` is off): the pose rests on landmarks alone"


class FineFitStage:
    """Fits the morphable model to a clip."""

    name = "fine_fit"
    version = "16"
    outputs_type = FineFitOutputs
    keeps_result = True
    execution_provider = ""
    arithmetic = ""

    def __init__(self, model: InstalledModel, threads: int = 1) -> None:
        """Create the stage.

        Args:
            model: A morphable model.
            threads: Of the photometric term.
        """
        self.models: tuple[ModelVersion, ...] = (model.version,)
        self._installed, self._threads = model, threads

    def load(self) -> None:
        """Load the morphable model."""
        self._model = MorphableModel.load(self._installed.checked_path())
        self._basis = LandmarkBasis.of(self._model)

    def run(self, inputs: FineFitInputs, context: StageContext) -> FineFitOutputs:
        """Fit a clip.

        Raises:
            FitFailedError: No frame has landmarks, the fit is not finite, the head lies behind the camera, or the
                landmarks are not a head's.
        """
        landmarks = ClipLandmarks.load(context.path(inputs.landmarks))
        points, confidence, valid = landmarks.points, landmarks.confidence, landmarks.valid
        clip = self._clip(inputs, points, np.where(valid[:, None], confidence, 0.0))
        try:
            fit = fit_clip(clip, context.advance)
            self._check(fit, len(clip))
            refinement = self._refine(inputs, context, clip, fit)
        except np.linalg.LinAlgError as error:
            raise FitFailedError(f"the fit of {len(clip)} frames has no solution: {error}") from error
        if refinement is not None:
            fit = refinement.fit
            self._check(fit, len(clip))
        limit = inputs.parameters.max_reprojection_pixels
        frames = report_frames(fit, self._basis, clip.landmarks, REFERENCE_SIZE, limit)
        rms = frames.rms(inner=False)
        if rms > limit:
            message = f"the morphable head misses the landmarks by {rms:.1f} pixels at 512, {limit:g} are allowed"
            raise FitFailedError(message, measure=round(rms, 3), threshold=limit)
        lost, most = 1 - float(frames.valid.mean()), inputs.parameters.max_invalid_fraction
        if lost > most:
            message = f"{lost:.0%} of {len(clip)} frames could not be fitted, {most:.0%} are allowed"
            raise FitFailedError(message, measure=round(lost, 4), threshold=most)
        context.count_video(len(clip), len(clip) / clip.rate)
        # The limits are those of the fused landmarks: face-api-68 alone has no face mesh, and another confidence.
        hidden = () if inputs.face_mesh is None else HiddenShares.of(confidence, valid, clip.rate).warnings
        judgement, reasons = verdict(frames, refinement.reason if refinement is not None else "", hidden)
        if refinement is None:
            reasons.append(SWITCHED_OFF)
        measurements = self._measurements(clip, fit, frames, refinement)
        measurements["verdict"] = judgement
        preview = context.scratch / "preview.jpg"
        head = partial(self._draw_head, fit.state)
        write_preview(preview, inputs, context, landmarks, frames, (judgement, tuple(reasons)), head)
        return FineFitOutputs(
            context.publish(self._save(context, fit, frames, refinement), "fit.npz", MEDIA_TYPE),
            context.publish(preview, "preview.jpg", "image/jpeg"),
            measurements,
            tuple(reasons),
        )

    def _clip(
        self, inputs: FineFitInputs, points: npt.NDArray[np.float32], weights: npt.NDArray[np.float32]
    ) -> ObservedClip:
        # Pixel centres lie at integers: a scale acts around (-1/2, -1/2).
        scale = REFERENCE_SIZE / inputs.size
        landmarks = (points.astype(np.float64) + 0.5) * scale - 0.5
        rate, centre = float(Fraction(inputs.rate)), principal_point(REFERENCE_SIZE)
        try:
            return ObservedClip.of(
                self._basis, landmarks, weights, rate, centre, inputs.parameters.priors, inputs.parameters.focal_pixels
            )
        except ValueError as error:
            raise FitFailedError(str(error), measure=0) from error

    def _refine(
        self, inputs: FineFitInputs, context: StageContext, clip: ObservedClip, fit: ClipFit
    ) -> Refinement | None:
        if not inputs.parameters.photometric:
            return None

        def frames() -> Iterator[Frame]:
            return read_images(context.path(inputs.frames))

        priors = inputs.parameters.photometric_priors
        return refine(self._model, clip, fit, frames, priors, self._threads, context.advance)

    def _check(self, fit: ClipFit, count: int) -> None:
        state = fit.state
        values = (state.pose.rotation, state.pose.translation, state.expression, state.identity, state.focal)
        if not all(np.isfinite(value).all() for value in values):
            raise FitFailedError(f"the fit of {count} frames is not finite")
        behind = int((state.pose.translation[:, 2] > -1).sum())
        if behind:
            raise FitFailedError(f"the head lies behind the camera in {behind} of {count} frames", measure=behind)

    def _save(self, context: StageContext, fit: ClipFit, frames: FrameReport, refinement: Refinement | None) -> Path:
        path, state = context.scratch / "fit.npz", fit.state
        residual = np.zeros(len(frames.error)) if refinement is None else refinement.residual
        FineFit(
            euler=euler_from_rotation(state.pose.rotation).astype(np.float32),
            trans=state.pose.translation.astype(np.float32),
            focal=np.array([state.focal], np.float32),
            focal_interval=np.array(fit.focal_interval(), np.float32),
            id=padded(state.identity, FINE_IDENTITY_COUNT),
            exp=padded(state.expression, FINE_EXPRESSION_COUNT),
            reprojection_error=frames.error.astype(np.float32),
            reprojection_error_inner=frames.inner_error.astype(np.float32),
            photometric_residual=residual.astype(np.float32),
            jitter=frames.jitter.astype(np.float32),
            valid=frames.valid,
        ).save(path)
        return path

    def _measurements(
        self, clip: ObservedClip, fit: ClipFit, frames: FrameReport, refinement: Refinement | None
    ) -> dict[str, Measurement]:
        low, high = fit.focal_interval()
        found: dict[str, Measurement] = {
            "reprojection_rms_inner_pixels": round(frames.rms(inner=True), 3),
            "reprojection_rms_pixels": round(frames.rms(inner=False), 3),
            "valid_share": round(float(frames.valid.mean()), 4),
            "jitter_pixels": round(float(frames.jitter[1:-1].mean()), 4) if len(frames.jitter) > 2 else None,
            "focal_pixels": round(fit.state.focal, 1),
            "focal_interval_low": round(low, 1),
            "focal_interval_high": round(high, 1),
            "focal_held": clip.holds_focal,
            "mean_trans_z": round(float(fit.state.pose.translation[:, 2].mean()), 3),
            "identity_norm": round(float(np.linalg.norm(fit.state.identity)), 3),
            "iterations": fit.iterations,
            "basis": self._model.name,
            "photometric": refinement is not None and refinement.kept,
        }
        if refinement is not None:
            found["held_out_error_landmarks"] = round(refinement.error_before, 3)
            found["held_out_error_photometric"] = round(refinement.error_after, 3)
        return found

    def _draw_head(self, state: State, frame: int, crop: Frame) -> Frame:
        """Draw the head of a frame over its crop, of any size."""
        size = len(crop)
        vertices = self._model.shape(state.identity, state.expression[frame]).astype(np.float64)
        pose = (state.pose.rotation[frame], state.pose.translation[frame])
        return draw_mesh(crop, self._model, vertices, *pose, state.focal * size / REFERENCE_SIZE, principal_point(size))
