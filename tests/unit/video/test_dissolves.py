"""A dissolve is told from cuts, motion and changes of light."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from talkmill.video.dissolves import DissolveFinder

RNG = np.random.default_rng(2)
ONE, TWO = (cv2.GaussianBlur(RNG.integers(0, 255, (90, 160, 3), np.uint8), (0, 0), 5) for _ in range(2))


def contrasted(image: np.ndarray, shift: float = 0.0) -> np.ndarray:
    """Blurred noise with the contrast of a picture, moved."""
    moved = cv2.warpAffine(
        image, np.float32([[1, 0, shift], [0, 1, shift / 2]]), (160, 90), borderMode=cv2.BORDER_REFLECT
    )
    return np.clip((moved.astype(float) - 127) * 4 + 127, 0, 255)


def dissolves(frames: list[np.ndarray], rate: float = 25.0) -> list[tuple[int, int]]:
    finder = DissolveFinder(rate)
    for frame in frames:
        finder.add(np.rint(frame).astype(np.uint8))
    return finder.dissolves


def drift(number: int) -> float:
    return 0.1 * number


def sway(number: int) -> float:
    return 0.3 * float(np.sin(number / 6))


def mixed(
    length: int, second: np.ndarray, repeats: int = 1, motion: Callable[[int], float] = drift
) -> list[np.ndarray]:
    shares = [*np.zeros(25), *np.linspace(0, 1, length + 2)[1:-1], *np.ones(25)]
    # Both shots go on moving.
    return [
        contrasted(ONE, motion(number)) * (1 - share) + contrasted(second, motion(number)) * share
        for number, share in enumerate(shares)
        for _ in range(repeats)
    ]


@pytest.mark.parametrize("length", [6, 12, 25, 40])
def test_every_frame_of_a_dissolve_is_inside(length: int) -> None:
    ((first, end),) = dissolves(mixed(length, TWO))
    assert 25 - 12 <= first <= 25 + 1
    assert 25 + length - 1 <= end <= 25 + length + 12


def test_a_long_dissolve_is_followed_to_its_ends() -> None:
    # The less alike two shots are, the longer a dissolve may be.
    unlike = np.rint((TWO + (255.0 - ONE)) / 2).astype(np.uint8)
    ((first, end),) = dissolves(mixed(90, unlike, motion=sway))
    # What is left shows a fifteenth of the other shot at most.
    assert 25 - 12 <= first <= 25 + 6
    assert 25 + 90 - 6 <= end <= 25 + 90 + 12


def test_a_fade_to_black_is_one_too() -> None:
    ((first, end),) = dissolves(mixed(12, np.zeros_like(ONE)))
    assert first <= 26
    assert end >= 25 + 11


def test_at_twice_the_rate_it_lasts_as_long() -> None:
    ((first, end),) = dissolves(mixed(25, TWO, repeats=2), rate=60.0)
    assert first <= 52
    assert end >= 2 * 49


def test_at_half_the_rate_it_has_half_the_frames() -> None:
    ((first, end),) = dissolves(mixed(5, TWO), rate=12.0)
    assert 25 - 6 <= first <= 26
    assert 29 <= end <= 30 + 6


def test_cuts_motion_and_changes_of_light_are_none() -> None:
    assert dissolves(mixed(0, TWO)) == []
    assert dissolves([contrasted(ONE, 1.5 * number) for number in range(80)]) == []
    assert dissolves([contrasted(ONE) * (0.6 + 0.4 * float(np.cos(number / 9))) for number in range(80)]) == []


def test_another_size_begins_anew() -> None:
    frames = mixed(12, TWO)
    found = dissolves([*frames[:31], *(cv2.resize(frame, (80, 60)) for frame in frames[31:])])
    assert all(end <= 31 or first >= 31 for first, end in found)
