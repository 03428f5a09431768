"""The landmark fit of a clip of any length: shared identity and focal length, smooth pose and expression."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from talkmill.arrays import BoolArray, Float64Array
from talkmill.fitting.bundle import Bundle, Solution
from talkmill.fitting.frames import fit_frames
from talkmill.fitting.landmark_term import LandmarkTerm
from talkmill.fitting.priors import FitPriors
from talkmill.fitting.projection import LandmarkBasis, Pose
from talkmill.fitting.smoothness import Smoothness, linked_frames, metric_from_data
from talkmill.fitting.state import POSE_COUNT, NormalEquations, State
from talkmill.geometry.rotations import interpolated
from talkmill.landmarks.points import outer_eye_distance

# Clips up to this long are solved at once. In longer ones identity and focal come from this many frames spread over
# the clip, and the frames are solved in windows whose margins overlap (docs/decisions/0004-long-clips.md).
WINDOW, MARGIN = 500, 50
# Two-sided 90 % of a normal distribution.
NINETY_PERCENT = 1.645
# A frame needs so many finite points with a weight, and eyes that many pixels apart.
LEAST_POINTS, LEAST_EYES = 12, 1.0


@dataclass(frozen=True, slots=True)
class ClipFit:
    """A fitted clip.

    Attributes:
        state: Pose and expression of each frame, identity, focal length in pixels of the landmarks' image.
        log_focal_deviation: Posterior standard deviation of the focal length's logarithm.
        points: (N, 68, 2) projected landmarks in pixels.
        measured: (N,) frames that had landmarks; the others are interpolated, nearest at the ends.
        iterations: Steps of the solver.
        cost: Value of the objective.
    """

    state: State
    log_focal_deviation: float
    points: Float64Array
    measured: BoolArray
    iterations: int
    cost: float

    def focal_interval(self) -> tuple[float, float]:
        """Return the 90 % interval of the focal length in pixels."""
        spread = float(np.exp(NINETY_PERCENT * self.log_focal_deviation))
        return self.state.focal / spread, self.state.focal * spread


@dataclass(frozen=True, slots=True)
class ObservedClip:
    """What is measured of a clip, and what is known before.

    Attributes:
        basis: The model's landmark points.
        landmarks: (N, 68, 2) finite pixels.
        weights: (N, 68) trust in each point; 0 where nothing was measured.
        rate: Frames a second.
        centre: Principal point in pixels, for both axes.
        priors: Spreads of the unknowns.
        focal: Focal length in pixels that is held; None where it is estimated.
    """

    basis: LandmarkBasis
    landmarks: Float64Array
    weights: Float64Array
    rate: float
    centre: float
    priors: FitPriors
    focal: float | None = None

    @classmethod
    def of(
        cls,
        basis: LandmarkBasis,
        landmarks: npt.NDArray[np.floating],
        weights: npt.NDArray[np.floating],
        rate: float,
        centre: float,
        priors: FitPriors,
        focal: float | None = None,
    ) -> "ObservedClip":
        """Check what is measured; points that are not finite lose their weight.

        Args:
            basis: The model's landmark points.
            landmarks: (N, 68, 2) pixels; the focal prior is for a 512 crop.
            weights: (N, 68) trust in each point; 0 where a frame was not measured.
            rate: Frames a second.
            centre: Principal point in pixels, for both axes.
            priors: Spreads of the unknowns.
            focal: Focal length in pixels that is held; None where it is estimated.

        Raises:
            ValueError: No frame has enough points.
        """
        points, trust = np.asarray(landmarks, np.float64), np.asarray(weights, np.float64)
        finite = np.isfinite(points).all(-1) & np.isfinite(trust)
        trust = np.where(finite, trust, 0.0)
        trust[(trust > 0).sum(1) < LEAST_POINTS] = 0
        trust[~(outer_eye_distance(np.where(finite[..., None], points, 0.0)) > LEAST_EYES)] = 0
        if not (trust > 0).any():
            raise ValueError(
                f"no frame of {len(points)} has {LEAST_POINTS} finite landmarks with a weight above 0 and eyes apart"
            )
        return cls(basis, np.where(finite[..., None], points, 0.0), trust, rate, centre, priors, focal)

    def __len__(self) -> int:
        return len(self.landmarks)

    @property
    def measured(self) -> BoolArray:
        """(N,) frames with landmarks."""
        return np.asarray(self.weights.max(1) > 0)

    def sigma(self) -> float:
        """Return the noise of a landmark in pixels."""
        return self.priors.landmark_fraction * float(np.median(outer_eye_distance(self.landmarks[self.measured])))

    def part(self, frames: slice | npt.NDArray[np.int64]) -> "ObservedClip":
        """Return some of its frames."""
        return replace(self, landmarks=self.landmarks[frames], weights=self.weights[frames])

    @property
    def holds_focal(self) -> bool:
        """Whether the focal length is known."""
        return self.focal is not None

    def term(self, sigma: float) -> LandmarkTerm:
        """Return the reprojection term."""
        return LandmarkTerm(self.basis, self.landmarks, self.weights, sigma, self.centre, self.priors)


def fit_clip(clip: ObservedClip, advance: Callable[[int, int], None] = lambda done, total: None) -> ClipFit:
    """Fit a clip of any length from one frame up.

    Args:
        clip: What was measured.
        advance: Called with frames done and frames in all.

    Returns:
        The fit.
    """
    start, sigma = first_state(clip), clip.sigma()
    metric = smoothing_metric(clip, start, sigma)
    if len(clip) <= WINDOW:
        measured = int(clip.measured.sum())
        bundle = Bundle(
            [clip.term(sigma)], smoothness_of(clip, metric), clip.priors, measured, hold_focal=clip.holds_focal
        )
        solution = bundle.solve(start)
        advance(len(clip), len(clip))
        return finished(clip, sigma, solution.state, solution, bundle.log_focal_deviation(solution.state))
    spread = spread_frames(clip.measured, WINDOW // 2)
    alone = Smoothness(metric, np.zeros(len(spread), bool))
    terms = [clip.part(spread).term(sigma)]
    bundle = Bundle(terms, alone, clip.priors, len(spread), hold_focal=clip.holds_focal)
    shared = bundle.solve(start.part(spread))
    state, iterations = _solve_windows(clip, start, shared, sigma, metric, advance)
    solution = Solution(state, shared.cost, iterations)
    return finished(clip, sigma, state, solution, bundle.log_focal_deviation(shared.state))


def windows(count: int) -> list[tuple[slice, slice]]:
    """Return overlapping windows of a clip and the part of each that is kept, both in frames of the clip."""
    step = WINDOW - 2 * MARGIN
    kept = [slice(begin, min(count, begin + step)) for begin in range(0, count, step)]
    return [(slice(max(0, part.start - MARGIN), min(count, part.stop + MARGIN)), part) for part in kept]


def joined(states: list[State]) -> State:
    """Put the frames of states in a row."""
    pose = Pose(
        np.concatenate([state.pose.rotation for state in states]),
        np.concatenate([state.pose.translation for state in states]),
    )
    return State(pose, np.concatenate([state.expression for state in states]), states[0].identity, states[0].log_focal)


def spread_frames(measured: BoolArray, count: int) -> npt.NDArray[np.int64]:
    """Return up to so many measured frames, evenly spread."""
    frames = np.flatnonzero(measured)
    return np.asarray(frames[np.unique(np.linspace(0, len(frames) - 1, min(count, len(frames))).astype(int))])


def smoothness_of(clip: ObservedClip, metric: Float64Array) -> Smoothness:
    """Return the smoothness of a clip's frames; long gaps cut it."""
    return Smoothness(metric, linked_frames(clip.measured))


