"""Scenes are projected with cv2.projectPoints, not with the code under test."""

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from talkmill.fitting import clip as clip_module
from talkmill.fitting.alignment import align, at_size, five_points, warping_matrix
from talkmill.fitting.clip import ObservedClip, fit_clip
from talkmill.fitting.coefficients import COARSE_SLICES, CoarseCoefficients, padded
from talkmill.fitting.frames import fit_frames
from talkmill.fitting.priors import FitPriors
from talkmill.fitting.projection import LandmarkBasis, LinearShape, Pose, project_with_jacobian
from talkmill.fitting.weights import cauchy_cost, cauchy_weights

CENTRE, FOCAL = 255.5, 1100.0


@pytest.fixture(scope="module")
def basis() -> LandmarkBasis:
    """A made-up head: 68 points on a half ellipsoid, smooth random modes."""
    random = np.random.default_rng(5)
    angle = np.linspace(0, 12 * np.pi, 68)
    radius = np.linspace(0.1, 1, 68)
    mean = np.stack([0.7 * radius * np.cos(angle), radius * np.sin(angle), 0.6 * np.sqrt(1 - 0.9 * radius**2)], 1)
    mean[36], mean[45] = [-0.42, 0.3, 0.3], [0.42, 0.3, 0.3]
    return LandmarkBasis(LinearShape(mean, random.normal(0, 0.02, (68, 3, 6)), random.normal(0, 0.05, (68, 3, 5))))


