"""The report of a fit: errors per frame, which frames are valid, and a verdict."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float64Array
from talkmill.fitting.clip import ClipFit
from talkmill.fitting.projection import LandmarkBasis
from talkmill.geometry.conventions import principal_point, project
from talkmill.landmarks.points import INNER

NOSE_TIP = 30
# A clip is called good below these: RMS of the inner points in pixels at 512, share of frames lost.
GOOD_INNER_PIXELS, GOOD_LOST = 3.0, 0.02


@dataclass(frozen=True, slots=True)
class FrameReport:
    """Measures of every frame, in pixels of the 512 crop.

    Attributes:
        error: (N,) RMS reprojection error of the 68 points; 0 where nothing was measured.
        inner_error: (N,) of the inner 51.
        jitter: (N,) second difference of the tip of the mean nose, a point that only the pose moves; 0 at the ends.
        valid: (N,) measured frames whose inner points are met.
    """

    error: Float64Array
    inner_error: Float64Array
    jitter: Float64Array
    valid: npt.NDArray[np.bool_]

    def rms(self, inner: bool) -> float:
        """Return the RMS over measured frames."""
        errors = self.inner_error if inner else self.error
        return float(np.sqrt((errors[errors > 0] ** 2).mean())) if (errors > 0).any() else 0.0


def report_frames(
    fit: ClipFit, basis: LandmarkBasis, landmarks: Float64Array, size: int, limit_pixels: float
) -> FrameReport:
    """Measure every frame of a fit.

    Args:
        fit: The fit.
        basis: The model's landmark points.
        landmarks: (N, 68, 2) pixels.
        size: Side of the image that they are in.
        limit_pixels: A frame whose inner points are missed by more (RMS) is not valid.
    """
    distance = np.where(fit.measured[:, None], np.linalg.norm(fit.points - landmarks, axis=-1), 0.0)
    error, inner = (np.sqrt((part**2).mean(1)) for part in (distance, distance[:, INNER]))
    tip = np.broadcast_to(basis.mean[NOSE_TIP], (len(error), 1, 3))
    pose = fit.state.pose
    path = project(tip, pose.rotation, pose.translation, fit.state.focal, principal_point(size))[:, 0]
    jitter = np.zeros(len(error))
    if len(error) > 2:
        jitter[1:-1] = np.linalg.norm(np.diff(path, 2, axis=0), axis=1)
    return FrameReport(error, inner, jitter, fit.measured & (inner <= limit_pixels))


def verdict(frames: FrameReport, photometric: str, hidden: Sequence[str]) -> tuple[str, list[str]]:
    """Say whether a clip's camera, mouth and eyes can be trusted.

    Args:
        frames: What was measured.
        photometric: Why the photometric result was not kept; "" where it was, or was not wanted.
        hidden: What is said of a hidden mouth or eye.

    Returns:
        `good` or `doubtful`, and the reasons.
    """
    reasons = []
    inner = frames.rms(inner=True)
    if inner > GOOD_INNER_PIXELS:
        reasons.append(f"the head misses the inner landmarks by {inner:.1f} pixels at 512 (RMS)")
    lost = 1 - float(frames.valid.mean())
    if lost > GOOD_LOST:
        reasons.append(f"{lost:.0%} of the frames could not be fitted")
    reasons.extend(hidden)
    if photometric:
        reasons.append(f"the pose rests on landmarks alone: {photometric}")
    return ("doubtful" if reasons else "good"), reasons
