"""A freeze is told from a person who keeps still, a portrait on the wall and frames that are shown twice."""

from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from talkmill.faces.freezes import FreezeFinder
from talkmill.video.scenes import thumbnail

RATE = 25.0
BOX = np.float32([140, 60, 240, 180])
WALL = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (270, 480, 3), np.uint8), (0, 0), 5)


def talking(frame: float, box: np.ndarray = BOX) -> np.ndarray:
    """A wall and a face whose lips move."""
    image, centre, size = WALL.copy(), (box[:2] + box[2:]) / 2, float(box[2] - box[0])
    cv2.ellipse(
        image,
        tuple(np.rint(centre).astype(int).tolist()),
        (round(size / 2), round(size * 0.6)),
        0,
        0,
        360,
        (200, 160, 140),
        -1,
    )
    lips = tuple(np.rint(centre + [0, size * 0.3]).astype(int).tolist())
    opened = max(1, round(size * (0.06 + 0.05 * np.sin(frame))))
    cv2.ellipse(image, lips, (max(1, round(size / 6)), opened), 0, 0, 360, (90, 20, 30), -1)
    return image


def freezes(
    images: list[np.ndarray], box: np.ndarray | None = BOX, rate: float = RATE, keys: tuple[int, ...] = (0,)
) -> list[tuple[int, int]]:
    finder = FreezeFinder(rate)
    for frame, image in enumerate(images):
        finder.add(image, thumbnail(image), box, key=frame in keys)
    return finder.freezes


def noisy(images: list[np.ndarray], sigma: float) -> Iterator[np.ndarray]:
    random = np.random.default_rng(1)
    for image in images:
        yield np.clip(image + random.normal(0, sigma, image.shape), 0, 255).astype(np.uint8)


HELD = [*map(talking, range(30)), *[talking(30)] * 15, *map(talking, range(45, 70))]


def test_pictures_that_repeat_are_a_freeze() -> None:
    assert freezes(HELD) == [(30, 45)]
    assert freezes(HELD, box=None) == [(30, 45)], "also where nobody is seen"


def test_what_coding_changes_in_a_held_picture_is_no_life() -> None:
    """A key frame brings another error, and every frame a little noise."""
    refreshed = [
        *HELD[:37],
        *[np.clip(image.astype(int) + 3, 0, 255).astype(np.uint8) for image in HELD[37:45]],
        *HELD[45:],
    ]
    assert freezes(refreshed, keys=(0, 37)) == [(30, 45)]
    assert freezes(refreshed) == [], "without a key frame it is a change: two halves of 0.3 s"
    assert freezes(list(noisy(HELD, 0.3))) == [(30, 45)]


def test_a_short_hold_is_none() -> None:
    """Animations and conversions of the rate show pictures twice or three times."""
    assert freezes([talking(frame // 5) for frame in range(100)]) == []
    assert freezes(HELD, rate=60) == [], "15 frames are a quarter of a second"


def test_one_who_keeps_still_but_for_the_lips_is_not_frozen() -> None:
    assert freezes(list(map(talking, range(60)))) == []


@pytest.mark.parametrize("side", [24, 48])
def test_one_whose_face_is_small_is_not_frozen(side: int) -> None:
    """In a picture of 4K the thumbnail shows nothing of the lips."""
    box = np.float32([1000, 700, 1000 + side, 700 + side * 1.2])
    images = [cv2.resize(WALL, (3840, 2160)) for _ in range(30)]
    for frame, image in enumerate(images):
        lips = round((box[0] + box[2]) / 2), round(box[3] - side * 0.2)
        cv2.ellipse(
            image, lips, (side // 6, max(1, round(side * (0.08 + 0.06 * np.sin(frame))))), 0, 0, 360, (90, 20, 30), -1
        )
    small = [thumbnail(image) for image in images]
    assert max(np.abs(one.astype(int) - small[0]).max() for one in small) < 25
    assert freezes(images, box) == []


def test_a_portrait_on_the_wall_freezes_nobody() -> None:
    """The largest face is a picture; someone smaller talks."""
    portrait, speaker = BOX, np.float32([330, 120, 380, 180])
    images = []
    for frame in range(60):
        image = talking(0, portrait)
        part = talking(frame, speaker)
        image[100:200, 310:400] = part[100:200, 310:400]
        images.append(image)
    assert freezes(images, portrait) == []


def test_another_format_ends_a_freeze() -> None:
    images = [*HELD[30:45], *[cv2.resize(image, (240, 136)) for image in HELD[30:45]]]
    assert freezes(images, None) == [(0, 15), (15, 30)]
