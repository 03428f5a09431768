"""Colour constancy: a texel of the skin has the same albedo in every frame.

Lucas-Kanade on a morphable surface. Source: Baker and Matthews, "Lucas-Kanade 20 years on: a unifying framework", IJCV
2004 (forward additive); Blanz and Vetter, "Face recognition based on fitting a 3D morphable model", PAMI 2003, eq. 8.
"""

import numpy as np

from talkmill.arrays import Float32Array, Frames
from talkmill.fitting.chunks import by_chunks
from talkmill.fitting.sampling import sampled, sampled_with_slopes
from talkmill.fitting.state import POSE_COUNT, NormalEquations, State
from talkmill.fitting.texels import Texels, view

# Rows of a colour's derivatives: turn and shift, the focal's logarithm; then the colour's difference itself.
POSE, FOCAL, DIFFERENCE = slice(POSE_COUNT), POSE_COUNT, POSE_COUNT + 1


class PhotometricTerm:
    """Sum over frames and texels of weight * Cauchy's loss of the colour's difference."""

    def __init__(
        self,
        texels: Texels,
        images: Frames,
        expected: Float32Array,
        weights: Float32Array,
        sigma: float,
        scale: float,
        threads: int = 1,
    ) -> None:
        """Create the term.

        Args:
            texels: The surface.
            images: (N, side, side, 3) uint8.
            expected: (N, 3, S) float32 colours of the texels in 0..1: albedo times shade.
            weights: (N, S) float32: visibility, 0 for texels that are held out, times what a texel is worth.
            sigma: Noise of a colour, in the images' range of 0..1.
            scale: Of Cauchy's loss, in standard deviations.
            threads: How many share the work.
        """
        self._texels, self._images, self._expected, self._weights = texels, images, expected, weights
        self._sigma, self._scale, self._threads = np.float32(sigma), scale, threads

    def cost(self, state: State) -> float:
        """Return its value."""

        def part(frames: slice) -> float:
            colours = sampled(self._images[frames], view(self._texels.skin, state.part(frames)).offset)
            squared = (((colours - self._expected[frames]) / self._sigma) ** 2).sum(1)
            loss = 0.5 * self._scale**2 * np.log1p(squared / self._scale**2)
            return float((self._weights[frames] * loss).sum(dtype=np.float64))

        return sum(by_chunks(part, len(self._images), self._threads))

    def add_to(self, equations: NormalEquations, state: State) -> None:
        """Add its quadratic; the expected colours and visibility are held."""

        def part(frames: slice) -> tuple[slice, NormalEquations]:
            return frames, self._linearised(state.part(frames), frames, equations.coupling.shape)

        for frames, own in by_chunks(part, len(self._images), self._threads):
            equations.blocks[frames] += own.blocks
            equations.gradient[frames] += own.gradient
            equations.coupling[frames] += own.coupling
            equations.shared += own.shared
            equations.shared_gradient += own.shared_gradient

    def _linearised(self, state: State, frames: slice, shape: tuple[int, ...]) -> NormalEquations:
        """Return the quadratic of some frames; shape is that of the whole coupling."""
        own = NormalEquations.zeros(len(state.expression), *shape[1:])
        by_vertex, rows = self._derivatives(state, frames)
        between = (rows @ np.swapaxes(rows, 2, 3)).sum(1)
        own.blocks[:, POSE, POSE] = between[:, POSE, POSE]
        # What is seen is too bright where the place must move down the slope.
        own.gradient[:, POSE] = -between[:, POSE, DIFFERENCE]
        # A texel moves by its modes: those of the expression, and those of the identity where that is not held.
        size = state.expression.shape[1]
        modes = self._texels.modes if shape[2] else self._texels.modes[..., :size]
        flat = modes.reshape(-1, modes.shape[2])
        crossed = _by_texel(rows, by_vertex)
        with_modes = (crossed.reshape(len(flat), -1).T @ flat).reshape(len(rows), len(between[0]), -1)
        own.blocks[:, POSE, POSE_COUNT:] = with_modes[:, POSE, :size]
        own.blocks[:, POSE_COUNT:, POSE] = np.swapaxes(with_modes[:, POSE, :size], 1, 2)
        own.gradient[:, POSE_COUNT:] = -with_modes[:, DIFFERENCE, :size]
        # The Hessians of the texels by their places, times the modes on both sides.
        hessian = _by_texel(by_vertex, by_vertex)
        spread = hessian.reshape(len(modes), -1, 3) @ modes
        expression = (flat[:, :size].T @ spread.reshape(len(flat), -1)).reshape(size, len(rows), -1)
        own.blocks[:, POSE_COUNT:, POSE_COUNT:] = np.moveaxis(expression[..., :size], 1, 0)
        if shape[2]:
            own.coupling[:, POSE, :-1] = with_modes[:, POSE, size:]
            own.coupling[:, POSE, -1] = between[:, POSE, FOCAL]
            own.coupling[:, POSE_COUNT:, :-1] = np.moveaxis(expression[..., size:], 1, 0)
            own.coupling[:, POSE_COUNT:, -1] = with_modes[:, FOCAL, :size]
            identity = modes[..., size:]
            of_all = hessian.sum(2) @ identity
            own.shared[:-1, :-1] = flat[:, size:].T @ of_all.reshape(len(flat), -1)
            own.shared[:-1, -1] = own.shared[-1, :-1] = with_modes[:, FOCAL, size:].sum(0)
            own.shared[-1, -1] = between[:, FOCAL, FOCAL].sum()
            own.shared_gradient[:-1] = -with_modes[:, DIFFERENCE, size:].sum(0)
            own.shared_gradient[-1] = -between[:, FOCAL, DIFFERENCE].sum()
        return own

    def _derivatives(self, state: State, frames: slice) -> tuple[Float32Array, Float32Array]:
        """Return the derivatives of the texels' colours in standard deviations, times the root of their weights.

        Returns:
            By the point in the model's frame, (N, 3 colours, 3, S); and (N, 3 colours, 8, S) by turn, by shift and by
            the focal's logarithm, the last row is the colours' difference.
        """
        seen = view(self._texels.skin, state)
        colours, slopes = sampled_with_slopes(self._images[frames], seen.offset)
        difference = (colours - self._expected[frames]) / self._sigma
        weight = self._weights[frames] / (1 + (difference**2).sum(1) / np.float32(self._scale**2))
        root = np.sqrt(weight)[:, None]
        slopes *= (root / self._sigma)[:, :, None]
        rows = np.empty((*colours.shape[:2], DIFFERENCE + 1, colours.shape[2]), np.float32)
        turn, shift = rows[:, :, :3], rows[:, :, 3:POSE_COUNT]
        # x = f X / d to the right, y = -f Y / d down, d = -Z.
        shift[:, :, :2] = (
            slopes * (np.array([[state.focal], [-state.focal]], np.float32) / seen.depth[:, None])[:, None]
        )
        rows[:, :, FOCAL] = (slopes * seen.offset[:, None]).sum(2)
        shift[:, :, 2] = rows[:, :, FOCAL] / seen.depth[:, None]
        # The turn acts on the camera's side: d(exp(w) q) / dw = -[q]x.
        for axis, (one, other) in enumerate(((1, 2), (2, 0), (0, 1))):
            turn[:, :, axis] = (
                seen.turned[:, None, one] * shift[:, :, other] - seen.turned[:, None, other] * shift[:, :, one]
            )
        rows[:, :, DIFFERENCE] = difference * root
        by_vertex = np.swapaxes(state.pose.rotation, 1, 2).astype(np.float32)[:, None] @ shift
        return by_vertex, rows


def _by_texel(rows: Float32Array, by_vertex: Float32Array) -> Float32Array:
    """Multiply rows (N, C, R, S) and (N, C, 3, S) over the colours of each texel, to (S, 3, N, R)."""
    return np.ascontiguousarray(np.einsum("ncrs,ncis->nris", rows, by_vertex).transpose(3, 2, 0, 1))