def motion(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    time = np.arange(count) / 25
    turns = np.stack([0.15 * np.sin(3 * time), 0.3 * np.sin(2 * time), 0.1 * np.sin(time)], axis=1)
    rotation = Rotation.from_euler("xyz", turns).as_matrix()
    translation = np.stack([0.1 * np.sin(time), 0.1 * np.cos(time), -7 + 0.2 * np.sin(time)], axis=1)
    expression = 0.4 * np.sin(time[:, None] * np.arange(2, 7) + np.arange(5))
    return rotation, translation, expression


def scene(basis: LandmarkBasis, count: int, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Landmarks (N, 68, 2) with the true rotations and translations."""
    rotation, translation, expression = motion(count)
    identity = np.linspace(-1, 1, basis.identity_count)
    matrix = np.array([[FOCAL, 0, CENTRE], [0, FOCAL, CENTRE], [0, 0, 1]])
    flip = np.diag([1.0, -1.0, -1.0])
    frames = []
    for index in range(count):
        shape = basis.mean + basis.fixed.identity @ identity + basis.fixed.expression @ expression[index]
        turn, _ = cv2.Rodrigues(flip @ rotation[index])
        points, _ = cv2.projectPoints(shape, turn, flip @ translation[index], matrix, None)
        frames.append(points[:, 0])
    landmarks = np.array(frames) + np.random.default_rng(1).normal(0, noise, (count, 68, 2))
    return landmarks, rotation, translation


def degrees_between(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.degrees(Rotation.from_matrix(first @ np.swapaxes(second, 1, 2)).magnitude()).mean())


def fit(basis: LandmarkBasis, landmarks: np.ndarray, **options: object) -> clip_module.ClipFit:
    weights = np.ones(landmarks.shape[:2])
    return fit_clip(ObservedClip.of(basis, landmarks, options.pop("weights", weights), 25.0, CENTRE, FitPriors()))


def test_projection_and_jacobian_agree_with_finite_differences(basis: LandmarkBasis) -> None:
    rotation, translation, expression = motion(3)
    pose, identity = Pose(rotation, translation), np.full(basis.identity_count, 0.3)

    def points(turn: np.ndarray, shift: np.ndarray, who: np.ndarray, log_focal: float) -> np.ndarray:
        shapes = basis.fixed.points(who, expression)
        return project_with_jacobian(shapes, pose.moved(turn, shift), float(np.exp(log_focal)), CENTRE).points

    zero, step = np.zeros((3, 3)), 1e-6
    placed = basis.place(identity, expression, pose)
    found = project_with_jacobian(placed.points, pose, FOCAL, CENTRE)
    for axis in range(3):
        small = zero.copy()
        small[:, axis] = step
        by_turn = (points(small, zero, identity, np.log(FOCAL)) - found.points) / step
        by_shift = (points(zero, small, identity, np.log(FOCAL)) - found.points) / step
        assert np.allclose(by_turn, found.by_pose[..., axis], atol=2e-2)
        assert np.allclose(by_shift, found.by_pose[..., 3 + axis], atol=2e-2)
    who = identity.copy()
    who[2] += step
    by_identity = placed.jacobian(found.by_vertex, "identity")[..., 2]
    assert np.allclose((points(zero, zero, who, np.log(FOCAL)) - found.points) / step, by_identity, atol=2e-2)
    by_focal = (points(zero, zero, identity, np.log(FOCAL) + step) - found.points) / step
    assert np.allclose(by_focal, found.by_log_focal, atol=2e-2)


def test_a_clip_without_noise_is_recovered(basis: LandmarkBasis) -> None:
    landmarks, rotation, translation = scene(basis, 60)
    found = fit(basis, landmarks)
    assert degrees_between(found.state.pose.rotation, rotation) < 1.0
    assert (
        np.abs(found.state.pose.translation[:, 2] / found.state.focal - translation[:, 2] / FOCAL).max()
        < 0.02 * 7 / FOCAL
    )
    assert np.sqrt(((found.points - landmarks) ** 2).sum(-1).mean()) < 1.0
    low, high = found.focal_interval()
    assert low < FOCAL < high


def test_noise_is_taken_out_of_the_pose(basis: LandmarkBasis) -> None:
    landmarks, rotation, _ = scene(basis, 80, noise=1.0)
    assert degrees_between(fit(basis, landmarks).state.pose.rotation, rotation) < 1.2


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_any_length_can_be_fitted(basis: LandmarkBasis, count: int) -> None:
    landmarks, rotation, _ = scene(basis, count)
    found = fit(basis, landmarks)
    assert degrees_between(found.state.pose.rotation, rotation) < 0.1
    assert np.sqrt(((found.points - landmarks) ** 2).sum(-1).mean()) < 0.2


def test_frames_that_were_not_measured_follow_their_neighbours(basis: LandmarkBasis) -> None:
    landmarks, rotation, _ = scene(basis, 40)
    weights = np.ones((40, 68))
    weights[18:22] = 0
    landmarks[18:22] = 0.5
    found = fit(basis, landmarks, weights=weights)
    assert degrees_between(found.state.pose.rotation[18:22], rotation[18:22]) < 3.0


def test_one_wild_point_does_not_pull(basis: LandmarkBasis) -> None:
    landmarks, rotation, _ = scene(basis, 40)
    landmarks[:, 40] += 150
    assert degrees_between(fit(basis, landmarks).state.pose.rotation, rotation) < 1.5


def test_windows_give_the_same_answer(basis: LandmarkBasis, monkeypatch: pytest.MonkeyPatch) -> None:
    landmarks, *_ = scene(basis, 150, noise=0.5)
    whole = fit(basis, landmarks)
    monkeypatch.setattr(clip_module, "WINDOW", 100)
    monkeypatch.setattr(clip_module, "MARGIN", 20)
    parts = fit(basis, landmarks)
    assert degrees_between(parts.state.pose.rotation, whole.state.pose.rotation) < 0.15
    assert parts.state.focal == pytest.approx(whole.state.focal, rel=0.03)


def test_what_is_not_finite_is_left_out(basis: LandmarkBasis) -> None:
    landmarks, rotation, _ = scene(basis, 40)
    landmarks[2, 3] = np.nan
    landmarks[20] = np.inf
    found = fit(basis, landmarks)
    assert np.isfinite(found.points).all() and np.isfinite(found.state.expression).all()
    assert found.measured.tolist() == [index != 20 for index in range(40)]
    assert degrees_between(found.state.pose.rotation, rotation) < 1.2


def test_a_clip_without_landmarks_is_refused(basis: LandmarkBasis) -> None:
    with pytest.raises(ValueError, match="no frame of 5 has 12 finite landmarks"):
        fit(basis, scene(basis, 5)[0], weights=np.zeros((5, 68)))
    with pytest.raises(ValueError, match="no frame of 5"):
        fit(basis, np.full((5, 68, 2), np.nan))
    with pytest.raises(ValueError, match="eyes apart"):
        fit(basis, np.full((5, 68, 2), 200.0))


def test_a_face_that_leaves_for_two_seconds_is_interpolated(basis: LandmarkBasis) -> None:
    landmarks, rotation, _ = scene(basis, 130, noise=0.5)
    weights = np.ones((130, 68))
    weights[40:90] = 0
    found = fit(basis, landmarks, weights=weights)
    seen = weights[:, 0] > 0
    assert (found.measured == seen).all()
    assert degrees_between(found.state.pose.rotation[seen], rotation[seen]) < 1.2
    assert np.isfinite(found.points).all()
    assert (np.abs(np.diff(found.state.pose.translation[39:91], 2, axis=0)) < 1e-9).all()


@pytest.mark.parametrize("whole_frames", [False, True])
def test_a_third_of_wrong_landmarks_does_not_pull(basis: LandmarkBasis, whole_frames: bool) -> None:
    landmarks, rotation, _ = scene(basis, 60, noise=0.5)
    random = np.random.default_rng(3)
    wrong = random.uniform(size=(60, 1 if whole_frames else 68)) < 0.3
    wrong = np.broadcast_to(wrong, (60, 68))
    landmarks[wrong] += random.uniform(-150, 150, (int(wrong.sum()), 2))
    found = fit(basis, landmarks)
    assert np.isfinite(found.points).all()
    assert degrees_between(found.state.pose.rotation, rotation) < 2.5


@pytest.mark.parametrize("count", [49, 50, 51])
def test_lengths_at_which_the_reference_fails(basis: LandmarkBasis, count: int) -> None:
    landmarks, rotation, _ = scene(basis, count)
    assert degrees_between(fit(basis, landmarks).state.pose.rotation, rotation) < 1.2


def test_a_nod_of_three_hertz_is_kept_without_lag(basis: LandmarkBasis) -> None:
    landmarks, rotation, translation = scene(basis, 200)
    time = np.arange(200) / 25
    nod = Rotation.from_rotvec(0.06 * np.sin(2 * np.pi * 3 * time)[:, None] * [1.0, 0, 0]).as_matrix()
    matrix = np.array([[FOCAL, 0, CENTRE], [0, FOCAL, CENTRE], [0, 0, 1]])
    flip = np.diag([1.0, -1.0, -1.0])
    frames = []
    for index in range(200):
        turn, _ = cv2.Rodrigues(flip @ rotation[index] @ nod[index])
        points, _ = cv2.projectPoints(basis.mean, turn, flip @ translation[index], matrix, None)
        frames.append(points[:, 0])
    found = fit(basis, np.array(frames) + np.random.default_rng(1).normal(0, 0.5, landmarks.shape)).state.pose.rotation
    angle = Rotation.from_matrix(np.swapaxes(rotation, 1, 2) @ found).as_rotvec()[:, 0]
    wave = (angle * np.exp(-2j * np.pi * 3 * time)).mean() * 2 / 0.06
    assert abs(wave) > 0.93
    # sin has the phase -90 degrees; a frame of lag is 43.
    assert abs(np.degrees(np.angle(wave)) + 90) < 5


def test_the_same_landmarks_give_the_same_fit(basis: LandmarkBasis) -> None:
    landmarks, *_ = scene(basis, 30, noise=1.0)
    first, second = fit(basis, landmarks), fit(basis, landmarks)
    assert np.array_equal(first.state.pose.rotation, second.state.pose.rotation)
    assert first.state.focal == second.state.focal


def test_frames_on_their_own_find_the_pose(basis: LandmarkBasis) -> None:
    landmarks, rotation, _ = scene(basis, 20)
    found = fit_frames(basis, landmarks, np.ones((20, 68)), FOCAL, CENTRE, FitPriors())
    assert degrees_between(found.pose.rotation, rotation) < 1.5


def test_cauchy_is_quadratic_near_and_forgets_far() -> None:
    residuals = np.array([[0.0, 0.01], [3.0, 4.0], [0.0, 1000.0]])
    assert cauchy_cost(residuals, 2.0)[0] == pytest.approx(0.5 * 0.01**2, rel=1e-4)
    assert cauchy_weights(residuals, 2.0) == pytest.approx([1.0, 4 / 29, 4 / 1000004], rel=1e-4)
    # The weight is the slope of the loss over the residual.
    step = 1e-6
    slope = (cauchy_cost(residuals + [0, step], 2.0) - cauchy_cost(residuals, 2.0)) / step
    assert slope == pytest.approx(cauchy_weights(residuals, 2.0) * residuals[:, 1], rel=1e-3)


def test_the_alignment_takes_a_unit_to_102_pixels(basis: LandmarkBasis) -> None:
    # A frontal face under weak perspective: 50 pixels a unit around (200, 180) of a 400 pixel image.
    points = basis.mean[:, :2] * [50, -50] + [200, 180]
    alignment = align(points, five_points(basis.mean), 400)
    width, height, scale, t0, t1 = alignment.parameters
    assert (width, height) == (400, 400)
    assert scale == pytest.approx(102 / 50)
    assert (t0, t1) == pytest.approx((200, 399 - 180))


# What OTAvatar_processing 2919dbc gives for five points of an image and of a head: `VideoPathDataset.image_transform`,
# unmodified, with these five points as its `lm3d_std`; the other 63 landmarks do not count.
HEAD = [[-0.31, 0.29, 0.13], [0.31, 0.29, 0.13], [0, -0.05, 0.55], [-0.25, -0.38, 0.22], [0.25, -0.38, 0.22]]
CORNERS = (36, 39, 42, 45, 30, 48, 54)
REFERENCE_WARPS = [
    (
        512,
        [(190, 215), (232, 212), (280, 210), (322, 208), (262, 262), (218, 318), (300, 314)],
        (512, 512, 0.656794, 255.277512, 253.324158),
        (1.52254999, 84.54015350, 82.58679962),
    ),
    (
        512,
        [(131, 180), (160, 186), (195, 194), (222, 203), (160, 222), (138, 252), (190, 266)],
        (512, 512, 0.952654, 176.068573, 289.181427),
        (1.04970002, 58.10401154, 171.21684265),
    ),
    (
        256,
        [(88, 104.5), (109.25, 104), (139, 106), (160.5, 108), (121, 133), (97.75, 158), (144, 160)],
        (256, 256, 1.226697, 123.433716, 126.402908),
        (0.81519997, 32.11759949, 35.08679962),
    ),
]


@pytest.mark.parametrize(("size", "corners", "parameters", "warp"), REFERENCE_WARPS)
def test_the_warp_is_that_of_the_reference(
    size: int, corners: list[tuple[float, float]], parameters: tuple[float, ...], warp: tuple[float, ...]
) -> None:
    points = np.zeros((68, 2))
    points[list(CORNERS)] = corners
    alignment = align(points, np.array(HEAD), size)
    assert alignment.parameters == pytest.approx(parameters, abs=1e-4)
    scale, x, y = warp
    expected = [[scale, 0, 0, x], [0, scale, 0, y], [0, 0, 1, 0], [0, 0, 0, 1]]
    assert np.allclose(warping_matrix(alignment), expected, atol=1e-3)


@pytest.mark.parametrize("size", [64, 200, 256])
def test_parameters_at_another_size_are_those_of_the_resized_image(size: int) -> None:
    points = np.zeros((68, 2))
    points[list(CORNERS)] = REFERENCE_WARPS[-1][1]
    found = at_size(np.float32([align(points, np.array(HEAD), 256).parameters]), size)
    resized = (points + 0.5) * size / 256 - 0.5
    assert found[0] == pytest.approx(align(resized, np.array(HEAD), size).parameters, rel=1e-5)


def test_five_points_are_eyes_nose_and_mouth() -> None:
    points = np.repeat(np.arange(68.0)[:, None], 2, 1)
    assert five_points(points)[:, 0].tolist() == [37.5, 43.5, 30, 48, 54]


def test_the_257_layout() -> None:
    rows = CoarseCoefficients.assemble(
        np.full((2, 40), 1.0), np.full((2, 43), 2.0), np.full((2, 3), 3.0), np.full((2, 3), 4.0)
    )
    values = rows.values
    assert values.shape == (2, 257)
    assert (values[:, :40] == 1).all() and (values[:, 40:80] == 0).all()
    assert (values[:, 80:123] == 2).all() and (values[:, 123:144] == 0).all()
    assert (values[:, 224:227] == 3).all() and (values[:, 254:257] == 4).all()
    assert sum(part.stop - part.start for part in COARSE_SLICES.values()) == 257
    with pytest.raises(ValueError, match="identity has 90"):
        CoarseCoefficients.assemble(np.zeros((1, 90)), np.zeros((1, 1)), np.zeros((1, 3)), np.zeros((1, 3)))
    with pytest.raises(ValueError, match="do not fit"):
        padded(np.zeros(5), 4)
