"""Colour constancy: a texel of the skin has the same albedo in every frame.

Lucas-Kanade on a morphable surface. Source: Baker and Matthews, "Lucas-Kanade 20 years on: a unifying framework", IJCV
2004 (forward additive); Blanz and Vetter, "Face recognition based on fitting a 3D morphable model", PAMI 2003, eq. 8.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from talkmill.fitting.rasteriser import depth_maps
from talkmill.fitting.state import NormalEquations, State
from talkmill.fitting.surface import Surface
from talkmill.geometry.conventions import REFERENCE_SIZE
from talkmill.morphable.model import MorphableModel

# Frames linearised at once: bounds the memory of the Jacobians.
CHUNK = 16
# Side of the depth maps; texels this far behind the nearest surface are hidden, in units of 10 cm.
DEPTH_SIZE, DEPTH_BIAS = 128, 0.06
# Cosine between normal and line of sight at which a texel begins to count, and counts in full.
GRAZING, FACING = 0.25, 0.5


@dataclass(frozen=True, slots=True)
class Texels:
    """A surface and its mesh on a device, float32.

    Attributes:
        surface: Where the texels come from.
        mean: (S, 3).
        identity: (S, 3, K).
        expression: (S, 3, E).
        faces: (S,) int64 triangle of each texel.
        mesh_mean: (V, 3) of the whole head.
        mesh_identity: (V * 3, K).
        mesh_expression: (V * 3, E).
        triangles: (T, 3) int64.
    """

    surface: Surface
    mean: torch.Tensor
    identity: torch.Tensor
    expression: torch.Tensor
    faces: torch.Tensor
    mesh_mean: torch.Tensor
    mesh_identity: torch.Tensor
    mesh_expression: torch.Tensor
    triangles: torch.Tensor

    @classmethod
    def on(cls, device: torch.device, surface: Surface, model: MorphableModel) -> "Texels":
        """Move a surface and its model to a device."""

        def moved(array: np.ndarray) -> torch.Tensor:
            return torch.as_tensor(array, dtype=torch.float32, device=device)

        shape, vertices = surface.shape, len(model.mean)
        return cls(
            surface,
            moved(shape.mean),
            moved(shape.identity),
            moved(shape.expression),
            torch.as_tensor(surface.faces, device=device),
            moved(model.mean),
            moved(model.identity.reshape(vertices * 3, -1)),
            moved(model.expression.reshape(vertices * 3, -1)),
            torch.as_tensor(model.triangles.astype(np.int64), device=device),
        )


@dataclass(frozen=True, slots=True)
class View:
    """Texels of some frames as the camera sees them.

    Attributes:
        turned: (N, S, 3) rotated places.
        by_point: (N, S, 2, 3) pixels of the 512 image by the camera's point.
        grid: (N, S, 2) places in -1..1, as grid_sample wants them.
        offset: (N, S, 2) pixels of the 512 image from the principal point.
        depth: (N, S).
        rotation: (N, 3, 3).
    """

    turned: torch.Tensor
    by_point: torch.Tensor
    grid: torch.Tensor
    offset: torch.Tensor
    depth: torch.Tensor
    rotation: torch.Tensor


def view(texels: Texels, state: State) -> View:
    """Project the texels of every frame of a state."""
    rotation = _tensor(state.pose.rotation, texels)
    translation = _tensor(state.pose.translation, texels)
    who = texels.mean + texels.identity @ _tensor(state.identity, texels)
    moved = _tensor(state.expression, texels) @ texels.expression.flatten(0, 1).T
    places = who + moved.reshape(len(rotation), -1, 3)
    turned = places @ rotation.transpose(1, 2)
    camera = turned + translation[:, None]
    depth = (-camera[..., 2]).clamp(min=1e-3)
    x, y, focal = camera[..., 0] / depth, camera[..., 1] / depth, state.focal
    zero = torch.zeros_like(x)
    rows = [focal / depth, zero, focal * x / depth, zero, -focal / depth, -focal * y / depth]
    by_point = torch.stack(rows, dim=-1).reshape(*x.shape, 2, 3)
    offset = torch.stack([focal * x, -focal * y], dim=-1)
    # The principal point is the centre of the picture, which grid_sample calls (0, 0).
    return View(turned, by_point, offset / (REFERENCE_SIZE / 2), offset, depth, rotation)


@dataclass(frozen=True, slots=True)
class Facing:
    """How the texels stand to the camera.

    Attributes:
        visible: (N, S) in 0..1: not hidden, not grazing.
        normals: (N, S, 3) unit normals in the camera's frame.
    """

    visible: torch.Tensor
    normals: torch.Tensor


def facing(texels: Texels, state: State) -> Facing:
    """Cast the head into depth maps and return what is seen of the texels."""
    parts = [
        _facing_chunk(texels, state.part(slice(begin, begin + CHUNK)))
        for begin in range(0, len(state.expression), CHUNK)
    ]
    return Facing(torch.cat([part.visible for part in parts]), torch.cat([part.normals for part in parts]))


def _facing_chunk(texels: Texels, state: State) -> Facing:
    seen = view(texels, state)
    expression, translation = _tensor(state.expression, texels), _tensor(state.pose.translation, texels)[:, None]
    who = texels.mesh_identity @ _tensor(state.identity, texels)
    mesh = texels.mesh_mean + (who + expression @ texels.mesh_expression.T).reshape(len(expression), -1, 3)
    camera = mesh @ seen.rotation.transpose(1, 2) + translation
    scale = DEPTH_SIZE / REFERENCE_SIZE
    maps = depth_maps(camera, texels.triangles, state.focal * scale, (DEPTH_SIZE - 1) / 2, DEPTH_SIZE)
    nearest = functional.grid_sample(maps[:, None], seen.grid[:, None], mode="nearest", align_corners=False)[:, 0, 0]
    first, second, third = camera[:, texels.triangles[texels.faces]].unbind(2)
    normals = functional.normalize(torch.linalg.cross(second - first, third - first), dim=-1)
    cosine = (normals * functional.normalize(-(seen.turned + translation), dim=-1)).sum(-1)
    towards = ((cosine - GRAZING) / (FACING - GRAZING)).clamp(0, 1)
    inside = (seen.grid.abs() < 1).all(-1)
    return Facing(towards * ((seen.depth < nearest + DEPTH_BIAS) & inside), normals)


def sampled(images: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    """Return colours at places, (N, C, h, w) and (N, S, 2) to (N, S, C)."""
    found = functional.grid_sample(images, grid[:, None], mode="bilinear", padding_mode="border", align_corners=False)
    return found[:, :, 0].transpose(1, 2)


class PhotometricTerm:
    """Sum over frames and texels of weight * Cauchy's loss of the colour's difference."""

    def __init__(
        self,
        texels: Texels,
        images: torch.Tensor,
        expected: torch.Tensor,
        weights: torch.Tensor,
        sigma: float,
        scale: float,
    ) -> None:
        """Create the term.

        Args:
            texels: The surface.
            images: (N, 3, h, w) float32 in 0..1, or uint8.
            expected: (N, S, 3) colours of the texels: albedo times shade.
            weights: (N, S): visibility, 0 for texels that are held out, times what a texel is worth.
            sigma: Noise of a colour, in the images' range of 0..1.
            scale: Of Cauchy's loss, in standard deviations.
        """
        self._texels, self._images, self._expected = texels, images, expected
        self._weights, self._sigma, self._scale = weights, sigma, scale

    def cost(self, state: State) -> float:
        """Return its value."""
        total = 0.0
        for frames in self._chunks():
            seen = view(self._texels, state.part(frames))
            residual = (sampled(as_float(self._images[frames]), seen.grid) - self._expected[frames]) / self._sigma
            loss = 0.5 * self._scale**2 * torch.log1p((residual**2).sum(-1) / self._scale**2)
            total += float((self._weights[frames] * loss).sum(dtype=torch.float64))
        return total

    def add_to(self, equations: NormalEquations, state: State) -> None:
        """Add its quadratic; the expected colours and visibility are held."""
        for frames in self._chunks():
            self._add_chunk(equations, state.part(frames), frames)

    def _chunks(self) -> list[slice]:
        return [slice(begin, begin + CHUNK) for begin in range(0, len(self._images), CHUNK)]

    def _add_chunk(self, equations: NormalEquations, state: State, frames: slice) -> None:
        seen = view(self._texels, state)
        images = as_float(self._images[frames])
        colours, slopes = _with_slopes(images, seen.grid)
        residual = (colours - self._expected[frames]) / self._sigma
        # Pixels of the 512 image.
        slopes = slopes / self._sigma
        weight = self._weights[frames] / (1 + (residual**2).sum(-1) / self._scale**2)
        # Three colours have two directions to slide in: the square root of the 2 x 2 structure tensor keeps two rows.
        tensor = torch.einsum("nsca,nscb->nsab", slopes, slopes) * weight[..., None, None]
        pull = torch.einsum("nsca,nsc->nsa", slopes, residual) * weight[..., None]
        root = _cholesky_2x2(tensor)
        by_point = root @ seen.by_point
        turn = torch.linalg.cross(seen.turned[:, :, None].expand_as(by_point), by_point, dim=-1)
        by_vertex = by_point @ seen.rotation[:, None]
        expression = self._chained(by_vertex, self._texels.expression)
        rows = torch.cat([turn, by_point, expression], dim=-1).flatten(1, 2)
        # root has root^T root = tensor: the right side in rows is root^-T pull.
        right = torch.linalg.solve_triangular(root.transpose(-1, -2), pull[..., None], upper=False)[..., 0].flatten(
            1, 2
        )
        transposed = rows.transpose(1, 2)
        equations.blocks[frames] += _array(transposed @ rows)
        # What is seen is too bright where the place must move down the slope.
        equations.gradient[frames] -= _array((transposed @ right[..., None])[..., 0])
        if len(equations.shared):
            identity = self._chained(by_vertex, self._texels.identity)
            focal = root @ seen.offset[..., None]
            shared = torch.cat([identity, focal], dim=-1).flatten(1, 2)
            equations.coupling[frames] += _array(transposed @ shared)
            flat = shared.flatten(0, 1)
            equations.shared += _array(flat.T @ flat)
            equations.shared_gradient -= _array(flat.T @ right.flatten())

    @staticmethod
    def _chained(by_vertex: torch.Tensor, modes: torch.Tensor) -> torch.Tensor:
        """(N, S, 2, 3) by (S, 3, M) to (N, S, 2, M)."""
        count = len(by_vertex)
        rows = by_vertex.transpose(0, 1).flatten(1, 2) @ modes
        return rows.reshape(len(modes), count, 2, -1).transpose(0, 1)


def as_float(images: torch.Tensor) -> torch.Tensor:
    """Return images in 0..1."""
    return images.float() / 255 if images.dtype == torch.uint8 else images


def _with_slopes(images: torch.Tensor, grid: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return colours (N, S, 3) and their slopes (N, S, 3, 2) by pixels of the 512 image."""
    padded = functional.pad(images, (1, 1, 1, 1), mode="replicate")
    across = (padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]) / 2
    down = (padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]) / 2
    found = sampled(torch.cat([images, across, down], dim=1), grid)
    slopes = torch.stack([found[..., 3:6], found[..., 6:9]], dim=-1)
    return found[..., :3], slopes * (images.shape[-1] / REFERENCE_SIZE)


def _cholesky_2x2(tensor: torch.Tensor) -> torch.Tensor:
    """Return upper triangular L with L^T L = tensor, (..., 2, 2)."""
    a = tensor[..., 0, 0].clamp(min=1e-12).sqrt()
    b = tensor[..., 0, 1] / a
    c = (tensor[..., 1, 1] - b**2).clamp(min=1e-12).sqrt()
    return torch.stack([torch.stack([a, b], dim=-1), torch.stack([torch.zeros_like(a), c], dim=-1)], dim=-2)


def _tensor(array: np.ndarray, texels: Texels) -> torch.Tensor:
    return torch.as_tensor(array, dtype=torch.float32, device=texels.mean.device)


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.double().cpu().numpy()
