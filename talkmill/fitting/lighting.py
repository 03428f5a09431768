"""Albedo of every texel and nine spherical harmonics of light, out of the clip itself.

Source: Ramamoorthi and Hanrahan, "An efficient representation for irradiance environment maps", SIGGRAPH 2001, eq. 13;
log-linear least squares.
"""

from dataclasses import dataclass

import torch

HARMONICS = 9
ROUNDS = 5
# The head turns little: light is held to be even, by this share of the data's weight.
EVENNESS = 1e-4
LEAST_SHADE, LEAST_COLOUR = 0.1, 0.02


@dataclass(frozen=True, slots=True)
class Appearance:
    """What a clip's texels look like.

    Attributes:
        albedo: (S, 3) in 0..1 of the picture's range, under the clip's mean light.
        light: (9, 3), spherical harmonics in the camera's frame; the first is 1.
    """

    albedo: torch.Tensor
    light: torch.Tensor

    def predicted(self, normals: torch.Tensor) -> torch.Tensor:
        """Return colours (N, S, 3) of texels with normals (N, S, 3) in the camera's frame."""
        return self.albedo * shade(harmonics(normals), self.light)


def harmonics(normals: torch.Tensor) -> torch.Tensor:
    """Return the nine polynomials of unit normals, (..., 3) to (..., 9)."""
    x, y, z = normals.unbind(-1)
    one = torch.ones_like(x)
    return torch.stack([one, y, z, x, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y], dim=-1)


def shade(polynomials: torch.Tensor, light: torch.Tensor) -> torch.Tensor:
    """Return the light on surfaces, (..., 9) and (9, 3) to (..., 3)."""
    return (polynomials @ light).clamp(min=LEAST_SHADE)


def estimate(colours: torch.Tensor, weights: torch.Tensor, normals: torch.Tensor) -> Appearance:
    """Estimate albedo and light.

    In logarithms a colour is the sum of albedo and shade: the albedo of each texel is its mean over the frames and is
    eliminated, what remains is the change of shade as the head turns, a small least-squares problem a channel.

    Args:
        colours: (N, S, 3) of the texels in the frames.
        weights: (N, S), 0 where a texel is not seen.
        normals: (N, S, 3) unit normals in the camera's frame.

    Returns:
        The appearance.
    """
    polynomials = harmonics(normals)
    channels = [_light_of(colours[..., channel], weights, polynomials) for channel in range(3)]
    light = torch.stack(channels, dim=1)
    lit = shade(polynomials, light)
    weighted = weights[..., None] * lit
    albedo = (weighted * colours).sum(0) / (weighted * lit).sum(0).clamp(min=1e-6)
    return Appearance(albedo, light)


def _light_of(colours: torch.Tensor, weights: torch.Tensor, polynomials: torch.Tensor) -> torch.Tensor:
    """Gauss-Newton on the light of one channel, (9,); colours and weights are (N, S)."""
    # Noise is alike in all colours, so that a logarithm's weight is the colour's square.
    trust = weights * colours.clamp(min=LEAST_COLOUR) ** 2
    total = trust.sum(0).clamp(min=1e-6)
    logarithm = colours.clamp(min=LEAST_COLOUR).log()
    light = torch.zeros(HARMONICS, device=colours.device)
    light[0] = 1
    for _ in range(ROUNDS):
        lit = (polynomials @ light).clamp(min=LEAST_SHADE)
        rows = polynomials[..., 1:] / lit[..., None]
        rows = rows - (trust[..., None] * rows).sum(0) / total[:, None]
        residual = logarithm - lit.log()
        residual = residual - (trust * residual).sum(0) / total
        typical = (trust * residual.abs()).sum() / total.sum()
        robust = trust / (1 + (residual / (3 * typical)) ** 2)
        flat = rows.flatten(0, 1)
        weighted = flat * robust.reshape(-1, 1)
        normal = (flat.T @ weighted).double()
        ridge = EVENNESS * float(total.sum()) * torch.eye(HARMONICS - 1, dtype=torch.float64, device=colours.device)
        right = (weighted.T @ residual.flatten()).double() - ridge @ light[1:].double()
        light[1:] += torch.linalg.solve(normal + ridge, right).float()
    return light
