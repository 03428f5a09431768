"""Mapping of HDR and wide-gamut pictures to ITU-R BT.709, as a look-up table that FFmpeg applies."""

import functools
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from talkmill.arrays import Float64Array

# Code points of ITU-T H.273.
UNSPECIFIED = 2
BT709_PRIMARIES, BT2020_PRIMARIES, P3_DCI_PRIMARIES, P3_D65_PRIMARIES = 1, 9, 11, 12
SDR_TRANSFER, PQ_TRANSFER, HLG_TRANSFER = 1, 16, 18

# Diffuse white, cd/m2. Source: ITU-R BT.2408-7, table 1 (HDR reference white; 75 % HLG, 58 % PQ).
REFERENCE_WHITE = 203.0
# Scene light of HLG at 75 % signal, by the inverse OETF of ITU-R BT.2100-2, table 5.
HLG_WHITE = 0.26496256
# Up to this share of diffuse white nothing changes; what is brighter is rolled off, so that highlights keep their shape
# and faces their level.
KNEE = 0.85
# The brightest light that the roll-off still tells apart, in diffuse whites (1000 cd/m2).
PEAK = 1000 / REFERENCE_WHITE
# Points a side of the table. Skin is exact; the weakest channel of a saturated green is off by 1.5 levels in HLG (with
# 65 points by 2.9, with 33 by 6.3) and by 3 in PQ.
TABLE_SIDE = 97

# Chromaticities x, y of red, green, blue and white. Sources: ITU-R BT.709-6, BT.2020-2; SMPTE EG 432-1, RP 431-2.
_D65, _DCI_WHITE = (0.3127, 0.3290), (0.314, 0.351)
_CHROMATICITIES = {
    BT709_PRIMARIES: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65),
    BT2020_PRIMARIES: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    P3_DCI_PRIMARIES: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _DCI_WHITE),
    P3_D65_PRIMARIES: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),
}
# From CIE XYZ to the responses that the Bradford transform adapts. Source: Lam, 1985, in ICC.1:2022, annex E.
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_NAMES = {BT2020_PRIMARIES: "Rec. 2020", P3_DCI_PRIMARIES: "DCI-P3", P3_D65_PRIMARIES: "Display P3"}
_CURVES = {PQ_TRANSFER: "PQ", HLG_TRANSFER: "HLG"}


@dataclass(frozen=True, slots=True)
class ColourMapping:
    """From one colour space to BT.709.

    Attributes:
        primaries: ColourPrimaries of ITU-T H.273.
        transfer: TransferCharacteristics of ITU-T H.273.
    """

    primaries: int
    transfer: int

    def __str__(self) -> str:
        """Name the colour space."""
        names = [_CURVES.get(self.transfer, ""), _NAMES.get(self.primaries, "")]
        return " with ".join(name for name in names if name)

    def apply(self, signal: Float64Array) -> Float64Array:
        """Map non-linear R'G'B' signals.

        HLG is taken as scene light, so that a face keeps its tones; PQ as display light. In both, diffuse white (75 %
        HLG, 203 cd/m2) is 1: up to KNEE of it nothing changes, what is brighter is rolled off, so that white itself is
        level 239 of 255. Colours outside BT.709 are clipped. The transfer of BT.709 pictures is sRGB's, as monitors
        show them.

        Args:
            signal: (..., 3) in [0, 1].

        Returns:
            (..., 3) R'G'B' of BT.709 in [0, 1].
        """
        if self.transfer == HLG_TRANSFER:
            linear = _hlg_to_scene(signal) / HLG_WHITE
        elif self.transfer == PQ_TRANSFER:
            linear = _pq_to_light(signal) / REFERENCE_WHITE
        else:
            linear = _srgb_to_linear(signal)
        linear = linear @ _to_bt709_matrix(self.primaries).T
        if self.transfer in _CURVES:
            # All three by the brightest, so that highlights keep their colour.
            brightest = np.maximum(linear.max(axis=-1, keepdims=True), 1e-9)
            linear = linear * (_rolled_off(brightest) / brightest)
        return _linear_to_srgb(np.clip(linear, 0, 1))

    def cube_file(self, white: float) -> Path:
        """Write the mapping as a .cube table, once a process.

        Args:
            white: What the table's input is where the signal is 1.

        Returns:
            Where it lies.
        """
        return _cube_file(self, white)


