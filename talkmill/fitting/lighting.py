"""Albedo of every texel and nine spherical harmonics of light, out of the clip itself.

Source: Ramamoorthi and Hanrahan, "An efficient representation for irradiance environment maps", SIGGRAPH 2001, eq. 13;
log-linear least squares.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from talkmill.arrays import Float32Array

HARMONICS = 9
ROUNDS = 5
TEXELS_AT_ONCE = 250
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
        colours = np.empty_like(normals)
        for texels in _chunks(normals.shape[2]):
            shades = shade(harmonics(normals[:, :, texels]), self.light)
            np.multiply(self.albedo[:, texels], shades, out=colours[:, :, texels])
        return colours


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
    light = np.stack([_light_of(channel, weights, normals) for channel in np.moveaxis(colours, 1, 0)], axis=1)
    albedo = np.empty(colours.shape[1:], np.float32)
    for texels in _chunks(colours.shape[2]):
        lit = shade(harmonics(normals[:, :, texels]), light)
        weighted = weights[:, None, texels] * lit
        total = np.maximum((weighted * lit).sum(0), np.float32(1e-6))
        albedo[:, texels] = (weighted * colours[:, :, texels]).sum(0) / total
    return Appearance(albedo, light)


def _light_of(colours: Float32Array, weights: Float32Array, normals: Float32Array) -> Float32Array:
    """Gauss-Newton on the light of one channel, (9,); colours and weights are (N, S), normals (N, 3, S)."""
    # Noise is alike in all colours, so that a logarithm's weight is the colour's square.
    trust = weights * np.maximum(colours, LEAST_COLOUR) ** 2
    total = np.maximum(trust.sum(0), np.float32(1e-6))
    logarithm = np.log(np.maximum(colours, LEAST_COLOUR))
    ridge = EVENNESS * float(total.sum()) * np.eye(HARMONICS - 1)
    light = np.eye(HARMONICS)[0]
    lit = np.empty_like(colours)
    for _ in range(ROUNDS):
        for texels in _chunks(colours.shape[1]):
            lit[:, texels] = shade(harmonics(normals[:, :, texels]), light[:, None].astype(np.float32))[:, 0]
        residual = logarithm - np.log(lit)
        residual -= (trust * residual).sum(0) / total
        # Above 0 also where all pictures have one colour.
        typical = max((trust * np.abs(residual)).sum() / total.sum(), np.float32(1e-6))
        robust = trust / (1 + (residual / (3 * typical)) ** 2)
        normal, right = ridge.copy(), -ridge @ light[1:]
        for texels in _chunks(colours.shape[1]):
            rows = harmonics(normals[:, :, texels])[:, 1:] / lit[:, None, texels]
            rows -= np.einsum("ns,nks->ks", trust[:, texels], rows) / total[texels]
            weighted = rows * robust[:, None, texels]
            normal += (weighted @ np.swapaxes(rows, 1, 2)).sum(0, dtype=np.float64)
            right += np.einsum("nks,ns->k", weighted, residual[:, texels])
        light[1:] += np.linalg.solve(normal, right)
    return np.asarray(light, np.float32)


def _chunks(count: int) -> Iterator[slice]:
    """Yield stretches of texels: what is nine times as large as a colour is not held for all of them at once."""
    return (slice(begin, begin + TEXELS_AT_ONCE) for begin in range(0, count, TEXELS_AT_ONCE))
