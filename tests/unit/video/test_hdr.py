"""HDR and wide gamuts to BT.709, against values that are printed in the recommendations."""

import av
import cv2
import numpy as np
import pytest

from talkmill.region import Region
from talkmill.video import colour
from talkmill.video.colour import ColourMapping, to_bt709
from talkmill.video.picture import PictureFormat, RgbConverter

BT709, BT2020, DCI, DISPLAY_P3 = 1, 9, 11, 12
SDR, PQ, HLG = 1, 16, 18
# ITU-R BT.2087-0, 3.2: linear BT.709 to linear BT.2020.
TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
# ITU-R BT.2407-0, 2.2: the way back.
FROM_BT2020 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]])
# CSS Color Module Level 4, sample code: linear Display P3 to linear sRGB.
FROM_DISPLAY_P3 = np.array([[1.2249, -0.2249, 0.0], [-0.0420, 1.0420, 0.0], [-0.0197, -0.0786, 1.0983]])


def srgb(linear: np.ndarray | float) -> np.ndarray:
    """IEC 61966-2-1."""
    value = np.clip(linear, 0, 1)
    return np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)


def linear_of(levels: np.ndarray) -> np.ndarray:
    value = levels / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def grey(transfer: int, signal: float) -> float:
    """What becomes of a grey signal; all three channels are equal."""
    red, green, blue = ColourMapping(BT2020, transfer).apply(np.full((1, 3), signal))[0]
    assert red == pytest.approx(green, abs=1e-6)
    assert red == pytest.approx(blue, abs=1e-6)
    return float(red)


def test_the_grey_card_of_hlg_reflects_18_percent() -> None:
    """ITU-R BT.2408-7, table 1: 38 % HLG. Percentages are printed without decimals: half of one is 5 % of the light."""
    assert grey(HLG, 0.38) == pytest.approx(float(srgb(0.18)), abs=0.01)


def test_the_grey_card_of_pq_has_26_candela_of_203() -> None:
    """ITU-R BT.2408-7, table 1: 38 % PQ."""
    assert grey(PQ, 0.38) == pytest.approx(float(srgb(26 / 203)), abs=0.01)


def test_diffuse_white_of_both_curves_is_one_white() -> None:
    """ITU-R BT.2408-7, table 1: 75 % HLG and 58 % PQ are 203 cd/m2, 100 % reflectance."""
    assert float(colour._pq_to_light(np.array(0.58))) == pytest.approx(203, rel=0.01)
    assert float(colour._hlg_to_scene(np.array(0.75))) == pytest.approx(colour.HLG_WHITE, rel=1e-6)
    assert grey(HLG, 0.75) == pytest.approx(grey(PQ, 0.58), abs=1e-3)
    # What the roll-off leaves of it, by its definition: 239 of 255.
    assert grey(HLG, 0.75) * 255 == pytest.approx(239, abs=0.5)


def test_the_curves_have_the_values_that_are_printed() -> None:
    """ITU-R BT.2100-2: table 5, E = 1/12 at a signal of 1/2 and 1 at 1; table 4, 10 000 cd/m2 at 1 and 0 at 0.

    ITU-R BT.2408-7, table 1, has 1000 cd/m2 at 75 % PQ.
    """
    assert colour._hlg_to_scene(np.array([0, 0.5, 1])) == pytest.approx([0, 1 / 12, 1], abs=1e-6)
    assert colour._pq_to_light(np.array([0, 1])) == pytest.approx([0, 10_000], abs=1e-6)
    assert float(colour._pq_to_light(np.array(0.75))) == pytest.approx(1000, rel=0.02)


def test_gamuts_have_the_matrices_that_are_printed() -> None:
    assert colour._to_bt709_matrix(BT2020) == pytest.approx(FROM_BT2020, abs=1e-4)
    assert np.linalg.inv(colour._to_bt709_matrix(BT2020)) == pytest.approx(TO_BT2020, abs=1e-4)
    assert colour._to_bt709_matrix(DISPLAY_P3) == pytest.approx(FROM_DISPLAY_P3, abs=1e-4)


