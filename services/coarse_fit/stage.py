"""Coarse fit: coefficients of each frame on its own, in Deep3DFaceRecon's 257 layout."""

import numpy as np

from services.coarse_fit.messages import CoarseFitInputs, CoarseFitOutputs
from talkmill.artifacts.manifest import ModelVersion
from talkmill.fitting.alignment import align, warping_matrix
from talkmill.fitting.coefficients import CoarseCoefficients
from talkmill.fitting.frames import fit_frames
from talkmill.fitting.priors import FitPriors
from talkmill.fitting.projection import LandmarkBasis
from talkmill.geometry.conventions import (
    COARSE_FOCAL,
    COARSE_SIZE,
    coarse_angles_from_rotation,
    coarse_translation,
    principal_point,
)
from talkmill.geometry.transforms import apply
from talkmill.landmarks.points import INNER
from talkmill.models.installed import InstalledModel
from talkmill.morphable.model import MorphableModel
from talkmill.stage.contract import Measurement, StageContext
from talkmill.stage.errors import FitFailedError

# A confidence of 0 would drop a point; an interpolated frame keeps a little of each.
LEAST_WEIGHT = 0.02


class CoarseFitStage:
    """Aligns and fits."""

    name = "coarse_fit"
    version = "1"
    outputs_type = CoarseFitOutputs
    execution_provider = ""

    def __init__(self, model: InstalledModel) -> None:
        self.models: tuple[ModelVersion, ...] = (model.version,)
        self._model = model

    def load(self) -> None:
        """Load the morphable model."""
        model = MorphableModel.load(self._model.path)
        self._basis = LandmarkBasis(*(part.astype(np.float64) for part in model.landmark_basis()))

    def run(self, inputs: CoarseFitInputs, context: StageContext) -> CoarseFitOutputs:
        """Fit every frame of a clip.

        Raises:
            FitFailedError: The fit is not finite.
        """
        with np.load(context.path(inputs.landmarks), allow_pickle=False) as arrays:
            points, confidence, valid = arrays["points"], arrays["confidence"], arrays["valid"]
        weights = np.where(valid[:, None], np.maximum(confidence, LEAST_WEIGHT), LEAST_WEIGHT)
        alignments = [align(frame, self._basis.mean, inputs.size) for frame in points]
        aligned = apply(np.stack([alignment.crop_from_image for alignment in alignments]), points)
        priors = FitPriors(landmark_fraction=inputs.parameters.landmark_fraction)
        centre = principal_point(COARSE_SIZE)
        fit = fit_frames(self._basis, aligned, weights, COARSE_FOCAL, centre, priors)
        angles = coarse_angles_from_rotation(fit.pose.rotation)
        coefficients = CoarseCoefficients.assemble(
            fit.identity, fit.expression, angles, coarse_translation(fit.pose.translation)
        ).values
        if not np.isfinite(coefficients).all():
            bad = int((~np.isfinite(coefficients).all(1)).sum())
            raise FitFailedError(f"the coarse fit is not finite in {bad} of {len(points)} frames", measure=bad)
        path = context.scratch / "coefficients.npz"
        np.savez(
            path,
            coeff=coefficients,
            transform_params=np.stack([a.parameters for a in alignments]).astype(np.float32),
            warping_params=np.stack([warping_matrix(a) for a in alignments]).astype(np.float32),
            valid=valid,
        )
        error = np.linalg.norm(fit.points - aligned, axis=-1)
        measurements: dict[str, Measurement] = {
            "reprojection_rms_inner_pixels_at_224": round(float(np.sqrt((error[:, INNER] ** 2).mean())), 3),
            "reprojection_rms_pixels_at_224": round(float(np.sqrt((error**2).mean())), 3),
        }
        context.advance(len(points), len(points))
        # How long they last is not known here.
        context.count_video(len(points), 0.0)
        return CoarseFitOutputs(context.publish(path, "coefficients.npz", "application/x-npz"), measurements)
