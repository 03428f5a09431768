"""The Basel Face Model 2009 out of the user's own files: the model of the coarse network, and that of the fine fit.

Source: Paysan et al., "A 3D face model for pose and illumination invariant face recognition", AVSS 2009 (registration,
no redistribution); expressions: Guo et al., "CNN-based real-time dense face reconstruction", PAMI 2018. Selections of
vertices: Deep3DFaceRecon_pytorch (80/64/80 of 35,709) and AD-NeRF (100/79/100 of 34,650).
"""

import io
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from talkmill.arrays import Float32Array, Int64Array
from talkmill.artifacts.artifact import sha256_of
from talkmill.morphable.model import MorphableModel, at_vertices

# The files are in micrometres; a unit is 10 cm.
MICROMETRES_PER_UNIT = 1e5
IDENTITIES, EXPRESSIONS = 199, 79

# What is needed, and where it comes from.
FILES = {
    "01_MorphableModel.mat": "register at https://faces.dmi.unibas.ch/bfm/ and take it out of BaselFaceModel.tgz",
    "Exp_Pca.bin": "download CoarseData of github.com/Juyong/3DFace and take it out of the archive",
    "std_exp.txt": "copy it from BFM/ of github.com/sicxu/Deep3DFaceRecon_pytorch",
    "BFM_front_idx.mat": "copy it from BFM/ of github.com/sicxu/Deep3DFaceRecon_pytorch",
    "BFM_exp_idx.mat": "copy it from BFM/ of github.com/sicxu/Deep3DFaceRecon_pytorch",
    "facemodel_info.mat": "copy it from BFM/ of github.com/sicxu/Deep3DFaceRecon_pytorch",
    "topology_info.npy": "copy it from data_util/face_tracking/3DMM/ of github.com/YudongGuo/AD-NeRF",
    "keys_info.npy": "copy it from data_util/face_tracking/3DMM/ of github.com/YudongGuo/AD-NeRF",
}


class BfmError(ValueError):
    """Files are missing or are not what they should be; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Vertices of each selection, as published."""

    scan: int = 53490
    expression: int = 53215
    coarse: int = 35709
    fine: int = 34650


@dataclass(frozen=True, slots=True)
class _Scan:
    """All that the two model files hold, in units of 10 cm and standard deviations.

    Attributes:
        mean: (53490, 3).
        identity: (53490, 3, 199).
        texture_mean: (53490, 3) in 0..255.
        texture: (53490, 3, 199).
        expression_mean: (53215, 3).
        expression: (53215, 3, 79).
        trimmed: (53215,) vertex of the scan of each vertex that has expressions.
    """

    mean: Float32Array
    identity: Float32Array
    texture_mean: Float32Array
    texture: Float32Array
    expression_mean: Float32Array
    expression: Float32Array
    trimmed: Int64Array


def missing_files(folder: Path) -> list[str]:
    """Return a line for each file that is not there: its name, and the next step."""
    return [f"{name} is missing: {step}" for name, step in FILES.items() if not (folder / name).is_file()]