@pytest.mark.parametrize("primaries", [BT2020, DCI, DISPLAY_P3])
@pytest.mark.parametrize("transfer", [SDR, PQ, HLG])
def test_white_stays_white(primaries: int, transfer: int) -> None:
    """The white of a cinema is greener than that of a monitor: eyes adapt to it, and so does the mapping."""
    found = ColourMapping(primaries, transfer).apply(np.array([[0.6] * 3, [0.3] * 3]))
    assert np.ptp(found, axis=1).max() < 1e-3


def test_highlights_roll_off_and_never_turn_back() -> None:
    light = np.linspace(0, 60, 20_001)
    bent = colour._rolled_off(light)
    assert (np.diff(bent) >= -1e-12).all()
    assert bent.max() <= 1
    low = light <= 0.85
    assert np.array_equal(bent[low], light[low])
    assert np.abs(np.diff(bent)).max() <= np.diff(light).max() + 1e-12
    # Up to five diffuse whites one highlight can be told from another.
    shown = np.rint(255 * srgb(colour._rolled_off(np.array([1.0, 1.5, 2.0, 3.0]))))
    assert (np.diff(shown) >= 2).all()
    for transfer in (PQ, HLG):
        levels = [grey(transfer, signal) for signal in np.linspace(0, 1, 200)]
        assert (np.diff(levels) >= -1e-9).all()


def test_a_highlight_keeps_its_colour() -> None:
    """The three channels shrink by one factor: a bright skin does not turn yellow."""
    mapping = ColourMapping(BT2020, PQ)
    signal = np.array([[0.66, 0.63, 0.60]])
    linear = colour._pq_to_light(signal) / 203 @ FROM_BT2020.T
    assert linear.min() > 1
    shown = linear_of(mapping.apply(signal) * 255)
    assert (shown / shown.max())[0] == pytest.approx((linear / linear.max())[0], abs=2e-3)


@pytest.mark.parametrize(
    ("primaries", "transfer", "name"),
    [
        (BT709, SDR, None), (2, 2, None), (6, 6, None), (5, 1, None),
        (BT2020, HLG, "HLG with Rec. 2020"), (BT2020, PQ, "PQ with Rec. 2020"), (2, HLG, "HLG with Rec. 2020"),
        (DISPLAY_P3, SDR, "Display P3"), (DISPLAY_P3, 2, "Display P3"), (BT2020, 14, "Rec. 2020"), (BT709, PQ, "PQ"),
    ],
)  # fmt: skip
def test_what_is_mapped_and_how_it_is_called(primaries: int, transfer: int, name: str | None) -> None:
    mapping = to_bt709(primaries, transfer)
    assert (None if mapping is None else str(mapping)) == name


PATCHES = np.array(
    [[200, 40, 40], [40, 180, 60], [40, 60, 200], [224, 172, 140], [141, 85, 36], [235, 235, 235], [128, 128, 128], [30, 30, 30]]
)  # fmt: skip
SIDE = 32


def hlg_signal(linear: np.ndarray) -> np.ndarray:
    """OETF of ITU-R BT.2100-2, table 5; 75 % is the signal of 0.265 of the peak."""
    scene = np.maximum(linear, 0) * 0.265
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c)


