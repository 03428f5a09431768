"""How the face mesh and face-api-68 are fused: a mesh of a made-up head, and points beside it."""

from dataclasses import replace
from math import degrees

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from talkmill.landmarks.detection import Landmarks
from talkmill.landmarks.eyes import eye_opening, gaze
from talkmill.landmarks.fused import fuse
from talkmill.landmarks.mesh import SURFACE_COUNT, VERTEX_COUNT, MeshVotes, yaw
from talkmill.landmarks.mesh_points import distance_out, point_table, points_of, to_silhouette
from talkmill.landmarks.points import BROWS, CONTOUR, LEFT_EYE, MOUTH, NOSE, RIGHT_EYE

UPPER_LIDS, LOWER_LIDS = (37, 38, 43, 44), (41, 40, 47, 46)


def head(turn_degrees: float = 0.0) -> np.ndarray:
    """Vertices on the front of a sphere of radius 100, the named ones where a face has them; z away from the camera.

    It turns to the image's left.
    """
    random = np.random.default_rng(0)
    plane = random.uniform(-70, 70, (VERTEX_COUNT, 2))
    places = {
        33: (-45, -30), 133: (-15, -30), 362: (15, -30), 263: (45, -30), 468: (-30, -30), 473: (30, -30),
        159: (-30, -34), 160: (-35, -34), 158: (-25, -34), 386: (30, -34), 385: (25, -34), 387: (35, -34),
        145: (-30, -26), 144: (-35, -26), 153: (-25, -26), 374: (30, -26), 380: (25, -26), 373: (35, -26),
        10: (0, -90), 152: (0, 90), 234: (-95, 0), 454: (95, 0),
    }  # fmt: skip
    for vertex, place in places.items():
        plane[vertex] = place
    depth = -np.sqrt(100**2 - (plane**2).sum(1))
    points = np.column_stack([plane, depth])
    return Rotation.from_euler("y", turn_degrees, degrees=True).apply(points) + [300, 300, 0]


def votes(vertices: np.ndarray, spread: float = 0.0) -> MeshVotes:
    return MeshVotes(np.stack([vertices - [spread, 0, 0], vertices + [spread, 0, 0]]), 15.0)


def face_api(points: np.ndarray, confidence: float = 0.9) -> Landmarks:
    return Landmarks(points.astype(np.float32), np.full(68, confidence, np.float32))


def test_every_point_is_a_weighted_mean_of_vertices_of_the_surface() -> None:
    table = point_table()
    assert table.sum(1) == pytest.approx(np.ones(68))
    assert not table[:, SURFACE_COUNT:].any()


def test_a_turn_of_the_head_is_its_yaw() -> None:
    for turn in (-40.0, 0.0, 25.0):
        assert degrees(yaw(head(turn))) == pytest.approx(1.03 * turn, abs=0.1)


def test_the_distance_to_a_square_is_known() -> None:
    square = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [0.0, 10.0]])
    start = np.array([[2.0, 5.0], [2.0, 5.0], [2.0, 5.0], [-3.0, 5.0]])
    slope = np.sqrt(0.5)
    directions = np.array([[-1.0, 0.0], [1.0, 0.0], [slope, slope], [-1.0, 0.0]])
    assert distance_out(start, directions, square) == pytest.approx([2, 8, 5 / slope, 0])
    assert distance_out(start, directions, square[::-1]) == pytest.approx([2, 8, 5 / slope, 0])


def test_the_contour_goes_out_to_the_silhouette_and_the_rest_stays() -> None:
    vertices = head()
    points = points_of(vertices)
    moved = to_silhouette(points, vertices)
    assert (moved[:8, 0] <= points[:8, 0]).all()
    assert (moved[9:17, 0] >= points[9:17, 0]).all()
    assert moved[[8, *range(17, 68)]] == pytest.approx(points[[8, *range(17, 68)]])
    # At the height of the eye corner the point goes straight to the side, to the outline there.
    assert moved[0, 1] == pytest.approx(points[0, 1])
    # The same with the picture turned by a quarter.
    quarter = np.array([[0.0, 1.0], [-1.0, 0.0]])
    around = vertices.copy()
    around[:, :2] = vertices[:, :2] @ quarter
    assert to_silhouette(points @ quarter, around) == pytest.approx(moved @ quarter, abs=1e-3)