def source_hashes(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file, for the record of the import."""
    return {name: sha256_of(folder / name) for name in FILES}


def build(folder: Path, coarse: Path, fine: Path, sizes: Sizes | None = None) -> None:
    """Build both models.

    Args:
        folder: Holds the files.
        coarse: The .npz to write, 80 identities, 64 expressions, 80 textures.
        fine: The .npz to write, 100 identities, 79 expressions, 100 textures.
        sizes: Vertices of each selection, or None for those that are published.

    Raises:
        BfmError: A file is missing, cannot be read, or has another shape.
    """
    sizes = sizes or Sizes()
    problems = missing_files(folder)
    if problems:
        raise BfmError("; ".join(problems))
    scan = _read_scan(folder, sizes)
    _write(scan, _coarse_selection(folder, sizes), (80, 64, 80), "bfm09-coarse", coarse)
    _write(scan, _fine_selection(folder, scan, sizes), (100, 79, 100), "bfm09-fine", fine)


@dataclass(frozen=True, slots=True)
class _Selection:
    """Which vertices a model keeps.

    Attributes:
        expression: (V,) into the vertices with expressions.
        triangles: (T, 3) into the selection.
        landmarks: (68,) into the selection.
        with_expression_mean: Whether the mean face has the mean expression.
    """

    expression: Int64Array
    triangles: npt.NDArray[np.int32]
    landmarks: npt.NDArray[np.int32]
    with_expression_mean: bool


def _read_scan(folder: Path, sizes: Sizes) -> _Scan:
    model = _mat(folder / "01_MorphableModel.mat")

    def basis(kind: Literal["shape", "tex"], scale: float) -> tuple[Float32Array, Float32Array]:
        mean = _field(model, f"{kind}MU", folder, (sizes.scan * 3,)).reshape(-1, 3)
        modes = _field(model, f"{kind}PC", folder, (sizes.scan * 3, IDENTITIES))
        spread = _field(model, f"{kind}EV", folder, (IDENTITIES,))
        return (mean / scale).astype(np.float32), (modes * (spread / scale)).reshape(-1, 3, IDENTITIES)

    mean, identity = basis("shape", MICROMETRES_PER_UNIT)
    texture_mean, texture = basis("tex", 1.0)
    expression_mean, expression = _read_expressions(folder, sizes)
    trimmed = _indices(_mat(folder / "BFM_exp_idx.mat"), "trimIndex", folder, sizes.expression, sizes.scan)
    return _Scan(mean, identity, texture_mean, texture, expression_mean, expression, trimmed)


def _read_expressions(folder: Path, sizes: Sizes) -> tuple[Float32Array, Float32Array]:
    path, values = folder / "Exp_Pca.bin", sizes.expression * 3
    content = path.read_bytes()
    count = int(np.frombuffer(content[:4], "<i4")[0]) if len(content) >= 4 else 0
    wanted = 4 + 4 * values * (count + 1)
    if count != EXPRESSIONS or len(content) != wanted:
        raise BfmError(
            f"{path.name} has {len(content)} bytes and says {count} expressions; "
            f"{EXPRESSIONS} of {sizes.expression} vertices are wanted: {FILES[path.name]}"
        )
    numbers = np.asarray(np.frombuffer(content, "<f4", offset=4) / np.float32(MICROMETRES_PER_UNIT), np.float32)
    spread = np.loadtxt(folder / "std_exp.txt").reshape(-1).astype(np.float32)
    if spread.shape != (EXPRESSIONS,):
        raise BfmError(f"std_exp.txt has {len(spread)} numbers, {EXPRESSIONS} are wanted: {FILES['std_exp.txt']}")
    modes = np.asarray(numbers[values:].reshape(EXPRESSIONS, -1, 3) * spread[:, None, None], np.float32)
    return numbers[:values].reshape(-1, 3), np.moveaxis(modes, 0, -1)


def _coarse_selection(folder: Path, sizes: Sizes) -> _Selection:
    front = _indices(_mat(folder / "BFM_front_idx.mat"), "idx", folder, sizes.coarse, sizes.expression)
    info = _mat(folder / "facemodel_info.mat")
    triangles = _field(info, "tri", folder).astype(np.int32) - 1
    landmarks = _indices(info, "keypoints", folder, 68, sizes.coarse)
    return _Selection(front, triangles.reshape(-1, 3), landmarks.astype(np.int32), with_expression_mean=False)


def _fine_selection(folder: Path, scan: _Scan, sizes: Sizes) -> _Selection:
    topology, keys = _arrays(folder / "topology_info.npy"), _arrays(folder / "keys_info.npy")
    chosen = _field(topology, "sub_inds", folder, (sizes.fine,)).astype(np.int64)
    with_expression = np.full(sizes.scan, -1, np.int64)
    with_expression[scan.trimmed] = np.arange(len(scan.trimmed))
    if chosen.min() < 0 or chosen.max() >= sizes.scan or (with_expression[chosen] < 0).any():
        raise BfmError(f"topology_info.npy names vertices without expressions: {FILES['topology_info.npy']}")
    triangles = _field(topology, "tris", folder).astype(np.int32).reshape(-1, 3)
    landmarks = _field(keys, "keyinds", folder, (68,)).astype(np.int32)
    return _Selection(with_expression[chosen], triangles, landmarks, with_expression_mean=True)


def _write(scan: _Scan, chosen: _Selection, counts: tuple[int, int, int], name: str, path: Path) -> None:
    identities, expressions, textures = counts
    vertices = scan.trimmed[chosen.expression]
    for what, indices in (("triangles", chosen.triangles), ("landmarks", chosen.landmarks)):
        if indices.min() < 0 or indices.max() >= len(vertices):
            raise BfmError(f"the {what} of {name} name vertices beyond the {len(vertices)} that it has")
    mean = scan.mean[vertices]
    if chosen.with_expression_mean:
        mean = mean + scan.expression_mean[chosen.expression]
    # Deep3DFaceRecon and AD-NeRF put the origin at the mean of the vertices that they use.
    mean = mean - mean.mean(0)
    face = mean[chosen.landmarks]
    # +y up, +z out of the face, +x to the subject's left.
    if not (face[8, 1] < face[27, 1] and face[30, 2] > face[[0, 16], 2].max() and face[0, 0] < face[16, 0]):
        raise BfmError(f"the landmarks of {name} do not lie like a face's: the index files belong to another model")
    corners, shares = at_vertices(chosen.landmarks)
    MorphableModel(
        name=name,
        mean=mean,
        identity=scan.identity[vertices][..., :identities],
        expression=scan.expression[chosen.expression][..., :expressions],
        expression_names=tuple(f"expression{index:02d}" for index in range(expressions)),
        triangles=_outward(mean, chosen.triangles),
        landmarks=chosen.landmarks,
        vertex_indices=corners,
        barycentric=shares,
    ).save(path, texture_mean=scan.texture_mean[vertices], texture=scan.texture[vertices][..., :textures])


def _outward(mean: Float32Array, triangles: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Turn triangles counter-clockwise as seen from in front of the face."""
    corners = mean[triangles]
    area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return triangles if area[:, 2].sum() > 0 else triangles[:, ::-1].copy()


def _mat(path: Path) -> dict[str, Any]:
    try:
        return dict(loadmat(path))
    except (ValueError, TypeError, IndexError, NotImplementedError, MatReadError) as error:
        raise BfmError(f"{path.name} is no MATLAB file that can be read ({error}): {FILES[path.name]}") from error


def _field(table: dict[str, Any], name: str, folder: Path, shape: tuple[int, ...] | None = None) -> Any:
    """Return an array of a file, flattened where a vector is wanted."""
    if name not in table:
        raise BfmError(f"a file in {folder} has no {name}; it has {', '.join(k for k in table if k[0] != '_')}")
    found = np.asarray(table[name])
    if shape is None:
        return found
    if len(shape) == 1:
        found = found.reshape(-1)
    if found.shape != shape:
        raise BfmError(f"{name} in {folder} has shape {found.shape}, {shape} is wanted: the files are another version")
    return found.astype(np.float32) if found.dtype.kind == "f" else found


def _indices(table: dict[str, Any], name: str, folder: Path, count: int, below: int) -> Int64Array:
    """Return MATLAB's indices, which begin with 1, as ours."""
    found: Int64Array = np.asarray(_field(table, name, folder, (count,)).astype(np.int64) - 1)
    if found.min() < 0 or found.max() >= below:
        raise BfmError(f"{name} in {folder} names vertices beyond {below}")
    return found


class _ArraysOnly(pickle.Unpickler):
    """Reads pickles of dictionaries of arrays; whatever else a file asks to be made is refused."""

    def find_class(self, module: str, name: str) -> Any:
        """Return one of the three names that an array needs."""
        if (module.removeprefix("numpy.").replace("_core", "core"), name) == ("core.multiarray", "_reconstruct"):
            return np.core.multiarray._reconstruct  # type: ignore[attr-defined]
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return getattr(np, name)
        raise pickle.UnpicklingError(f"{module}.{name} is not an array")


def _arrays(path: Path) -> dict[str, Any]:
    """Read a .npy file that holds one pickled dictionary of arrays, without running what is in it."""
    content = io.BytesIO(path.read_bytes())
    try:
        np.lib.format.read_magic(content)
        np.lib.format.read_array_header_1_0(content)
        table = _ArraysOnly(content).load()
    except (ValueError, EOFError, pickle.UnpicklingError, IndexError, AttributeError) as error:
        raise BfmError(f"{path.name} is no dictionary of arrays ({error}): {FILES[path.name]}") from error
    return dict(table.item())
