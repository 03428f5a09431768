import numpy as np

from talkmill.faces.detection import Detections
from talkmill.faces.tracking import FaceTrack, choose_people, iou, track_faces


def box(x: float, y: float = 100, side: float = 80) -> list[float]:
    return [x, y, x + side, y + side]


def seen(*boxes: list[float], score: float = 0.99) -> Detections:
    return Detections(np.array(boxes, np.float32).reshape(-1, 4), np.full(len(boxes), score, np.float32))


def followed(frames: list[Detections], first_frame: int = 0, max_gap_seconds: float = 2.0) -> list[FaceTrack]:
    """Follow faces in a frame a second."""
    return track_faces(frames, first_frame, np.arange(len(frames), dtype=float), max_gap_seconds)


def test_a_moving_face_is_one_track() -> None:
    tracks = followed([seen(box(5.0 * index)) for index in range(30)], first_frame=10, max_gap_seconds=3.0)
    assert [(track.first_frame, track.end_frame) for track in tracks] == [(10, 40)]


def test_two_faces_stay_apart_when_their_order_changes() -> None:
    frames = [seen(*([box(0), box(300)] if index % 2 else [box(300), box(0)])) for index in range(10)]
    tracks = followed(frames)
    assert sorted(float(track.boxes[:, 0].mean()) for track in tracks) == [0.0, 300.0]


def test_a_short_gap_is_bridged_and_marked() -> None:
    frames = [seen(box(0)), seen(), seen(), seen(box(30))]
    (track,) = followed(frames)
    assert track.boxes[:, 0].tolist() == [0, 10, 20, 30]
    assert (track.scores > 0).tolist() == [True, False, False, True]


def test_a_long_gap_ends_the_track() -> None:
    frames = [seen(box(0)), *[seen()] * 5, seen(box(0))]
    assert len(followed(frames)) == 2


def test_a_gap_is_as_long_as_its_time_says() -> None:
    # A camera that gives 120 frames a second, and 12 after that: five frames without the face last 0.5 s there.
    times = np.concatenate([np.arange(60) / 120, 0.5 + np.arange(30) / 12])
    fast = [seen(box(0))] * 20 + [seen()] * 30 + [seen(box(0))] * 40
    slow = [seen(box(0))] * 70 + [seen()] * 5 + [seen(box(0))] * 15
    assert len(track_faces(fast, 0, times, 0.4)) == 1
    assert len(track_faces(slow, 0, times, 0.4)) == 2


def test_an_unsure_detection_begins_no_track_but_keeps_one() -> None:
    assert followed([seen(box(0), score=0.5)] * 5) == []
    frames = [seen(box(0)), *[seen(box(0), score=0.5)] * 4]
    (track,) = followed(frames)
    assert len(track.boxes) == 5


def test_the_face_that_lasts_and_is_largest_is_followed() -> None:
    frames = [seen(box(0, side=60), box(300, side=120)) for _ in range(10)]
    (person,) = choose_people(followed(frames))
    assert person.boxes[0, 0] == 300


def test_people_who_follow_each_other_are_each_chosen() -> None:
    frames = [seen(box(0))] * 10 + [seen(box(300))] * 10
    assert [track.first_frame for track in choose_people(followed(frames))] == [0, 10]


def test_overlap_of_known_boxes() -> None:
    first = np.array([[0, 0, 2, 2]], np.float32)
    second = np.array([[1, 1, 3, 3], [0, 0, 2, 2], [5, 5, 6, 6]], np.float32)
    assert np.allclose(iou(first, second), [[1 / 7, 1, 0]])


def test_two_faces_that_are_lost_in_the_same_frame_end_two_tracks() -> None:
    frames = [seen(box(0), box(300))] * 3 + [seen()] * 6 + [seen(box(0), box(300))] * 3
    tracks = followed(frames)
    assert [(track.first_frame, track.end_frame) for track in tracks] == [(0, 3), (0, 3), (9, 12), (9, 12)]
