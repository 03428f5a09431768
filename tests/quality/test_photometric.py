"""The photometric term on pictures by ray casting, which shares no code with it."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from scipy.spatial.transform import Rotation

from benchmarks.scenes.measure import clip_of as scene_clip
from benchmarks.scenes.measure import pose_error
from benchmarks.scenes.render import Look, render
from benchmarks.scenes.scene import Scene, make_scene
from talkmill.arrays import Frame, Frames
from talkmill.fitting import clip as clip_module
from talkmill.fitting import photometric as photometric_module
from talkmill.fitting.clip import fit_clip
from talkmill.fitting.facing import facing
from talkmill.fitting.lighting import estimate
from talkmill.fitting.photometric import refine
from talkmill.fitting.photometric_term import PhotometricTerm
from talkmill.fitting.priors import PhotometricPriors
from talkmill.fitting.projection import LandmarkBasis, Pose
from talkmill.fitting.rasteriser import FAR, depth_maps
from talkmill.fitting.sampling import sampled
from talkmill.fitting.state import NormalEquations, State
from talkmill.fitting.texels import Texels, view
from talkmill.models.repository import ModelRepository
from talkmill.morphable.model import MorphableModel

COUNT = 16


@pytest.fixture(scope="module")
def model(models: ModelRepository) -> MorphableModel:
    return MorphableModel.load(models.ensure("makehuman-head", "morphable").path)


@pytest.fixture(scope="module")
def scene(model: MorphableModel) -> Scene:
    """Every fifth frame of a talking head: the head turns enough in few pictures."""
    whole = make_scene(model, COUNT * 5, 1)
    every = slice(None, None, 5)
    return Scene(
        model,
        whole.identity,
        whole.expression[every],
        whole.rotation[every],
        whole.translation[every],
        whole.focal,
        whole.centre,
    )


@pytest.fixture(scope="module")
def pictures(scene: Scene) -> list[Frame]:
    return list(render(scene, Look(size=256, seed=1)))


@pytest.fixture(scope="module")
def texels(model: MorphableModel) -> Texels:
    return Texels.of(model)


def truth(scene: Scene) -> State:
    pose = Pose(scene.rotation, scene.translation)
    return State(pose, scene.expression, scene.identity, float(np.log(scene.focal)))


def clip_of(scene: Scene, basis: LandmarkBasis, seed: int) -> clip_module.ObservedClip:
    """Five frames a second, as the scene was thinned."""
    return replace(scene_clip(scene, basis, seed), rate=5.0)


def term_at(texels: Texels, scene: Scene, images: Frames, threads: int = 1) -> PhotometricTerm:
    state = truth(scene)
    stand = facing(texels, state)
    colours = sampled(images, view(texels.skin, state).offset)
    expected = estimate(colours, stand.visible, stand.normals).predicted(stand.normals)
    return PhotometricTerm(texels, images, expected, stand.visible * np.float32(0.05), 0.01, 2.0, threads)


def test_depth_maps_are_what_rays_hit(model: MorphableModel, scene: Scene) -> None:
    size, focal, centre = 64, scene.focal / 8, 31.5
    camera = (scene.vertices(3) @ scene.rotation[3].T + scene.translation[3]).astype(np.float32)
    (found,) = depth_maps(camera.T[None], model.triangles, focal, centre, size)
    columns, rows = np.meshgrid(np.arange(size), np.arange(size))
    rays = np.stack([(columns - centre) / focal, -(rows - centre) / focal, -np.ones((size, size))], axis=-1)
    embree = EmbreeScene()
    TriangleMesh(embree, camera[model.triangles])
    hit = embree.run(np.zeros((size * size, 3), np.float32), rays.reshape(-1, 3).astype(np.float32), output=1)
    expected = np.where(hit["primID"] >= 0, hit["tfar"], FAR).reshape(size, size)
    seen = (expected < FAR) & (found < FAR)
    # Rays hit the backs of triangles too, through the holes of the eyes and at the neck.
    assert ((expected < FAR) == (found < FAR)).mean() > 0.97
    assert np.median(np.abs(expected - found)[seen]) < 1e-4
    assert (np.abs(expected - found)[seen] < 0.01).mean() > 0.95


def ramps(count: int) -> Frames:
    """Pictures whose colours are linear in the place: bilinear colours and central differences are exact."""
    y, x = np.mgrid[:256, :256]
    return np.repeat(np.stack([x, y, 255 - x], axis=-1).astype(np.uint8)[None], count, axis=0)


@pytest.fixture(scope="module")
def beside(scene: Scene) -> State:
    """A state beside the truth."""
    random = np.random.default_rng(2)
    size = scene.expression.shape[1]
    frames = np.concatenate([random.normal(0, 0.004, (COUNT, 6)), random.normal(0, 0.02, (COUNT, size))], axis=1)
    return truth(scene).moved(frames, np.append(random.normal(0, 0.05, 40), 0.01))


def linearised(term: PhotometricTerm, state: State) -> NormalEquations:
    count, size = state.expression.shape
    equations = NormalEquations.zeros(count, 6 + size, len(state.identity) + 1)
    term.add_to(equations, state)
    return equations


@pytest.mark.parametrize("seed", range(4))
def test_the_gradient_is_the_slope_of_the_cost(texels: Texels, scene: Scene, beside: State, seed: int) -> None:
    term, random = term_at(texels, scene, ramps(COUNT)), np.random.default_rng(seed)
    equations = linearised(term, beside)
    frames, shared = random.normal(size=equations.gradient.shape), random.normal(size=equations.shared_gradient.shape)
    expected = (equations.gradient * frames).sum() + equations.shared_gradient @ shared
    # Short enough for the bends of the cost, long enough for float32.
    step = 1e-4
    ahead, behind = (term.cost(beside.moved(sign * step * frames, sign * step * shared)) for sign in (1, -1))
    assert (behind - ahead) / (2 * step) == pytest.approx(expected, rel=2e-3)


def colour_errors(
    step: torch.Tensor, texels: Texels, state: State, expected: torch.Tensor, sigma: float
) -> torch.Tensor:
    """Errors of the first frame of `ramps` in float64, (S, 3), after a step of turn, shift, units, identity, focal."""
    mean, identity, expression, rotation, translation, units, who = (
        torch.as_tensor(array, dtype=torch.float64)
        for array in (
            texels.skin.mean, texels.skin.identity, texels.skin.expression, state.pose.rotation[0],
            state.pose.translation[0], state.expression[0], state.identity,
        )
    )  # fmt: skip
    turn, shift, unit, person, focal = step.split([3, 3, len(units), len(who), 1])
    zero = torch.zeros((), dtype=torch.float64)
    x, y, z = turn
    turning = torch.linalg.matrix_exp(torch.stack([zero, -z, y, z, zero, -x, -y, x, zero]).reshape(3, 3))
    places = mean + identity @ (who + person) + expression @ (units + unit)
    x, y, z = (places @ (turning @ rotation).T + translation + shift).unbind(1)
    length = torch.exp(state.log_focal + focal)
    # Half of the 512 image's pixels.
    column, row = 127.5 - length * x / z / 2, 127.5 + length * y / z / 2
    return (torch.stack([column, row, 255 - column], dim=1) / 255 - expected) / sigma


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_the_quadratic_is_that_of_automatic_derivatives(texels: Texels, beside: State) -> None:
    """Jacobians by torch, of a projection and of linear pictures that are written down here once more."""
    random = np.random.default_rng(5)
    state, size = beside.part(slice(1)), beside.expression.shape[1]
    colours = sampled(ramps(1), view(texels.skin, state).offset)
    expected = (colours + random.normal(0, 0.02, colours.shape)).astype(np.float32)
    weights = random.uniform(0, 0.05, (1, len(texels.skin.mean))).astype(np.float32)
    found = linearised(PhotometricTerm(texels, ramps(1), expected, weights, 0.01, 2.0), state)

    def errors(step: torch.Tensor) -> torch.Tensor:
        return colour_errors(step, texels, state, torch.as_tensor(expected[0].T, dtype=torch.float64), 0.01)

    start = torch.zeros(6 + size + 41, dtype=torch.float64)
    error, jacobian = errors(start).numpy(), torch.func.jacfwd(errors)(start).numpy()
    weight = weights[0] / (1 + (error**2).sum(1) / 2.0**2)
    hessian = np.einsum("sci,scj,s->ij", jacobian, jacobian, weight, optimize=True)
    downhill = -np.einsum("sci,sc,s->i", jacobian, error, weight)
    own, shared = slice(6 + size), slice(6 + size, None)
    assert_near(found.blocks[0], hessian[own, own])
    assert_near(found.coupling[0], hessian[own, shared])
    assert_near(found.shared, hessian[shared, shared])
    assert_near(found.gradient[0], downhill[own])
    assert_near(found.shared_gradient, downhill[shared])


def assert_near(found: np.ndarray, expected: np.ndarray) -> None:
    """float32 against float64."""
    assert np.abs(found - expected).max() < 2e-4 * np.abs(expected).max()


def test_held_unknowns_leave_the_rest_as_it_is(
    texels: Texels, scene: Scene, beside: State, pictures: list[Frame]
) -> None:
    term = term_at(texels, scene, np.stack(pictures))
    free = linearised(term, beside)
    held = NormalEquations.zeros(*free.gradient.shape, 0)
    term.add_to(held, beside)
    assert_near(held.blocks, free.blocks)
    assert np.array_equal(held.gradient, free.gradient)


def test_threads_change_nothing(texels: Texels, scene: Scene, beside: State, pictures: list[Frame]) -> None:
    alone, shared = (term_at(texels, scene, np.stack(pictures), threads) for threads in (1, 3))
    assert alone.cost(beside) == shared.cost(beside)
    one, other = linearised(alone, beside), linearised(shared, beside)
    for name in ("blocks", "gradient", "coupling", "shared", "shared_gradient"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name


def test_colours_bring_the_pose_nearer_to_the_truth(model: MorphableModel, scene: Scene, pictures: list[Frame]) -> None:
    clip = clip_of(scene, LandmarkBasis.of(model), 1)
    fit = fit_clip(clip)
    found = refine(model, clip, fit, lambda: iter(pictures), PhotometricPriors())
    assert found.kept and found.reason == ""
    assert found.error_after < found.error_before
    before, after = (pose_error(scene, one, model) for one in (fit, found.fit))
    assert after.rotation < before.rotation
    assert after.rotation < 1.0
    assert found.residual.shape == (COUNT,) and (found.residual > 0).all()
    again = refine(model, clip, fit, lambda: iter(pictures), PhotometricPriors())
    assert np.array_equal(again.fit.state.pose.rotation, found.fit.state.pose.rotation)


def test_windows_give_nearly_the_same(
    model: MorphableModel, scene: Scene, pictures: list[Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = clip_of(scene, LandmarkBasis.of(model), 1)
    fit = fit_clip(clip)
    whole = refine(model, clip, fit, lambda: iter(pictures), PhotometricPriors())
    for module in (clip_module, photometric_module):
        monkeypatch.setattr(module, "WINDOW", 12)
    monkeypatch.setattr(clip_module, "MARGIN", 3)
    parts = refine(model, clip, fit, lambda: iter(pictures), PhotometricPriors())
    apart = Rotation.from_matrix(np.swapaxes(whole.fit.state.pose.rotation, 1, 2) @ parts.fit.state.pose.rotation)
    # Six frames for the identity, or all: the constant part differs, the movement does not.
    assert np.degrees((apart * apart.mean().inv()).magnitude()).max() < 1.0
    assert len(parts.residual) == COUNT


@pytest.mark.parametrize("kind", ["noise", "white"])
def test_pictures_that_say_nothing_leave_the_landmark_fit(model: MorphableModel, scene: Scene, kind: str) -> None:
    random = np.random.default_rng(0)

    def frames() -> Iterator[Frame]:
        for _ in range(COUNT):
            yield (
                random.integers(0, 255, (256, 256, 3), np.uint8)
                if kind == "noise"
                else np.full((256, 256, 3), 255, np.uint8)
            )

    clip = clip_of(scene, LandmarkBasis.of(model), 1)
    fit = fit_clip(clip)
    found = refine(model, clip, fit, frames, PhotometricPriors())
    assert np.isfinite(found.fit.state.pose.rotation).all()
    if not found.kept:
        assert found.fit is fit and found.reason
    before, after = (pose_error(scene, one, model).rotation for one in (fit, found.fit))
    assert after < before + 0.5


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_frames_are_refined_too(model: MorphableModel, scene: Scene, pictures: list[Frame], count: int) -> None:
    whole = clip_of(scene, LandmarkBasis.of(model), 1)
    clip = whole.part(slice(0, count))
    found = refine(model, clip, fit_clip(clip), lambda: itertools.islice(pictures, count), PhotometricPriors())
    assert np.isfinite(found.fit.points).all() and np.isfinite(found.fit.state.expression).all()
    assert np.isfinite(found.residual).all()