def to_bt709(primaries: int, transfer: int) -> ColourMapping | None:
    """Return the mapping of a colour space to BT.709; None where none is needed."""
    if transfer in _CURVES:
        wide = primaries if primaries in _CHROMATICITIES else BT2020_PRIMARIES
        return ColourMapping(wide, transfer)
    return ColourMapping(primaries, SDR_TRANSFER) if primaries in _NAMES else None


def _rolled_off(light: Float64Array) -> Float64Array:
    """Leave light below the knee, and bend what lies between knee and peak to end at 1 with no slope.

    Source: the Hermite spline of the EETF of ITU-R BT.2390-11, 5.4.1, here in linear light with the knee at KNEE.
    """
    t = np.clip((light - KNEE) / (PEAK - KNEE), 0, 1)
    # A cubic from (0, KNEE) with the slope of the identity to (1, 1) with slope 0; limited so that it never overshoots.
    slope = min((PEAK - KNEE), 3 * (1 - KNEE))
    bent = KNEE + slope * (t**3 - 2 * t**2 + t) + (1 - KNEE) * (3 * t**2 - 2 * t**3)
    return np.where(light <= KNEE, light, bent)


def _hlg_to_scene(signal: Float64Array) -> Float64Array:
    """Inverse OETF of ITU-R BT.2100-2, table 5: signal to scene light, 1 at the peak."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)


def _pq_to_light(signal: Float64Array) -> Float64Array:
    """EOTF of SMPTE ST 2084 (ITU-R BT.2100-2, table 4): signal to cd/m2."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 4096 * 128, 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    root = np.maximum(signal, 0) ** (1 / m2)
    return 10_000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)


def _srgb_to_linear(signal: Float64Array) -> Float64Array:
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)


def _linear_to_srgb(linear: Float64Array) -> Float64Array:
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055)


def _xyz_from_rgb(primaries: int) -> Float64Array:
    """Matrix from linear RGB to CIE XYZ in which white is D65. Sources: SMPTE RP 177; the Bradford transform."""
    red, green, blue, white = (_xyz(point) for point in _CHROMATICITIES[primaries])
    columns = np.stack([red, green, blue], axis=1)
    seen, wanted = _BRADFORD @ white, _BRADFORD @ _xyz(_D65)
    adapted = np.linalg.solve(_BRADFORD, (wanted / seen)[:, None] * _BRADFORD)
    return np.asarray(adapted @ (columns * np.linalg.solve(columns, white)))


def _xyz(point: tuple[float, float]) -> Float64Array:
    x, y = point
    return np.array([x / y, 1, (1 - x - y) / y])


def _to_bt709_matrix(primaries: int) -> Float64Array:
    return np.asarray(np.linalg.solve(_xyz_from_rgb(BT709_PRIMARIES), _xyz_from_rgb(primaries)))


@functools.cache
def _cube_file(mapping: ColourMapping, white: float) -> Path:
    axis = np.minimum(np.linspace(0, 1, TABLE_SIDE) / white, 1)
    # Red runs fastest in a .cube file (Adobe, Cube LUT Specification 1.0).
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")
    table = mapping.apply(np.stack([red, green, blue], axis=-1)).reshape(-1, 3)
    folder = Path(tempfile.mkdtemp(prefix="talkmill-colour-"))
    path = folder / f"{mapping.primaries}_{mapping.transfer}.cube"
    with path.open("w", encoding="ascii") as file:
        file.write(f"LUT_3D_SIZE {TABLE_SIDE}\n")
        np.savetxt(file, table, fmt="%.5f")
    return path
