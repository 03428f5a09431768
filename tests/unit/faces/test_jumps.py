"""A jump cut is told from motion, blinks, flashes, repeated frames and changes of format."""

from collections.abc import Collection

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


def cuts(frames: list[tuple[np.ndarray, np.ndarray | None]], rate: float = 25, keys: Collection[int] = ()) -> list[int]:
    finder = JumpCutFinder(rate)
    for frame, (image, box) in enumerate(frames):
        finder.add(image, box, key=frame in keys)
    return finder.cuts


def coded(
    frames: list[tuple[np.ndarray, np.ndarray | None]], keys: Collection[int]
) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """What few bits leave: each group of pictures has an error of its own, which its key frame brings."""
    random, error, made = np.random.default_rng(1), np.zeros(SIZE), []
    for frame, (image, box) in enumerate(frames):
        if frame in keys:
            error = cv2.GaussianBlur(random.normal(0, 25, SIZE), (0, 0), 3)
        made.append((np.clip(image + error[..., None], 0, 255).astype(np.uint8), box))
    return made


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


@pytest.mark.parametrize("left_out", [10, 25])
@pytest.mark.parametrize("at", [40, 41])
def test_in_a_fast_video_the_very_frame_is_found(left_out: int, at: int) -> None:
    moments = [*range(at), *range(at + 2 * left_out, 2 * at + 2 * left_out)]
    assert cuts([head(sway(moment / 2)) for moment in moments], 60) == [at]


def test_a_key_frame_that_refreshes_the_picture_is_no_cut() -> None:
    keys = range(0, 120, 12)
    frames = coded([head(sway(frame)) for frame in range(120)], keys)
    assert cuts(frames, keys=keys) == []
    # Nothing but the word of the decoder tells it from a cut.
    assert cuts(frames)


def nearer(shown: tuple[np.ndarray, np.ndarray | None]) -> tuple[np.ndarray, np.ndarray | None]:
    image, box = shown
    return cv2.resize(image, None, fx=1.15, fy=1.15)[: SIZE[0], : SIZE[1]], box * 1.15


def test_a_jump_among_refreshes_and_at_one_is_found() -> None:
    keys = range(0, 120, 12)
    before = [head(sway(frame)) for frame in range(64)]
    after = [head(sway(frame)) for frame in range(89, 145)]
    assert cuts(coded([*before, *after], keys), keys=keys) == [64]
    assert cuts(coded([*before[:60], *map(nearer, after)], keys), keys=keys) == [60]


def test_where_every_jump_is_a_key_frame_and_where_every_frame_is_one() -> None:
    shots = [[head(sway(frame)) for frame in range(first, first + 20)] for first in (0, 45, 90)]
    frames = [*shots[0], *map(nearer, shots[1]), *shots[2]]
    assert cuts(frames, keys=(0, 20, 40)) == [20, 40]
    assert cuts([image for shot in shots for image in shot], keys=range(60)) == [20, 40]
