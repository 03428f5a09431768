import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkmill.landmarks.points import LEFT_SIDE, MIRROR, RIGHT_SIDE, outer_eye_distance, roll
from talkmill.landmarks.smoothing import fill_gaps, jitter, smooth_over_time
from talkmill.landmarks.validity import plausible
from talkmill.stages.landmarks.messages import LandmarksParameters

CUTOFF_HERTZ = LandmarksParameters().cutoff_hertz


@pytest.mark.parametrize("hertz", [0.5, 2.0, 3.0, 6.0, 8.0, 11.0])
@pytest.mark.parametrize("rate", [25.0, 30.0, 60.0])
@pytest.mark.parametrize("cutoff", [CUTOFF_HERTZ, 5.0])
def test_the_response_is_that_of_the_formula(hertz: float, rate: float, cutoff: float) -> None:
    time = np.arange(400) / rate
    wave = np.sin(2 * np.pi * hertz * time)
    smooth = smooth_over_time(wave, np.ones(400), rate, cutoff)
    middle = slice(100, 300)
    found = (smooth[middle] * wave[middle]).sum() / (wave[middle] ** 2).sum()
    strength = 1 / (2 - 2 * np.cos(2 * np.pi * cutoff / rate)) ** 3
    expected = 1 / (1 + strength * (2 - 2 * np.cos(2 * np.pi * hertz / rate)) ** 3)
    assert found == pytest.approx(expected, abs=0.01)


def test_a_nod_at_three_hertz_keeps_its_amplitude_without_delay() -> None:
    time = np.arange(250) / 25
    wave = np.sin(2 * np.pi * 3 * time)
    smooth = smooth_over_time(wave, np.ones(250), 25.0, CUTOFF_HERTZ)
    shifts = [float((smooth[10:-10] * np.roll(wave, shift)[10:-10]).sum()) for shift in (-1, 0, 1)]
    assert int(np.argmax(shifts)) == 1
    assert (smooth * wave).sum() / (wave**2).sum() > 0.95


def test_white_noise_shakes_less_as_the_response_says() -> None:
    points = np.random.default_rng(0).normal(0, 1, (400, 68, 2))
    found = jitter(smooth_over_time(points, np.ones(400), 25.0, CUTOFF_HERTZ)).mean() / jitter(points).mean()
    second = 2 - 2 * np.cos(np.linspace(0, np.pi, 2000))
    response = 1 / (1 + second**3 / (2 - 2 * np.cos(2 * np.pi * CUTOFF_HERTZ / 25.0)) ** 3)
    expected = np.sqrt(((response * second) ** 2).mean() / (second**2).mean())
    assert found == pytest.approx(expected, rel=0.03)


def test_little_trust_means_little_influence() -> None:
    values, weights = np.zeros(50), np.ones(50)
    values[25], weights[25] = 100.0, 0.01
    assert np.abs(smooth_over_time(values, weights, 25.0, CUTOFF_HERTZ)).max() < 5


def test_a_parabola_passes_unchanged_to_its_ends() -> None:
    values = (np.arange(60) - 20.0) ** 2
    assert np.allclose(smooth_over_time(values, np.ones(60), 25.0, CUTOFF_HERTZ), values)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_what_is_too_short_stays(count: int) -> None:
    values = np.arange(count, dtype=float)
    assert np.array_equal(smooth_over_time(values, np.ones(count), 25.0, CUTOFF_HERTZ), values)


def test_a_weight_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="fill gaps first"):
        smooth_over_time(np.zeros(10), np.zeros(10), 25.0, CUTOFF_HERTZ)


def test_gaps_are_linear_inside_and_constant_at_the_ends() -> None:
    values = np.array([9.0, 1, 9, 9, 4, 9])
    valid = np.array([False, True, False, False, True, False])
    assert fill_gaps(values, valid).tolist() == [1, 1, 2, 3, 4, 4]
    with pytest.raises(ValueError, match="no frame is valid"):
        fill_gaps(values, np.zeros(6, bool))


@given(st.permutations(range(68)))
def test_the_mirror_is_its_own_inverse(order: list[int]) -> None:
    points = np.array(order)
    assert np.array_equal(points[MIRROR][MIRROR], points)


def face() -> np.ndarray:
    points = np.random.default_rng(0).uniform(100, 200, (68, 2)).astype(np.float32)
    points[36:42], points[42:48] = [120, 130], [180, 130]
    return points


def test_roll_and_eye_distance_of_a_level_face() -> None:
    assert roll(face()) == 0
    assert outer_eye_distance(face()) == 60


def test_points_that_are_no_face_are_marked() -> None:
    points = np.stack([face(), face() + 500, face() * 0.1 + 135, face()])
    boxes = np.tile(np.array([95, 95, 205, 205], np.float32), (4, 1))
    confidence = np.full((4, 68), 0.9, np.float32)
    confidence[3] = 0.1
    assert plausible(points, confidence, boxes).tolist() == [True, False, False, False]


def test_one_eye_with_its_brow_must_be_trusted() -> None:
    """A head that turns away hides one; where both are guesses, a sure mouth does not make a face."""
    points, boxes = np.stack([face()] * 3), np.tile(np.array([95, 95, 205, 205], np.float32), (3, 1))
    confidence = np.full((3, 68), 0.9, np.float32)
    confidence[1, LEFT_SIDE] = 0.05
    confidence[2, np.r_[LEFT_SIDE, RIGHT_SIDE]] = 0.2
    assert confidence[2, 17:].mean() > 0.5
    assert plausible(points, confidence, boxes).tolist() == [True, True, False]