def pq_signal(linear: np.ndarray) -> np.ndarray:
    """Inverse EOTF of ITU-R BT.2100-2, table 4; white has 203 cd/m2."""
    power = (np.maximum(linear, 0) * 203 / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def hdr_frame(transfer: int) -> av.VideoFrame:
    """The patches side by side as a phone records them: 10 bits, limited range, BT.2020, white at 203 cd/m2.

    Source: ITU-R BT.2100-2, tables 6 and 9.
    """
    signal = (hlg_signal if transfer == HLG else pq_signal)(linear_of(PATCHES) @ TO_BT2020.T)
    luma = signal @ np.array([0.2627, 0.6780, 0.0593])
    planes = [64 + 876 * luma, 512 + 896 * (signal[:, 2] - luma) / 1.8814, 512 + 896 * (signal[:, 0] - luma) / 1.4746]
    frame = av.VideoFrame(SIDE * len(PATCHES), SIDE, "yuv420p10le")
    for plane, values in zip(frame.planes, planes, strict=True):
        side = SIDE if plane.width == frame.width else SIDE // 2
        rows = np.zeros((plane.height, plane.line_size // 2), np.uint16)
        rows[:, : plane.width] = np.repeat(np.rint(values).astype(np.uint16), side)
        plane.update(rows.tobytes())
    return frame


@pytest.mark.parametrize("transfer", [HLG, PQ])
def test_a_phones_picture_has_the_colours_of_the_scene(transfer: int) -> None:
    format_ = PictureFormat(SIDE * len(PATCHES), SIDE, primaries=BT2020, transfer=transfer, matrix=9)
    frame = hdr_frame(transfer)
    image = RgbConverter()(frame, format_)
    found = image[SIDE // 2, SIDE // 2 :: SIDE].astype(int)
    # Skin and greys. The weak channel of a strong colour is what 10 bits and the table leave of a small difference.
    assert np.abs(found - PATCHES)[3:].max() <= 1
    assert np.abs(found - PATCHES).max() <= 8
    part = Region(37, 5, 150, 20)
    assert np.abs(RgbConverter(region=part)(frame, format_).astype(int) - image[part.slices]).max() <= 1


def test_the_table_is_as_exact_as_the_mapping() -> None:
    """Greys to one level, but where the roll-off begins; any colour that BT.709 has to a level in the mean."""
    size = 256
    colours = linear_of(np.random.default_rng(0).uniform(0, 255, (size, size, 3)))
    colours[: size // 2] = colours[: size // 2, :, :1]
    signal = np.rint(np.clip(pq_signal(colours @ TO_BT2020.T), 0, 1) * 65535)
    frame = av.VideoFrame.from_ndarray(signal.astype(np.uint16), format="rgb48le")
    found = RgbConverter()(frame, PictureFormat(size, size, primaries=BT2020, transfer=PQ, matrix=0))
    error = np.abs(found - 255 * ColourMapping(BT2020, PQ).apply(signal / 65535))
    assert error[: size // 2].max() <= 1.6
    assert np.mean(error[: size // 2]) < 0.3
    assert np.mean(error[size // 2 :]) < 1


def test_a_transparent_picture_of_a_wide_gamut_is_shown_over_white() -> None:
    rgba = np.full((16, 64, 4), (200, 100, 100, 255), np.uint8)
    rgba[:, 32:, 3] = 0
    format_ = PictureFormat(64, 16, primaries=DISPLAY_P3, transfer=13, matrix=0, full_range=True, alpha=True)
    found = RgbConverter()(av.VideoFrame.from_ndarray(rgba, format="rgba"), format_)
    opaque = PictureFormat(64, 16, primaries=DISPLAY_P3, transfer=13, matrix=0, full_range=True)
    rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgba[..., :3]), format="rgb24")
    assert np.array_equal(found[:, :32], RgbConverter()(rgb, opaque)[:, :32])
    assert (found[:, 32:] == 255).all()


def test_a_wide_gamut_of_ordinary_range_keeps_grey_and_widens_red() -> None:
    """A photograph tagged Display P3: greys stay, its red is more than BT.709 has."""
    image = np.array([[[128, 128, 128], [200, 100, 100]]], np.uint8)
    frame = av.VideoFrame.from_ndarray(cv2.resize(image, (64, 32), interpolation=cv2.INTER_NEAREST), format="rgb24")
    format_ = PictureFormat(64, 32, primaries=DISPLAY_P3, transfer=13, matrix=0, full_range=True)
    found = RgbConverter()(frame, format_)
    expected = np.rint(255 * srgb(linear_of(np.array([200, 100, 100])) @ FROM_DISPLAY_P3.T))
    assert found[16, 16].tolist() == [128, 128, 128]
    assert np.abs(found[16, 48] - expected).max() <= 1