def smoothing_metric(clip: ObservedClip, state: State, sigma: float) -> Float64Array:
    """Return the metric of smoothing that the landmarks of a clip give."""
    frames = spread_frames(clip.measured, WINDOW // 2)
    part = clip.part(frames)
    equations = NormalEquations.zeros(len(frames), POSE_COUNT + state.expression.shape[1], 0)
    part.term(sigma).add_to(equations, state.part(frames))
    unit = np.arange(POSE_COUNT, equations.blocks.shape[1])
    equations.blocks[:, unit, unit] += clip.priors.expression**-2.0
    return metric_from_data(equations.blocks, clip.rate, clip.priors.pose_cutoff, clip.priors.expression_cutoff)


def first_state(clip: ObservedClip) -> State:
    """Fit each measured frame on its own at the known or the prior's focal length; the others begin between them."""
    seen = clip.measured
    focal = clip.priors.focal_pixels if clip.focal is None else clip.focal
    frames = fit_frames(clip.basis, clip.landmarks[seen], clip.weights[seen], focal, clip.centre, clip.priors)
    count = len(clip)
    rotation = np.tile(np.eye(3), (count, 1, 1))
    translation, expression = np.zeros((count, 3)), np.zeros((count, clip.basis.expression_count))
    rotation[seen], translation[seen], expression[seen] = (
        frames.pose.rotation,
        frames.pose.translation,
        frames.expression,
    )
    state = State(Pose(rotation, translation), expression, np.median(frames.identity, axis=0), float(np.log(focal)))
    return filled(state, seen)


def filled(state: State, known: BoolArray) -> State:
    """Interpolate the frames that are not known, the nearest at the ends."""
    if known.all():
        return state
    frames, wanted = np.flatnonzero(known), np.arange(len(known))

    def between(values: Float64Array) -> Float64Array:
        return np.stack([np.interp(wanted, frames, column[frames]) for column in values.T], axis=1)

    pose = Pose(interpolated(state.pose.rotation, known), between(state.pose.translation))
    return State(pose, between(state.expression), state.identity, state.log_focal)


def _solve_windows(
    clip: ObservedClip,
    start: State,
    shared: Solution,
    sigma: float,
    metric: Float64Array,
    advance: Callable[[int, int], None],
) -> tuple[State, int]:
    """Solve the frames with known identity and focal, window by window; only the middle of each is kept."""
    parts, iterations = [], shared.iterations
    for window, kept in windows(len(clip)):
        part = clip.part(window)
        begin = start.part(window)
        state = State(begin.pose, begin.expression, shared.state.identity, shared.state.log_focal)
        if part.measured.any():
            bundle = Bundle([part.term(sigma)], smoothness_of(part, metric), clip.priors, 0, hold_shared=True)
            solution = bundle.solve(state)
            state, iterations = solution.state, iterations + solution.iterations
        parts.append(state.part(slice(kept.start - window.start, kept.stop - window.start)))
        advance(kept.stop, len(clip))
    return joined(parts), iterations


def finished(clip: ObservedClip, sigma: float, state: State, solution: Solution, log_focal_deviation: float) -> ClipFit:
    """Interpolate what was not measured and project the landmarks."""
    state = filled(state, clip.measured)
    points = np.concatenate([clip.part(kept).term(sigma).points(state.part(kept)) for _, kept in windows(len(clip))])
    return ClipFit(state, log_focal_deviation, points, clip.measured, solution.iterations, solution.cost)
