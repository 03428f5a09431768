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
from benchmarks.scenes.render import Look, irradiance, render
from benchmarks.scenes.scene import Scene, make_scene
from talkmill.arrays import Frame
from talkmill.fitting import clip as clip_module
from talkmill.fitting import photometric as photometric_module
from talkmill.fitting.clip import fit_clip
from talkmill.fitting.device import choose_device
from talkmill.fitting.lighting import estimate
from talkmill.fitting.photometric import refine
from talkmill.fitting.photometric_term import PhotometricTerm, Texels, facing, sampled, view
from talkmill.fitting.priors import PhotometricPriors
from talkmill.fitting.projection import LandmarkBasis, Pose
from talkmill.fitting.rasteriser import FAR, depth_maps
from talkmill.fitting.state import NormalEquations, State
from talkmill.fitting.surface import face_surface
from talkmill.models.repository import ModelRepository
from talkmill.morphable.model import MorphableModel

COUNT = 16
CPU = torch.device("cpu")


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
    return Texels.on(CPU, face_surface(model), model)


def truth(scene: Scene) -> State:
    pose = Pose(scene.rotation, scene.translation)
    return State(pose, scene.expression, scene.identity, float(np.log(scene.focal)))


def clip_of(scene: Scene, basis: LandmarkBasis, seed: int) -> clip_module.ObservedClip:
    """Five frames a second, as the scene was thinned."""
    return replace(scene_clip(scene, basis, seed), rate=5.0)


def as_tensor(pictures: list[Frame]) -> torch.Tensor:
    return torch.as_tensor(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()


def term_at(texels: Texels, scene: Scene, pictures: list[Frame]) -> PhotometricTerm:
    state, images = truth(scene), as_tensor(pictures)
    stand = facing(texels, state)
    colours = sampled(images.float() / 255, view(texels, state).grid)
    expected = estimate(colours, stand.visible, stand.normals).predicted(stand.normals)
    return PhotometricTerm(texels, images, expected, stand.visible * 0.05, 0.01, 2.0)


def test_depth_maps_are_what_rays_hit(model: MorphableModel, scene: Scene) -> None:
    size, focal, centre = 64, scene.focal / 8, 31.5
    camera = (scene.vertices(3) @ scene.rotation[3].T + scene.translation[3]).astype(np.float32)
    found = depth_maps(
        torch.as_tensor(camera)[None], torch.as_tensor(model.triangles.astype(np.int64)), focal, centre, size
    )
    columns, rows = np.meshgrid(np.arange(size), np.arange(size))
    rays = np.stack([(columns - centre) / focal, -(rows - centre) / focal, -np.ones((size, size))], axis=-1)
    embree = EmbreeScene()
    TriangleMesh(embree, camera[model.triangles])
    hit = embree.run(np.zeros((size * size, 3), np.float32), rays.reshape(-1, 3).astype(np.float32), output=1)
    expected = np.where(hit["primID"] >= 0, hit["tfar"], FAR).reshape(size, size)
    seen = (expected < FAR) & (found[0].numpy() < FAR)
    # Rays hit the backs of triangles too, through the holes of the eyes and at the neck.
    assert ((expected < FAR) == (found[0].numpy() < FAR)).mean() > 0.97
    assert np.median(np.abs(expected - found[0].numpy())[seen]) < 1e-4
    assert (np.abs(expected - found[0].numpy())[seen] < 0.01).mean() > 0.95


def test_light_and_albedo_are_found(texels: Texels) -> None:
    random = np.random.default_rng(0)
    light = np.zeros((9, 3))
    light[0], light[1:4] = 1, random.uniform(-0.25, 0.25, (3, 3))
    albedo = random.uniform(0.3, 0.7, (300, 3))
    rest = random.normal(size=(300, 3)) * [1, 1, 0.3] + [0, 0, 1.5]
    rest /= np.linalg.norm(rest, axis=1, keepdims=True)
    turns = Rotation.from_rotvec(random.uniform(-0.5, 0.5, (60, 3))).as_matrix()
    normals = rest @ np.swapaxes(turns, 1, 2)
    shade = np.stack([irradiance(light, frame) for frame in normals])
    colours = torch.as_tensor(albedo * shade, dtype=torch.float32)
    found = estimate(colours, torch.ones(60, 300), torch.as_tensor(normals, dtype=torch.float32))
    assert np.abs(found.light.numpy() - light).max() < 0.05
    assert np.abs(found.albedo.numpy() - albedo).max() < 0.03


def test_the_gradient_is_the_slope_of_the_cost(texels: Texels, scene: Scene, pictures: list[Frame]) -> None:
    term = term_at(texels, scene, pictures)
    random = np.random.default_rng(2)
    size = scene.expression.shape[1]
    frames = np.concatenate([random.normal(0, 0.004, (COUNT, 6)), random.normal(0, 0.02, (COUNT, size))], axis=1)
    shared = np.append(random.normal(0, 0.05, 40), 0.01)
    state = truth(scene).moved(frames, shared)
    equations = NormalEquations.zeros(COUNT, 6 + size, 41)
    term.add_to(equations, state)
    step = 2e-4
    for column in (0, 1, 2, 3, 4, 6 + model_unit(scene, "jawOpen")):
        direction = np.zeros_like(frames)
        direction[:, column] = step
        ahead, behind = (term.cost(state.moved(sign * direction, np.zeros(41))) for sign in (1, -1))
        expected = float(equations.gradient[:, column].sum())
        # Pictures are sampled bilinearly and their slopes by differences: alike, not equal.
        assert (behind - ahead) / (2 * step) == pytest.approx(
            expected, rel=0.25, abs=0.03 * abs(equations.gradient).sum(0).max()
        )
    direction = np.zeros(41)
    direction[40] = step
    ahead, behind = (term.cost(state.moved(np.zeros_like(frames), sign * direction)) for sign in (1, -1))
    assert (behind - ahead) / (2 * step) == pytest.approx(float(equations.shared_gradient[40]), rel=0.25)


def model_unit(scene: Scene, name: str) -> int:
    return scene.model.expression_names.index(name)


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_a_gpu_that_is_not_there_is_refused() -> None:
    assert choose_device("cpu") == "cpu"
    if torch.cuda.is_available():
        assert choose_device("auto") == "cuda"
    else:
        assert choose_device("auto") == "cpu"
        with pytest.raises(ValueError, match="sees no GPU"):
            choose_device("cuda")
