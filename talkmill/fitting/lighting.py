"""Albedo of every texel and nine spherical harmonics of light, out of the clip itself.

Source: Ramamoorthi and Hanrahan, "An efficient representation for irradiance environment maps", SIGGRAPH 2001, eq. 13;
log-linear least squares.
"""

from dataclasses import dataclass

import numpy as np

from talkmill.arrays import Float32Array

HARMONICS = 9
ROUNDS = 5
# The head turns little: light is held to be even, by this share of the data's weight.
EVENNESS = 1e-4
LEAST_SHADE, LEAST_COLOUR = np.float32(0.1), np.float32(0.02)


@dataclass(frozen=True, slots=True)
class Appearance:
    """What a clip's texels look like.

    Attributes:
        albedo: (3, S) float32 in 0..1 of the picture's range, under the clip's mean light.
        light: (9, 3) float32, spherical harmonics in the camera's frame; the first is 1.
    """

    albedo: Float32Array
    light: Float32Array

    def predicted(self, normals: Float32Array) -> Float32Array:
        """Return colours (N, 3, S) of texels with normals (N, 3, S) in the camera's frame."""
        return self.albedo * shade(harmonics(normals), self.light)


def harmonics(normals: Float32Array) -> Float32Array:
    """Return the nine polynomials of unit normals, (..., 3, S) to (..., 9, S)."""
    x, y, z = np.moveaxis(normals, -2, 0)
    return np.stack([np.ones_like(x), y, z, x, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y], axis=-2)


def shade(polynomials: Float32Array, light: Float32Array) -> Float32Array:
    """Return the light on surfaces, (..., 9, S) and (9, C) to (..., C, S)."""
    return np.asarray(np.maximum(light.T @ polynomials, LEAST_SHADE))


def estimate(colours: Float32Array, weights: Float32Array, normals: Float32Array) -> Appearance:
    """Estimate albedo and light.

    In logarithms a colour is the sum of albedo and shade: the albedo of each texel is its mean over the frames and is
    eliminated, what remains is the change of shade as the head turns, a small least-squares problem a channel.

    Args:
        colours: (N, 3, S) float32 of the texels in the frames.
        weights: (N, S) float32, 0 where a texel is not seen.
        normals: (N, 3, S) float32 unit normals in the camera's frame.

    Returns:
        The appearance.
    """
    polynomials = harmonics(normals)
    light = np.stack([_light_of(channel, weights, polynomials) for channel in np.moveaxis(colours, 1, 0)], axis=1)
    lit = shade(polynomials, light)
    weighted = weights[:, None] * lit
    albedo = (weighted * colours).sum(0) / np.maximum((weighted * lit).sum(0), np.float32(1e-6))
    return Appearance(albedo, light)


def _light_of(colours: Float32Array, weights: Float32Array, polynomials: Float32Array) -> Float32Array:
    """Gauss-Newton on the light of one channel, (9,); colours and weights are (N, S)."""
    # Noise is alike in all colours, so that a logarithm's weight is the colour's square.
    trust = weights * np.maximum(colours, LEAST_COLOUR) ** 2
    total = np.maximum(trust.sum(0), np.float32(1e-6))
    logarithm = np.log(np.maximum(colours, LEAST_COLOUR))
    ridge = EVENNESS * float(total.sum()) * np.eye(HARMONICS - 1)
    light = np.eye(HARMONICS)[0]
    for _ in range(ROUNDS):
        lit = shade(polynomials, light[:, None].astype(np.float32))
        rows = polynomials[:, 1:] / lit
        rows -= np.einsum("ns,nks->ks", trust, rows) / total
        residual = logarithm - np.log(lit[:, 0])
        residual -= (trust * residual).sum(0) / total
        # Above 0 also where all pictures have one colour.
        typical = max((trust * np.abs(residual)).sum() / total.sum(), np.float32(1e-6))
        robust = trust / (1 + (residual / (3 * typical)) ** 2)
        weighted = rows * robust[:, None]
        normal = (weighted @ np.swapaxes(rows, 1, 2)).sum(0, dtype=np.float64)
        right = np.einsum("nks,ns->k", weighted, residual)
        light[1:] += np.linalg.solve(normal + ridge, right - ridge @ light[1:])
    return np.asarray(light, np.float32)
