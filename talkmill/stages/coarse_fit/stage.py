"""Coarse fit: coefficients of each frame on its own, in Deep3DFaceRecon's 257 layout."""

import json
from collections.abc import Iterator

import numpy as np

from talkmill.arrays import Float32Array
from talkmill.artifacts.manifest import ModelVersion
from talkmill.fitting.alignment import FIVE_POINTS_KEY, Alignment, align, five_points, warping_matrix
from talkmill.fitting.coefficients import CoarseCoefficients
from talkmill.fitting.frames import fit_frames
from talkmill.fitting.priors import FitPriors
from talkmill.fitting.projection import LandmarkBasis
from talkmill.fitting.regression import regress
from talkmill.geometry.conventions import COARSE_CENTRE, COARSE_FOCAL, coarse_angles_from_rotation, coarse_translation
from talkmill.geometry.transforms import apply
from talkmill.inference.precision import Precision
from talkmill.inference.runtime import Runtime
from talkmill.landmarks.points import INNER
from talkmill.models.installed import InstalledModel
from talkmill.morphable.model import MorphableModel
from talkmill.stages.coarse_fit.messages import CoarseFitInputs, CoarseFitOutputs, CoarseMethod
from talkmill.stages.contract import Measurement, StageContext
from talkmill.stages.errors import FitFailedError, FrameContractError, InvalidRequestError
from talkmill.stages.records import MEDIA_TYPE, ClipLandmarks, CoarseFit
from talkmill.video.images import read_images

# A confidence of 0 would drop a point; an interpolated frame keeps a little of each.
LEAST_WEIGHT = 0.02


class CoarseFitStage:
    """Aligns, and fits or regresses."""

    name = "coarse_fit"
    version = "3"
    outputs_type = CoarseFitOutputs
    keeps_result = True

    def __init__(
        self, method: CoarseMethod, model: InstalledModel, runtime: Runtime, precision: Precision = "fp32"
    ) -> None:
        """Create the stage.

        Args:
            method: How coefficients are found.
            model: A morphable model for `landmark-fit`, the network for `deep3d-resnet50`.
            runtime: Where the network runs.
            precision: Of its arithmetic.
        """
        self.models: tuple[ModelVersion, ...] = (model.version,)
        self.execution_provider = ""
        self.arithmetic = "" if method == "landmark-fit" else runtime.arithmetic
        self._method, self._model, self._runtime, self._precision = method, model, runtime, precision

    def load(self) -> None:
        """Load the morphable model, or the network."""
        if self._method == "landmark-fit":
            model = MorphableModel.load(self._model.checked_path())
            self._basis = LandmarkBasis.of(model)
            self._five_points = five_points(self._basis.mean) * model.alignment_scale
            return
        self._network = self._runtime.load(self._model.checked_path(), self._model.version.id, self._precision)
        self.execution_provider = self._network.execution_provider
        self._five_points = np.array(json.loads(self._network.metadata[FIVE_POINTS_KEY]), np.float64)

    def run(self, inputs: CoarseFitInputs, context: StageContext) -> CoarseFitOutputs:
        """Find the coefficients of every frame of a clip.

        Raises:
            FitFailedError: They are not finite.
            FrameContractError: There are more or fewer frames than landmarks.
            InvalidRequestError: The network is asked for without frames.
        """
        landmarks = ClipLandmarks.load(context.path(inputs.landmarks))
        points, confidence, valid = landmarks.points, landmarks.confidence, landmarks.valid
        alignments = [align(frame, self._five_points, inputs.size) for frame in points]
        if self._method == "landmark-fit":
            weights = np.where(valid[:, None], np.maximum(confidence, LEAST_WEIGHT), LEAST_WEIGHT)
            coefficients, measurements = self._fit(inputs, points, weights, alignments)
        else:
            coefficients, measurements = self._regress(inputs, context, alignments), {}
        if not np.isfinite(coefficients).all():
            bad = int((~np.isfinite(coefficients).all(1)).sum())
            raise FitFailedError(f"the coarse fit is not finite in {bad} of {len(points)} frames", measure=bad)
        path = context.scratch / "coefficients.npz"
        CoarseFit(
            coeff=coefficients,
            transform_params=np.stack([a.parameters for a in alignments]).astype(np.float32),
            warping_params=np.stack([warping_matrix(a) for a in alignments]).astype(np.float32),
            valid=valid,
        ).save(path)
        context.advance(len(points), len(points))
        # How long they last is not known here.
        context.count_video(len(points), 0.0)
        measurements["method"] = self._method
        return CoarseFitOutputs(context.publish(path, "coefficients.npz", MEDIA_TYPE), measurements)

    def _fit(
        self, inputs: CoarseFitInputs, points: Float32Array, weights: Float32Array, alignments: list[Alignment]
    ) -> tuple[Float32Array, dict[str, Measurement]]:
        aligned = apply(np.stack([alignment.crop_from_image for alignment in alignments]), points)
        priors = FitPriors(landmark_fraction=inputs.parameters.landmark_fraction)
        fit = fit_frames(self._basis, aligned, weights, COARSE_FOCAL, COARSE_CENTRE, priors)
        angles = coarse_angles_from_rotation(fit.pose.rotation)
        translation = coarse_translation(fit.pose.translation)
        coefficients = CoarseCoefficients.assemble(fit.identity, fit.expression, angles, translation).values
        error = np.linalg.norm(fit.points - aligned, axis=-1)
        return coefficients, {
            "reprojection_rms_inner_pixels_at_224": round(float(np.sqrt((error[:, INNER] ** 2).mean())), 3),
            "reprojection_rms_pixels_at_224": round(float(np.sqrt((error**2).mean())), 3),
        }

    def _regress(self, inputs: CoarseFitInputs, context: StageContext, alignments: list[Alignment]) -> Float32Array:
        if inputs.frames is None:
            raise InvalidRequestError(f"frames: are required for {self._method}", field="frames")
        parts = []
        try:
            for part in self._batches(inputs, context, alignments):
                parts.append(part)
                context.advance(sum(map(len, parts)), len(alignments))
        except ValueError as error:
            raise FrameContractError(f"the crop does not have the {len(alignments)} frames of the landmarks") from error
        return np.concatenate(parts).astype(np.float32)

    def _batches(
        self, inputs: CoarseFitInputs, context: StageContext, alignments: list[Alignment]
    ) -> Iterator[Float32Array]:
        assert inputs.frames is not None  # noqa: S101 - checked by the caller
        return regress(self._network, read_images(context.path(inputs.frames)), alignments)