def test_a_blink_that_only_the_mesh_sees_stays_and_is_trusted() -> None:
    vertices = head()
    seen = to_silhouette(points_of(vertices), vertices)
    wide_open = seen.copy()
    wide_open[list(UPPER_LIDS), 1] -= 6
    wide_open[list(LOWER_LIDS), 1] += 6
    found = fuse(votes(vertices), face_api(wide_open))
    assert found.points[36:48] == pytest.approx(seen[36:48], abs=1e-3)
    assert found.confidence[36:48].min() > 0.99


def test_brows_nose_and_contour_are_the_mean_and_the_mouth_is_the_mesh() -> None:
    vertices = head()
    seen = to_silhouette(points_of(vertices), vertices)
    found = fuse(votes(vertices), face_api(seen + 8))
    for part in (BROWS, NOSE, CONTOUR):
        assert found.points[part] == pytest.approx(seen[part] + 4, abs=1e-3)
    for part in (RIGHT_EYE, LEFT_EYE, MOUTH):
        assert found.points[part] == pytest.approx(seen[part], abs=1e-3)


def test_a_turned_head_gives_face_api_more_and_moves_whole_eyes() -> None:
    vertices = head(50)
    seen = to_silhouette(points_of(vertices), vertices)
    found = fuse(votes(vertices), face_api(seen + 8))
    assert found.points[BROWS] == pytest.approx(seen[BROWS] + 6.4, abs=1e-3)
    assert found.points[LEFT_EYE] == pytest.approx(seen[LEFT_EYE] + 4, abs=1e-3)
    assert found.points[MOUTH] == pytest.approx(seen[MOUTH], abs=1e-3)


def test_face_api_counts_for_nothing_where_it_does_not_agree_with_itself() -> None:
    vertices = head()
    seen = to_silhouette(points_of(vertices), vertices)
    found = fuse(votes(vertices), face_api(seen + 8, confidence=0.2))
    assert found.points == pytest.approx(seen, abs=1e-3)


def test_confidence_falls_where_the_nets_or_the_votes_differ() -> None:
    vertices = head()
    seen = to_silhouette(points_of(vertices), vertices)
    sure = fuse(votes(vertices), face_api(seen)).confidence
    assert sure == pytest.approx(np.ones(68), abs=1e-4)
    assert (fuse(votes(vertices), face_api(seen + 8)).confidence < 0.8).all()
    assert (fuse(votes(vertices, spread=4), face_api(seen)).confidence < 0.7).all()


def test_confidence_falls_where_the_mesh_doubts_that_there_is_a_face() -> None:
    vertices = head()
    seen = to_silhouette(points_of(vertices), vertices)
    for presence, probability in ((10.0, 1.0), (0.0, 0.5), (-3.0, 0.047), (-18.0, 1.5e-8)):
        found = fuse(replace(votes(vertices), presence=presence), face_api(seen))
        assert found.confidence == pytest.approx(np.full(68, probability), rel=0.02)
        assert (found.confidence > 0).all()


def test_lids_and_irises_are_measured_in_space() -> None:
    for turn in (0.0, 35.0):
        vertices = head(turn)
        # Lids are 8 apart; the corners of the eyes 30, on a sphere a little more.
        assert eye_opening(vertices[None])[0] == pytest.approx([0.26, 0.26], abs=0.02)
        assert np.abs(gaze(vertices[None])[0, :, 0]).max() < 0.05
    vertices = head()
    vertices[[468, 473], :2] += [6, 3]
    moved = gaze(vertices[None])[0] - gaze(head()[None])[0]
    assert moved[:, 0] == pytest.approx([0.19, 0.19], abs=0.02)
    assert moved[:, 1] == pytest.approx([0.1, 0.1], abs=0.02)


def test_the_mesh_is_the_mean_of_the_votes() -> None:
    vertices = head()
    found = fuse(replace(votes(vertices, spread=3), presence=2.0), face_api(points_of(vertices)))
    assert found.mesh is not None
    assert found.mesh.vertices == pytest.approx(vertices, abs=1e-3)
    assert found.mesh.presence == 2.0
