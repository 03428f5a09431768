"""Fine fit: one identity and focal length a clip, smooth pose and expression, and the preview."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from services.fine_fit.messages import FineFitInputs, FineFitOutputs
from services.fine_fit.preview import pick, preview_indices, write_preview
from talkmill.artifacts.manifest import ModelVersion
from talkmill.fitting.clip import ClipFit, fit_clip
from talkmill.fitting.coefficients import FINE_EXPRESSION_COUNT, FINE_IDENTITY_COUNT, padded
from talkmill.fitting.overlay import draw_mesh, draw_points
from talkmill.fitting.projection import LandmarkBasis
from talkmill.geometry.conventions import REFERENCE_SIZE, euler_from_rotation, principal_point, project
from talkmill.landmarks.points import INNER
from talkmill.landmarks.smoothing import jitter
from talkmill.models.installed import InstalledModel
from talkmill.morphable.model import MorphableModel
from talkmill.stage.contract import Measurement, StageContext
from talkmill.stage.errors import FitFailedError
from talkmill.video.decode import Frame, read_grey_frames, read_images


class FineFitStage:
    """Fits the morphable model to a clip."""

    name = "fine_fit"
    version = "1"
    outputs_type = FineFitOutputs
    execution_provider = ""

    def __init__(self, model: InstalledModel) -> None:
        self.models: tuple[ModelVersion, ...] = (model.version,)
        self._installed = model

    def load(self) -> None:
        """Load the morphable model."""
        self._model = MorphableModel.load(self._installed.path)
        self._basis = LandmarkBasis(*(part.astype(np.float64) for part in self._model.landmark_basis()))

    def run(self, inputs: FineFitInputs, context: StageContext) -> FineFitOutputs:
        """Fit a clip.

        Raises:
            FitFailedError: The fit is not finite, the head lies behind the camera, or the landmarks are not a head's.
        """
        with np.load(context.path(inputs.landmarks), allow_pickle=False) as arrays:
            points, confidence, valid = arrays["points"], arrays["confidence"], arrays["valid"]
        # Pixel centres lie at integers: a scale acts around (-1/2, -1/2).
        scale = REFERENCE_SIZE / inputs.size
        landmarks = (points.astype(np.float64) + 0.5) * scale - 0.5
        weights = np.where(valid[:, None], confidence, 0.0)
        centre = principal_point(REFERENCE_SIZE)
        count = len(points)
        fit = fit_clip(
            self._basis,
            landmarks,
            weights,
            float(Fraction(inputs.rate)),
            centre,
            inputs.parameters.priors,
            context.advance,
        )
        self._check(fit, count)
        context.count_video(count, count / float(Fraction(inputs.rate)))
        error = np.linalg.norm(fit.points - landmarks, axis=-1)
        rms, limit = float(np.sqrt((error[valid] ** 2).mean())), inputs.parameters.max_reprojection_pixels
        if rms > limit:
            message = f"the morphable head misses the landmarks by {rms:.1f} pixels at 512, {limit:g} are allowed"
            raise FitFailedError(message, measure=round(rms, 3), threshold=limit)
        path = context.scratch / "fit.npz"
        np.savez(
            path,
            euler=euler_from_rotation(fit.pose.rotation).astype(np.float32),
            trans=fit.pose.translation.astype(np.float32),
            focal=np.array([fit.focal], np.float32),
            focal_interval=np.array(fit.focal_interval(), np.float32),
            id=padded(fit.identity, FINE_IDENTITY_COUNT),
            exp=padded(fit.expression, FINE_EXPRESSION_COUNT),
            reprojection_error=np.sqrt((error**2).mean(1)).astype(np.float32),
            valid=valid,
        )
        preview = context.scratch / "preview.jpg"
        self._draw(inputs, context, fit, points, preview)
        low, high = fit.focal_interval()
        measurements: dict[str, Measurement] = {
            "reprojection_rms_inner_pixels": round(float(np.sqrt((error[valid][:, INNER] ** 2).mean())), 3),
            "reprojection_rms_pixels": round(rms, 3),
            "jitter_pixels": self._rigid_jitter(fit, centre),
            "focal_pixels": round(fit.focal, 1),
            "focal_interval_low": round(low, 1),
            "focal_interval_high": round(high, 1),
            "mean_trans_z": round(float(fit.pose.translation[:, 2].mean()), 3),
            "identity_norm": round(float(np.linalg.norm(fit.identity)), 3),
            "iterations": fit.iterations,
            "basis": self._model.name,
        }
        return FineFitOutputs(
            context.publish(path, "fit.npz", "application/x-npz"),
            context.publish(preview, "preview.jpg", "image/jpeg"),
            measurements,
        )

    def _check(self, fit: ClipFit, count: int) -> None:
        finite = np.isfinite(fit.pose.rotation).all() and np.isfinite(fit.expression).all() and np.isfinite(fit.focal)
        if not (finite and np.isfinite(fit.pose.translation).all() and np.isfinite(fit.identity).all()):
            raise FitFailedError(f"the fit of {count} frames is not finite")
        behind = int((fit.pose.translation[:, 2] > -1).sum())
        if behind:
            raise FitFailedError(f"the head lies behind the camera in {behind} of {count} frames", measure=behind)

    def _rigid_jitter(self, fit: ClipFit, centre: float) -> float | None:
        """Mean second difference of a rigid point, the tip of the mean nose, in pixels at 512."""
        tip = np.broadcast_to(self._basis.mean[30][None], (len(fit.pose.translation), 1, 3))
        points = project(tip, fit.pose.rotation, fit.pose.translation, fit.focal, centre)
        return round(float(jitter(points).mean()), 4) if len(points) > 2 else None

    def _draw(
        self,
        inputs: FineFitInputs,
        context: StageContext,
        fit: ClipFit,
        points: npt.NDArray[np.float32],
        path: Path,
    ) -> None:
        columns = preview_indices(len(points))
        scale = inputs.size / REFERENCE_SIZE

        def draw_fit(column: int, crop: Frame) -> Frame:
            frame = columns[column]
            vertices = self._model.shape(fit.identity, fit.expression[frame]).astype(np.float64)
            pose = (fit.pose.rotation[frame], fit.pose.translation[frame])
            return draw_mesh(crop, self._model, vertices, *pose, fit.focal * scale, principal_point(inputs.size))

        write_preview(
            path,
            pick(read_images(context.path(inputs.video)), columns),
            pick(read_grey_frames(context.path(inputs.alpha)), columns),
            pick(read_images(context.path(inputs.frames)), columns),
            lambda column, crop: draw_points(crop, points[columns[column]]),
            draw_fit,
        )
