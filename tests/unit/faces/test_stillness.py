"""A photograph stays one however it is moved; a person who speaks or blinks lives."""

import cv2
import numpy as np
import pytest

from talkmill.faces.detection import Detections
from talkmill.faces.stillness import FaceLooks
from talkmill.faces.tracking import FaceTrack

RNG = np.random.default_rng(1)
NOISE = cv2.GaussianBlur(RNG.integers(0, 255, (240, 320, 3)).astype(np.float32), (0, 0), 5)
PICTURE = np.clip((NOISE - 127) * 6 + 127, 0, 255).astype(np.uint8)
RATE = 25.0
BOX = np.array([120.0, 80.0, 200.0, 180.0])


def face(mouth: float) -> np.ndarray:
    image = PICTURE.copy()
    cv2.ellipse(image, (160, 140), (16, max(1, round(9 * mouth))), 0, 0, 360, (40, 10, 10), -1)
    return image


def still(pictures: list[np.ndarray], boxes: np.ndarray = BOX) -> bool:
    """Say whether a face that is seen in all of some pictures is still; boxes are (4,), or (N, 4)."""
    boxes = np.broadcast_to(boxes, (len(pictures), 4)).astype(np.float32)
    looks = FaceLooks(RATE)
    for picture, box in zip(pictures, boxes, strict=True):
        looks.add(picture, Detections(box[None], np.array([0.99], np.float32)))
    return looks.still(FaceTrack(0, boxes, np.ones(len(boxes), np.float32)), np.arange(len(boxes)))


def moved(number: int, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """The same photograph, shown otherwise, and where its face is."""
    growth = 1 + 0.001 * number if kind == "zoom" else 1.0
    shift = 0.2 * number if kind == "pan" else 0.0
    matrix = np.float32([[growth, 0, 160 * (1 - growth) + shift], [0, growth, 120 * (1 - growth)]])
    image = cv2.warpAffine(face(0.5), matrix, (320, 240), borderMode=cv2.BORDER_REFLECT)
    if kind == "noise":
        image = np.clip(image + np.random.default_rng(number).normal(0, 4, image.shape), 0, 255).astype(np.uint8)
    corners = BOX.reshape(2, 2) @ matrix[:, :2].T + matrix[:, 2]
    return image, corners.ravel()


@pytest.mark.parametrize("kind", ["same", "zoom", "pan", "noise"])
def test_a_photograph_is_still_however_it_is_shown(kind: str) -> None:
    pictures, boxes = zip(*(moved(number, kind) for number in range(100)), strict=True)
    assert still(list(pictures), np.stack(boxes))


def test_a_face_that_speaks_lives() -> None:
    assert not still([face(0.5 + 0.5 * float(np.sin(number / 4))) for number in range(100)])


def test_a_face_that_moves_at_the_end_alone_lives() -> None:
    assert not still([face(0.2)] * 88 + [face(1.0)] * 12)


@pytest.mark.parametrize("period", [6, 12, 13, 25])
def test_a_mouth_that_repeats_itself_lives(period: int) -> None:
    assert not still([face(0.5 + 0.5 * float(np.sin(2 * np.pi * number / period))) for number in range(100)])


def test_what_is_seen_for_a_moment_is_taken_to_live() -> None:
    assert not still([face(0.5)] * 20)
    assert still([face(0.5)] * 40)


def test_a_face_at_the_edge_is_looked_at() -> None:
    assert still([face(0.5)] * 100, np.array([-30, -40, 60, 70]))
