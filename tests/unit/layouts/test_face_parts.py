"""Parts of a picture, the background behind the person and the torso without its head."""

import numpy as np

from talkmill.landmarks.points import CONTOUR
from talkmill.layouts.face_parts import (
    BACKGROUND,
    COLOURS,
    HEAD,
    MOUTH,
    NECK,
    TORSO,
    above_jaw,
    face_picture,
    is_part,
    parsing,
    person_mask,
    silhouette,
)
from talkmill.layouts.still_background import StillBackground
from talkmill.layouts.torso import torso_picture

SIZE = 128


def face() -> np.ndarray:
    """A face of 40x60 pixels around (64, 45), its chin at y = 75; its lips 10 pixels apart."""
    points = np.full((68, 2), (64.0, 45.0))
    angles = np.linspace(np.pi, 0, 17)
    points[CONTOUR] = np.stack([64 + 20 * np.cos(angles), 45 + 30 * np.sin(angles)], axis=1)
    points[17:27] = np.stack([np.linspace(48, 80, 10), np.full(10, 25)], axis=1)
    points[60:68] = [(56, 60), (60, 55), (64, 55), (68, 55), (72, 60), (68, 65), (64, 65), (60, 65)]
    return points


def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Alpha of a head on a neck on shoulders, and the silhouette of a head with its neck."""
    alpha, covered = np.zeros((SIZE, SIZE), np.uint8), np.zeros((SIZE, SIZE), bool)
    alpha[10:75, 40:88] = alpha[70:100, 54:74] = alpha[95:, 20:108] = 255
    covered[15:75, 44:84] = covered[70:105, 54:74] = True
    return alpha, covered


def test_each_pixel_is_one_part() -> None:
    alpha, covered = drawn()
    parts = parsing(person_mask(alpha, face()), covered, face())
    assert is_part(parts, *COLOURS).all()
    for (x, y), colour in {
        (2, 2): BACKGROUND, (64, 12): HEAD, (64, 70): HEAD, (41, 40): HEAD, (64, 60): MOUTH, (64, 90): NECK,
        (64, 120): TORSO, (25, 110): TORSO, (30, 90): BACKGROUND,
    }.items():  # fmt: skip
        assert tuple(parts[y, x]) == colour, (x, y)


def test_a_hole_of_the_matte_in_the_face_is_the_person() -> None:
    alpha, _ = drawn()
    alpha[40:50, 60:70] = 0
    assert person_mask(alpha, face())[45, 65] and not person_mask(alpha, face())[5, 5]


def test_specks_of_the_matte_are_no_part() -> None:
    large = drawn()[0].repeat(4, axis=0).repeat(4, axis=1)
    whole = person_mask(large, 4 * face())
    assert (whole == (large > 0)).all()
    large[460:464, 200:205] = 0
    large[400, 430] = 0
    large[100:104, 20:25] = large[0, 0] = 255
    assert (person_mask(large, 4 * face()) == whole).all()
    # A gap between an arm and the body, and a hand that the edge of the picture cuts off, stay.
    large[470:480, 200:205], large[200:210, 500:] = 0, 255
    changed = person_mask(large, 4 * face()) != whole
    assert changed[470:480, 200:205].all() and changed[200:210, 500:].all() and changed.sum() == 50 + 120


def test_the_jaw_turns_with_the_head() -> None:
    turned = (face() - 64) @ np.array([[0, 1], [-1, 0]]) + 64
    upright = above_jaw(face(), SIZE)
    # A pixel of the edge may fall to either side.
    assert np.mean(above_jaw(turned, SIZE) != np.rot90(upright, -1)) < 0.02
    assert upright[70, 64] and not upright[80, 64]


def test_the_silhouette_is_seen_by_the_camera_of_the_fit() -> None:
    # A square of 2 units, 5 away, towards the camera.
    corners = np.array([[-1.0, -1, -5], [1, -1, -5], [1, 1, -5], [-1, 1, -5]])
    covered = silhouette(corners, np.int32([[0, 1, 2], [0, 2, 3]]), 100.0, SIZE)
    rows, columns = np.nonzero(covered)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (44, 83, 44, 83)
    assert covered[44:84, 44:84].all()


def test_the_face_alone_has_soft_edges_and_no_hair() -> None:
    outline = np.array([[44.0, 45], [64, 20], [84, 45]])
    picture = face_picture(outline, face(), SIZE)
    assert tuple(picture[45, 64]) == HEAD and tuple(picture[5, 64]) == BACKGROUND
    # SyncTalk takes 255 - green for the weight of the face.
    assert set(np.unique(picture[..., 1])) > {0, 255}


def test_the_background_is_taken_where_the_person_is_farthest() -> None:
    still = StillBackground(SIZE)
    for number, columns in enumerate((np.s_[10:60], np.s_[50:110])):
        alpha = np.zeros((SIZE, SIZE), np.uint8)
        alpha[:, columns] = 255
        frame = np.full((SIZE, SIZE, 3), 100 + number, np.uint8)
        frame[:, columns] = 0
        still.add(frame, alpha)
    picture = still.picture()
    assert picture is not None
    assert (picture[:, 20] == 101).all() and (picture[:, 100] == 100).all()
    # Columns 50 to 59 were never seen: they take the nearest.
    assert (picture > 0).all()


def test_no_background_is_known_where_the_person_fills_the_picture() -> None:
    still = StillBackground(SIZE)
    still.add(np.zeros((SIZE, SIZE, 3), np.uint8), np.full((SIZE, SIZE), 255, np.uint8))
    assert still.picture() is None


def test_the_torso_goes_on_below_the_head() -> None:
    alpha, covered = drawn()
    parts = parsing(person_mask(alpha, face()), covered, face())
    frame = np.full((SIZE, SIZE, 3), 50, np.uint8)
    frame[is_part(parts, NECK)], frame[is_part(parts, HEAD)] = 150, 250
    background = np.full((SIZE, SIZE, 3), 9, np.uint8)
    torso = torso_picture(frame, background, parts)
    assert set(np.unique(torso[..., 3])) == {0, 255}
    shown = torso[..., 3] > 0
    assert shown[is_part(parts, NECK, TORSO)].all() and not torso[~shown].any()
    # The neck goes on upward for 53 of 512 rows, in its own colour; the rest of the head is gone.
    assert shown[66:75, 64].all() and not shown[:62, 64].any() and not shown[:40].any()
    assert (np.abs(torso[68:90, 64, :3].astype(int) - 150) < 60).all()
    assert not (torso[..., :3] == 250).any()
    assert (torso[120, 64, :3] == 50).all()
