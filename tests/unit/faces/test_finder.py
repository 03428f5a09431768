import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkmill.faces.detection import Detections, merged
from talkmill.faces.finder import SEARCH_EVERY, FaceFinder


class SquareDetector:
    """Takes white squares for faces if, at 640 pixels, they have 36."""

    SIDE = 640
    SMALLEST_FACE = 36

    def __init__(self) -> None:
        self.looks = 0

    def detect(self, frame: np.ndarray) -> Detections:
        self.looks += 1
        scale = self.SIDE / max(frame.shape[:2])
        outlines, _ = cv2.findContours(np.ascontiguousarray(frame[..., 0]), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        x, y, width, height = np.array([cv2.boundingRect(outline) for outline in outlines], int).reshape(-1, 4).T
        boxes = np.stack([x, y, x + width, y + height], axis=1).astype(np.float32)
        seen = np.sqrt(width * height) * scale >= self.SMALLEST_FACE
        return Detections(boxes[seen], np.full(int(seen.sum()), 0.99, np.float32))


def frame(width: int, height: int, *faces: tuple[int, int, int]) -> np.ndarray:
    grey = np.zeros((height, width), np.uint8)
    for x, y, side in faces:
        grey[y : y + side, x : x + side] = 255
    # Three channels that share their memory: frames of 4K cost little.
    return np.broadcast_to(grey[..., None], (height, width, 3))


SIZES = [(1280, 720), (1920, 1080), (3840, 2160), (2160, 3840)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("side", [64, 100, 200])
@pytest.mark.parametrize("place", [(0.0, 0.0), (0.3, 0.4), (0.52, 0.48), (0.9, 0.9)])
def test_a_face_of_the_wanted_size_is_found_wherever_it_is(
    size: tuple[int, int], side: int, place: tuple[float, float]
) -> None:
    x, y = (int(share * (length - side)) for share, length in zip(place, size, strict=True))
    found = FaceFinder(SquareDetector(), 64).find(frame(*size, (x, y, side)))
    assert found.boxes.tolist() == [[x, y, x + side, y + side]]


@given(st.data())
def test_a_face_on_the_border_between_two_squares_is_found_whole(data: st.DataObject) -> None:
    width, height = data.draw(st.sampled_from(SIZES))
    side = data.draw(st.integers(64, 216))
    x, y = data.draw(st.integers(0, width - side)), data.draw(st.integers(0, height - side))
    found = FaceFinder(SquareDetector(), 64).find(frame(width, height, (x, y, side)))
    assert found.boxes.tolist() == [[x, y, x + side, y + side]]


def test_one_look_is_enough_for_a_large_face_and_for_a_small_frame() -> None:
    detector = SquareDetector()
    finder = FaceFinder(detector, 64)
    for _ in range(5):
        finder.find(frame(3840, 2160, (100, 100, 300)))
    assert detector.looks == 5
    for _ in range(5):
        FaceFinder(detector, 64).find(frame(1024, 576))
    assert detector.looks == 10


def test_a_small_face_is_followed_with_one_more_look() -> None:
    detector = SquareDetector()
    finder = FaceFinder(detector, 64)
    finder.find(frame(3840, 2160, (1000, 900, 80)))
    searched = detector.looks
    for step in range(1, 6):
        found = finder.find(frame(3840, 2160, (1000 + 20 * step, 900, 80)))
        assert found.boxes[:, 0].tolist() == [1000 + 20 * step]
    assert detector.looks == searched + 10


def test_several_small_faces_are_followed_with_a_look_each_unless_one_look_holds_them() -> None:
    detector = SquareDetector()
    finder = FaceFinder(detector, 64)
    near = [(1000, 900, 80), (1150, 900, 70)]
    apart = [*near, (3000, 900, 90)]
    finder.find(frame(3840, 2160, *apart))
    for faces, looks in ((apart, 3), (near, 3), (near, 2)):
        before = detector.looks
        assert len(finder.find(frame(3840, 2160, *faces)).boxes) == len(faces)
        assert detector.looks - before == looks


def test_a_face_that_jumps_is_found_again_in_the_next_frame() -> None:
    finder = FaceFinder(SquareDetector(), 64)
    finder.find(frame(3840, 2160, (100, 100, 80)))
    assert len(finder.find(frame(3840, 2160, (3500, 2000, 80))).boxes) == 0
    assert len(finder.find(frame(3840, 2160, (3500, 2000, 80))).boxes) == 1


def test_frames_without_a_face_are_searched_now_and_then() -> None:
    detector = SquareDetector()
    finder = FaceFinder(detector, 64)
    looks = []
    for _ in range(2 * SEARCH_EVERY):
        before = detector.looks
        finder.find(frame(1920, 1080))
        looks.append(detector.looks - before)
    assert looks == [3, 1, 1, 1, 1] * 2


def test_no_square_is_smaller_than_what_the_detector_looks_at() -> None:
    detector = SquareDetector()
    FaceFinder(detector, 1).find(frame(1280, 640))
    assert detector.looks == 1 + 3


def test_what_two_looks_find_counts_once() -> None:
    one = Detections(np.array([[0, 0, 10, 10]], np.float32), np.array([0.8], np.float32))
    two = Detections(np.array([[1, 0, 11, 10], [50, 50, 60, 60]], np.float32), np.array([0.9, 0.5], np.float32))
    both = merged([one, two])
    assert both.boxes[:, 0].tolist() == [1, 50]
    assert both.scores == pytest.approx([0.9, 0.5])
