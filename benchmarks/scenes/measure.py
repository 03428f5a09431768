"""The error of a fit against the truth of its scene."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from benchmarks.scenes.scene import RATE, Scene
from talkmill.arrays import Float64Array
from talkmill.fitting.clip import ClipFit, ObservedClip, fit_clip
from talkmill.fitting.priors import FitPriors
from talkmill.fitting.projection import LandmarkBasis
from talkmill.fitting.report import NOSE_TIP
from talkmill.geometry.conventions import REFERENCE_SIZE, principal_point, project
from talkmill.morphable.model import MorphableModel

LANDMARK_NOISE = 1.0


@dataclass(frozen=True, slots=True)
class PoseError:
    """Errors of a fit.

    Attributes:
        rotation: Mean geodesic error in degrees, one constant rotation of the clip removed.
        offset: That rotation, in degrees: two bases call different poses frontal.
        translation: Mean error of the translation, in percent of the distance.
        depth_over_focal: Mean error of z / f, in percent.
        jitter: Mean second difference of the nose's tip in the picture, over that of the truth.
        focal_inside: Whether the true focal length lies in the reported interval.
        depth_inside: Whether the true distance lies in the interval that it gives.
        half_width: Half width of the focal's interval over the focal.
    """

    rotation: float
    offset: float
    translation: float
    depth_over_focal: float
    jitter: float
    focal_inside: bool
    depth_inside: bool
    half_width: float


def clip_of(scene: Scene, basis: LandmarkBasis, seed: int, priors: FitPriors | None = None) -> ObservedClip:
    """Return what a detector would measure of a scene."""
    landmarks = scene.landmarks(LANDMARK_NOISE, seed)
    centre = principal_point(REFERENCE_SIZE)
    return ObservedClip.of(basis, landmarks, np.ones(landmarks.shape[:2]), RATE, centre, priors or FitPriors())


def fit_scene(scene: Scene, basis: LandmarkBasis, seed: int, priors: FitPriors | None = None) -> ClipFit:
    """Fit a scene's landmarks."""
    return fit_clip(clip_of(scene, basis, seed, priors))


def pose_error(scene: Scene, fit: ClipFit, model: MorphableModel) -> PoseError:
    """Compare a fit with the truth.

    Args:
        scene: The truth.
        fit: The fit.
        model: The head that was fitted, of which the rigid point is taken.
    """
    pose = fit.state.pose
    # Model side: what was found is what is true after a turn of the head's own frame.
    apart = Rotation.from_matrix(np.swapaxes(scene.rotation, 1, 2) @ pose.rotation)
    constant = apart.mean()
    low, high = fit.focal_interval()
    ratio = (pose.translation[:, 2] / fit.state.focal) / (scene.translation[:, 2] / scene.focal)
    depth = float(np.mean(scene.translation[:, 2] / pose.translation[:, 2]))
    away = np.linalg.norm(pose.translation - scene.translation, axis=1) / np.linalg.norm(scene.translation, axis=1)
    found = _jitter(model, pose.rotation, pose.translation, fit.state.focal)
    true = _jitter(scene.model, scene.rotation, scene.translation, scene.focal)
    return PoseError(
        float(np.degrees((apart * constant.inv()).magnitude()).mean()),
        float(np.degrees(constant.magnitude())),
        100 * float(away.mean()),
        100 * float(np.abs(ratio - 1).mean()),
        found / true,
        low <= scene.focal <= high,
        low / fit.state.focal <= depth <= high / fit.state.focal,
        (high - low) / 2 / fit.state.focal,
    )


def kept_amplitude(truth: Float64Array, found: Float64Array, frequency: float) -> float:
    """Return how much of a sine of some frequency is left in a signal, (N,) each."""
    time = np.arange(len(truth)) / RATE
    wave = np.exp(-2j * np.pi * frequency * time)
    trend = np.stack([time**power for power in range(4)], axis=1)

    def amplitude(signal: Float64Array) -> float:
        flat = signal - trend @ np.linalg.lstsq(trend, signal, rcond=None)[0]
        return float(abs((flat * wave).mean()))

    return amplitude(found) / amplitude(truth)


def _jitter(model: MorphableModel, rotation: Float64Array, translation: Float64Array, focal: float) -> float:
    tip = np.broadcast_to(model.mean[model.landmarks[NOSE_TIP]].astype(np.float64), (len(rotation), 1, 3))
    path = project(tip, rotation, translation, focal, 0.0)[:, 0]
    return float(np.linalg.norm(np.diff(path, 2, axis=0), axis=1).mean())
