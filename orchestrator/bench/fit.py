"""Speed of the landmark fit on one thread. `talkmill bench fit`."""

import time

import numpy as np

from orchestrator.bench.quality import Bar, below
from talkmill.fitting.clip import fit_clip
from talkmill.fitting.priors import FitPriors
from talkmill.fitting.projection import LandmarkBasis, Pose, project_with_jacobian
from talkmill.geometry.conventions import REFERENCE_SIZE, principal_point, rotation_from_euler
from talkmill.morphable.model import MorphableModel

RATE = 25.0


def measure_fit(model: MorphableModel, frame_count: int, noise_pixels: float, seed: int) -> list[Bar]:
    """Fit a made-up clip: a nodding, talking head seen with landmark noise.

    Args:
        model: The morphable model that makes and fits the clip.
        frame_count: Frames.
        noise_pixels: Standard deviation of the landmarks.
        seed: Of the noise and the identity.

    Returns:
        CPU seconds, and the error of the pose.
    """
    basis = LandmarkBasis(*(part.astype(np.float64) for part in model.landmark_basis()))
    random = np.random.default_rng(seed)
    time_axis = np.arange(frame_count) / RATE
    phase = 2 * np.pi * time_axis[:, None] * np.array([0.3, 0.5, 0.4])
    rotation = rotation_from_euler(np.array([0.15, 0.3, 0.1]) * np.sin(phase + [0, 1, 2]))
    translation = np.stack([0.1 * np.sin(time_axis), 0.1 * np.cos(time_axis), -6.5 + 0.1 * np.sin(time_axis)], axis=1)
    beat = 2 * np.pi * time_axis[:, None] * random.uniform(0.5, 1.5, basis.expression_count)
    expression = np.clip(random.normal(0, 0.2, basis.expression_count) * np.sin(beat), 0, 1)
    shapes = basis.shape(random.normal(size=basis.identity_count), expression)
    centre = principal_point(REFERENCE_SIZE)
    truth = project_with_jacobian(basis, shapes, Pose(rotation, translation), 1000.0, centre).points
    landmarks = truth + random.normal(0, noise_pixels, truth.shape)
    began = time.process_time()
    fit = fit_clip(basis, landmarks, np.ones(truth.shape[:2]), RATE, centre, FitPriors())
    seconds = time.process_time() - began
    turned = fit.pose.rotation @ np.swapaxes(rotation, 1, 2)
    cosine = (np.trace(turned, axis1=1, axis2=2) - 1) / 2
    degrees = float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean())
    return [
        below(f"CPU seconds to fit {frame_count} frames on one thread", seconds, 15.0),
        Bar("mean rotation error with its offset, degrees", degrees, "reported", True),
        Bar(
            "root mean square reprojection error, pixels",
            float(np.sqrt(((fit.points - truth) ** 2).sum(-1).mean())),
            "reported",
            True,
        ),
    ]
