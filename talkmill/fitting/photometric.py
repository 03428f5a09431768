"""Refines the landmark fit of a clip by the colours of the skin, and keeps the result only where it is better."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from talkmill.fitting.bundle import Bundle, Solution
from talkmill.fitting.clip import WINDOW, Clip, ClipFit, joined, smoothing_metric, spread_frames, windows
from talkmill.fitting.lighting import Appearance, estimate
from talkmill.fitting.photometric_term import (
    CHUNK,
    PhotometricTerm,
    Texels,
    as_float,
    facing,
    sampled,
    view,
)
from talkmill.fitting.priors import PhotometricPriors
from talkmill.fitting.smoothness import Smoothness, linked_frames
from talkmill.fitting.state import State
from talkmill.fitting.surface import face_surface
from talkmill.morphable.model import MorphableModel

Frame = npt.NDArray[np.uint8]
Array = npt.NDArray[np.float64]

# Side of the pictures that are compared, the coarse one first; of 512, detail finer than this is noise and hair.
LEVELS = (128, 256)
# At each level: renewals of albedo, light and visibility, and steps between them.
RENEWALS, STEPS = 3, 3
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
        residual: (N,) RMS difference of all texels in grey levels, of the fit that is kept; 0 where none is seen.
        appearance: Albedo and light.
    """

    fit: ClipFit
    kept: bool
    reason: str
    error_before: float
    error_after: float
    residual: Array
    appearance: Appearance


def refine(
    model: MorphableModel,
    clip: Clip,
    fit: ClipFit,
    frames: Callable[[], Iterator[Frame]],
    priors: PhotometricPriors,
    device: str = "cpu",
) -> Refinement:
    """Refine a landmark fit.

    Args:
        model: The head.
        clip: What was measured; landmarks in pixels of the 512 image.
        fit: The landmark fit.
        frames: Opens the clip's square frames, RGB of any side, from the first.
        priors: Noise of colours.
        device: `cpu` or `cuda`.

    Returns:
        What is kept.
    """
    torch.use_deterministic_algorithms(True)
    texels = Texels.on(torch.device(device), face_surface(model), model)
    chosen = spread_frames(clip.measured, WINDOW if len(clip) <= WINDOW else WINDOW // 2)
    images = _read(frames(), chosen, texels)
    part, state = clip.part(chosen), fit.state.part(chosen)
    sigma = clip.sigma()
    metric = smoothing_metric(part, state, sigma)
    linked = linked_frames(clip.measured)[chosen] if len(clip) <= WINDOW else np.zeros(len(chosen), bool)
    problem = _Problem(texels, part, sigma, Smoothness(metric, linked), priors, len(chosen))
    before = problem.appearance(state, images)
    solution, after = problem.solve(state, images)
    return solution, before, after, problem, images


@dataclass(frozen=True, slots=True)
class _Seen:
    """What texels look like with a state: appearance, weights (N, S), noise, and residuals."""

    appearance: Appearance
    expected: torch.Tensor
    visible: torch.Tensor
    sigma: float
    squared: torch.Tensor

    def error(self, texels: torch.Tensor) -> float:
        """RMS over some texels, in grey levels; wild ones count like three standard deviations."""
        weight = self.visible[:, texels].double()
        squared = self.squared[:, texels].double().clamp(max=9 * self.sigma**2)
        return 255 * float(((weight * squared).sum() / weight.sum().clamp(min=1e-9)).sqrt())


class _Problem:
    def __init__(
        self,
        texels: Texels,
        clip: Clip,
        sigma: float,
        smoothness: Smoothness,
        priors: PhotometricPriors,
        measured: int,
    ) -> None:
        self._texels, self._clip, self._priors = texels, clip, priors
        self._landmarks, self._smoothness, self._measured = clip.term(sigma), smoothness, measured
        self._held_out = torch.as_tensor(texels.surface.held_out, device=texels.mean.device)

    def solve(self, state: State, images: torch.Tensor, known: _Seen | None = None) -> tuple[Solution, _Seen]:
        """Refine a state, coarse to fine; with a known appearance, identity and focal are held."""
        solution = Solution(state, 0.0, 0, 0.0)
        for side in LEVELS:
            level = _at_side(images, side)
            for _ in range(RENEWALS):
                seen = self.appearance(solution.state, level)
                weights = seen.visible * ~self._held_out * (self._priors.independent_texels / len(self._held_out))
                term = PhotometricTerm(
                    self._texels, level, seen.expected, weights, seen.sigma, self._priors.cauchy
                )
                bundle = Bundle(
                    [self._landmarks, term], self._smoothness, self._clip.priors, self._measured, known is not None
                )
                solution = bundle.solve(solution.state, STEPS)
        return solution, self.appearance(solution.state, level)

    def appearance(self, state: State, images: torch.Tensor) -> _Seen:
        """Estimate what the texels look like with a state."""
        stand = facing(self._texels, state)
        parts = []
        for begin in range(0, len(images), CHUNK):
            frames = slice(begin, begin + CHUNK)
            parts.append(sampled(as_float(images[frames]), view(self._texels, state.part(frames)).grid))
        colours = torch.cat(parts)
        found = estimate(colours, stand.visible, stand.normals)
        expected = found.predicted(stand.normals)
        difference = colours - expected
        squared = (difference**2).mean(-1)
        used = difference[stand.visible > 0.5]
        sigma = max(MAD * float(used.abs().median()), self._priors.least_sigma) if len(used) else 1.0
        return _Seen(found, expected, stand.visible, sigma, squared)


def _read(frames: Iterator[Frame], chosen: npt.NDArray[np.int64], texels: Texels) -> torch.Tensor:
    """Read some frames at the finest level, (N, 3, side, side) uint8."""
    wanted, side = set(chosen.tolist()), LEVELS[-1]
    pictures = [
        cv2.resize(frame, (side, side), interpolation=cv2.INTER_AREA)
        for index, frame in enumerate(frames)
        if index in wanted
    ]
    stacked = torch.as_tensor(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()
    return stacked.to(texels.mean.device)


def _at_side(images: torch.Tensor, side: int) -> torch.Tensor:
    """Return the pictures at a smaller side, uint8, by areas."""
    factor = images.shape[-1] // side
    if factor == 1:
        return images
    parts = [functional.avg_pool2d(as_float(images[i : i + CHUNK]), factor) for i in range(0, len(images), CHUNK)]
    return (torch.cat(parts) * 255).round().to(torch.uint8)
