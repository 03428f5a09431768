"""A jump cut is told from motion, blinks, flashes, repeated frames and changes of format."""

import cv2
import numpy as np
import pytest

from talkmill.faces.jumps import JumpCutFinder

SIZE = (240, 320)
RNG = np.random.default_rng(0)
WALL = cv2.GaussianBlur(RNG.integers(0, 255, (*SIZE, 3), np.uint8), (0, 0), 4)
SKIN = cv2.GaussianBlur(RNG.integers(60, 220, (*SIZE, 3), np.uint8), (0, 0), 6)


def head(x: float, eyes: float = 1.0, light: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A textured head at a place, and its box."""
    centre = np.array([160 + x, 110 + x / 3])
    moved = cv2.warpAffine(SKIN, np.float32([[1, 0, x], [0, 1, x / 3]]), SIZE[::-1], borderMode=cv2.BORDER_REFLECT)
    mask = np.zeros(SIZE, np.uint8)
    at = tuple(int(value) for value in np.rint(centre * 16))
    cv2.ellipse(mask, at, (32 * 16, 42 * 16), 0, 0, 360, 255, -1, cv2.LINE_AA, 4)
    image = np.where(mask[..., None] > 127, moved, WALL)
    for side in (-12, 12):
        place = tuple(int(value) for value in np.rint(centre + [side, -8]))
        cv2.ellipse(image, place, (5, max(1, round(4 * eyes))), 0, 0, 360, (10, 10, 10), -1)
    image = np.clip(image.astype(int) + light, 0, 255).astype(np.uint8)
    return image, np.concatenate([centre - [32, 42], centre + [32, 42]]).astype(np.float32)


def sway(frame: float) -> float:
    return float(8 * np.sin(frame / 9))


def cuts(frames: list[tuple[np.ndarray, np.ndarray | None]]) -> list[int]:
    finder = JumpCutFinder()
    for image, box in frames:
        finder.add(image, box)
    return finder.cuts


@pytest.mark.parametrize("left_out", [10, 25, 30])
def test_a_missing_moment_is_found_where_it_is(left_out: int) -> None:
    moments = [*range(20), *range(20 + left_out, 40 + left_out)]
    assert cuts([head(sway(moment)) for moment in moments]) == [20]


def test_a_swaying_head_that_blinks_is_continuous() -> None:
    moments = [(sway(frame), 0.1 if frame % 23 in (4, 5) else 1.0) for frame in range(120)]
    assert cuts([head(place, eyes) for place, eyes in moments]) == []


def test_a_flash_is_no_cut() -> None:
    assert cuts([head(sway(frame), light=90 * (frame == 25)) for frame in range(50)]) == []


def test_frames_that_are_shown_twice_are_no_cut_and_hide_none() -> None:
    shown_twice = [moment for moment in [*range(20), *range(45, 65)] for _ in range(2)]
    assert cuts([head(sway(moment)) for moment in range(40) for _ in range(2)]) == []
    assert cuts([head(sway(moment)) for moment in shown_twice]) == [40]


def test_a_head_that_hardly_moves_jumps_too() -> None:
    """Its steps are smaller than those of frames that are shown twice elsewhere."""
    places = [*(0.02 * frame for frame in range(20)), *(3 + 0.02 * frame for frame in range(20))]
    assert cuts([head(place) for place in places]) == [20]


def test_another_framing_is_found_and_another_format_is_none() -> None:
    after = [head(sway(frame)) for frame in range(20, 40)]
    nearer = [(cv2.resize(image, None, fx=1.1, fy=1.1)[: SIZE[0], : SIZE[1]], box * 1.1) for image, box in after]
    assert cuts([*(head(sway(frame)) for frame in range(20)), *nearer]) == [20]
    larger = [(cv2.resize(image, None, fx=2, fy=2), box * 2) for image, box in after]
    assert cuts([*(head(sway(frame)) for frame in range(20)), *larger]) == []


def test_without_a_face_there_is_nothing_to_compare() -> None:
    assert cuts([(head(sway(frame))[0], None) for frame in (*range(20), *range(45, 65))]) == []
    assert cuts([]) == []


def test_a_box_at_the_edge_or_beyond_is_looked_at() -> None:
    """Detectors may place boxes outside the picture."""
    image, _ = head(0)
    outside = np.array([-90, -60, -20, 10], np.float32)
    assert cuts([(image, outside)] * 10) == []
