"""Refines the landmark fit of a clip by the colours of the skin, and keeps the result only where it is better."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from talkmill.arrays import BoolArray, Float32Array, Float64Array, Frame, Frames
from talkmill.fitting.bundle import Bundle, Solution
from talkmill.fitting.chunks import by_chunks
from talkmill.fitting.clip import (
    WINDOW,
    ClipFit,
    ObservedClip,
    finished,
    joined,
    smoothing_metric,
    spread_frames,
    windows,
)
from talkmill.fitting.facing import facing
from talkmill.fitting.lighting import Appearance, estimate
from talkmill.fitting.photometric_term import PhotometricTerm
from talkmill.fitting.priors import PhotometricPriors
from talkmill.fitting.sampling import sampled
from talkmill.fitting.smoothness import Smoothness, linked_frames
from talkmill.fitting.state import State, Term
from talkmill.fitting.texels import Texels, view
from talkmill.morphable.model import MorphableModel

# Side of the pictures that are compared, the coarse one first; of 512, detail finer than this is noise and hair.
LEVELS = (128, 256)
# At each level: renewals of albedo, light and visibility, and steps between them.
RENEWALS, STEPS = 3, 3
# A landmark fit is left alone where less of the skin is seen; a wild colour counts as this much of the picture's range.
LEAST_SEEN, WILD = 0.1, 0.1
# 1 / Phi^-1(3/4): a standard deviation from a median absolute deviation.
MAD = 1.4826


@dataclass(frozen=True, slots=True)
class Refinement:
    """A fit after the photometric term, or before it where that was better.

    Attributes:
        fit: The fit that is kept.
        kept: Whether the photometric result is.
        reason: Why not, or "".
        error_before: RMS difference of held-out texels, in grey levels of 255, with the landmark fit.
        error_after: The same with the photometric result.
        residual: (N,) RMS difference of a frame's texels in grey levels, with what is kept; 0 where none is seen.
        light: (9, 3) spherical harmonics of the clip, the first is 1.
    """

    fit: ClipFit
    kept: bool
    reason: str
    error_before: float
    error_after: float
    residual: Float64Array
    light: Float64Array


def refine(
    model: MorphableModel,
    clip: ObservedClip,
    fit: ClipFit,
    frames: Callable[[], Iterator[Frame]],
    priors: PhotometricPriors,
    threads: int = 1,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> Refinement:
    """Refine a landmark fit.

    Args:
        model: The head.
        clip: What was measured; landmarks in pixels of the 512 image.
        fit: The landmark fit.
        frames: Opens the clip's square frames, RGB of any side, from the first.
        priors: Noise of colours.
        threads: How many share the work.
        advance: Called with frames done and frames in all.

    Returns:
        What is kept.
    """
    texels = Texels.of(model)
    sigma = clip.sigma()
    metric = smoothing_metric(clip, fit.state, sigma)
    short = len(clip) <= WINDOW
    chosen = np.arange(len(clip)) if short else spread_frames(clip.measured, WINDOW // 2)
    linked = linked_frames(clip.measured) if short else np.zeros(len(chosen), bool)
    problem = _Problem(texels, clip.part(chosen), sigma, Smoothness(metric, linked), priors, threads)
    images = _read(frames(), chosen)
    before = problem.look(fit.state.part(chosen), images)
    appearance, error_before, seen = before.appearance, before.error(problem.held_out), before.seen_share()
    # Colours of every frame are not held while others are.
    del before
    if seen < LEAST_SEEN:
        reason = f"only {seen:.0%} of the face's skin is seen"
        return _unchanged(fit, appearance, (error_before, error_before), reason, problem, frames)
    # Of a long clip the windows are the work.
    ticks = _Ticks(advance, 0, len(clip) if short else 0, len(clip))
    solution, after = problem.solve(fit.state.part(chosen), images, None, ticks)
    errors = error_before, after.error(problem.held_out)
    if not errors[1] < errors[0]:
        reason = "colours of held-out skin agree no better than with the landmarks alone"
        return _unchanged(fit, appearance, errors, reason, problem, frames)
    if short:
        state, residual = solution.state, after.residual()
    else:
        del images
        state, residual = _solve_windows(clip, fit, solution, after.appearance, metric, problem, frames, advance)
    refined = finished(clip, sigma, state, solution, fit.log_focal_deviation)
    light = after.appearance.light.astype(np.float64)
    return Refinement(refined, True, "", *errors, np.where(clip.measured, residual, 0.0), light)


def _unchanged(
    fit: ClipFit,
    appearance: Appearance,
    errors: tuple[float, float],
    reason: str,
    problem: "_Problem",
    frames: Callable[[], Iterator[Frame]],
) -> Refinement:
    """Keep the landmark fit, with the residuals of its frames."""
    residual = np.zeros(len(fit.points))
    for window, images in _window_images(frames(), [part for _, part in windows(len(fit.points))]):
        residual[window] = problem.look(fit.state.part(window), images, appearance).residual()
    light = appearance.light.astype(np.float64)
    return Refinement(fit, False, reason, *errors, np.where(fit.measured, residual, 0.0), light)


def _solve_windows(
    clip: ObservedClip,
    fit: ClipFit,
    shared: Solution,
    appearance: Appearance,
    metric: Float64Array,
    problem: "_Problem",
    frames: Callable[[], Iterator[Frame]],
    advance: Callable[[int, int], None],
) -> tuple[State, Float64Array]:
    """Refine the frames with known identity, focal, albedo and light, window by window."""
    parts, residuals = [], []
    cuts = windows(len(clip))
    for (window, kept), (_, images) in zip(cuts, _window_images(frames(), [window for window, _ in cuts]), strict=True):
        part, begin = clip.part(window), fit.state.part(window)
        state = State(begin.pose, begin.expression, shared.state.identity, shared.state.log_focal)
        inner = slice(kept.start - window.start, kept.stop - window.start)
        ticks = _Ticks(advance, kept.start, kept.stop, len(clip))
        own = problem.of(part, Smoothness(metric, linked_frames(part.measured)))
        solution, look = own.solve(state, images, appearance, ticks)
        parts.append(solution.state.part(inner))
        residuals.append(look.residual()[inner])
    return joined(parts), np.concatenate(residuals)


@dataclass(frozen=True, slots=True)
class _Look:
    """What texels look like with a state.

    Attributes:
        appearance: Albedo and light.
        expected: (N, 3, S) colours.
        visible: (N, S).
        sigma: Noise of a colour.
        squared: (N, S) squared differences, the mean of the channels.
    """

    appearance: Appearance
    expected: Float32Array
    visible: Float32Array
    sigma: float
    squared: Float32Array

    def error(self, texels: BoolArray) -> float:
        """RMS over some texels, in grey levels; wild ones count like WILD."""
        weight = self.visible[:, texels].astype(np.float64)
        total = (weight * np.minimum(self.squared[:, texels], WILD**2)).sum()
        return 255 * float(np.sqrt(total / max(weight.sum(), 1e-9)))

    def residual(self) -> Float64Array:
        """RMS of each frame in grey levels, (N,)."""
        weight = self.visible.astype(np.float64)
        mean = (weight * np.minimum(self.squared, WILD**2)).sum(1) / np.maximum(weight.sum(1), 1e-9)
        return np.asarray(255 * np.sqrt(mean))

    def seen_share(self) -> float:
        """Mean share of texels that are seen."""
        return float(self.visible.mean())


@dataclass(frozen=True, slots=True)
class _Ticks:
    """Progress of a stretch of frames."""

    advance: Callable[[int, int], None]
    start: int
    stop: int
    total: int

    def tell(self, share: float) -> None:
        """Say how much of the stretch is done; the caller may stop the work here."""
        self.advance(self.start + int(share * (self.stop - self.start)), self.total)


class _Problem:
    """The objective of some frames: landmarks, colours, smoothness."""

    def __init__(
        self,
        texels: Texels,
        clip: ObservedClip,
        sigma: float,
        smoothness: Smoothness,
        priors: PhotometricPriors,
        threads: int,
    ) -> None:
        self._texels, self._clip, self._sigma, self._priors, self._threads = texels, clip, sigma, priors, threads
        self._landmarks, self._smoothness = clip.term(sigma), smoothness
        self.held_out = texels.held_out
        fitted = clip.measured[:, None] & ~self.held_out
        self._worth = fitted * np.float32(priors.independent_texels / len(self.held_out))

    def of(self, clip: ObservedClip, smoothness: Smoothness) -> "_Problem":
        """Return the same objective of other frames."""
        return _Problem(self._texels, clip, self._sigma, smoothness, self._priors, self._threads)

    def solve(
        self, state: State, images: Frames, appearance: Appearance | None, ticks: "_Ticks"
    ) -> tuple[Solution, _Look]:
        """Refine a state, coarse to fine; with a known appearance, identity and focal are held."""
        solution = Solution(state, 0.0, 0)
        level = images
        for index, side in enumerate(LEVELS):
            level = _at_side(images, side)
            for renewal in range(RENEWALS):
                ticks.tell((index * RENEWALS + renewal) / (len(LEVELS) * RENEWALS))
                solution = self._renewed(solution.state, level, appearance)
        ticks.tell(1.0)
        return solution, self.look(solution.state, level, appearance)

    def _renewed(self, state: State, level: Frames, appearance: Appearance | None) -> Solution:
        """Refine a state with the albedo, the light and the visibility that it has now."""
        look = self.look(state, level, appearance)
        weights, scale = look.visible * self._worth, self._priors.cauchy
        term = PhotometricTerm(self._texels, level, look.expected, weights, look.sigma, scale, self._threads)
        terms: list[Term] = [self._landmarks, term]
        hold_shared, hold_focal, measured = (
            appearance is not None,
            self._clip.holds_focal,
            int(self._clip.measured.sum()),
        )
        return Bundle(terms, self._smoothness, self._clip.priors, measured, hold_shared, hold_focal).solve(state, STEPS)

    def look(self, state: State, images: Frames, appearance: Appearance | None = None) -> _Look:
        """Measure what the texels look like with a state; estimate albedo and light where they are not known."""

        def seen(frames: slice) -> Float32Array:
            return sampled(images[frames], view(self._texels.skin, state.part(frames)).offset)

        colours = np.concatenate(by_chunks(seen, len(images), self._threads))
        stand = facing(self._texels, state, self._threads)
        if appearance is None:
            appearance = estimate(colours, stand.visible * self._clip.measured[:, None], stand.normals)
        expected, visible = appearance.predicted(stand.normals), stand.visible
        # Colours of every texel in every frame take the most memory of a fit: none is held twice.
        del stand
        difference = np.subtract(colours, expected, out=colours)
        used = np.moveaxis(difference, 1, 2)[visible > 0.5]
        median = np.median(np.abs(used, out=used), overwrite_input=True) if len(used) else None
        sigma = 1.0 if median is None else max(MAD * float(median), self._priors.least_sigma)
        return _Look(appearance, expected, visible, sigma, np.square(difference, out=difference).mean(1))


def _read(frames: Iterator[Frame], chosen: npt.NDArray[np.int64]) -> Frames:
    """Read some frames at the finest level, (N, side, side, 3)."""
    wanted = set(chosen.tolist())
    return np.stack([_at(frame, LEVELS[-1]) for index, frame in enumerate(frames) if index in wanted])


def _window_images(frames: Iterator[Frame], cuts: list[slice]) -> Iterator[tuple[slice, Frames]]:
    """Yield overlapping windows of the pictures while the frames are read once."""
    kept: list[Frame] = []
    begin = 0
    for cut in cuts:
        kept, begin = kept[cut.start - begin :], cut.start
        kept += [_at(frame, LEVELS[-1]) for frame in itertools.islice(frames, cut.stop - begin - len(kept))]
        yield cut, np.stack(kept)


def _at_side(images: Frames, side: int) -> Frames:
    """Return the pictures at a smaller side, by areas."""
    return images if images.shape[1] == side else np.stack([_at(image, side) for image in images])


def _at(image: Frame, side: int) -> Frame:
    return np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
