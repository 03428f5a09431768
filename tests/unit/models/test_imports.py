"""Models that users bring: a made-up BFM in the published layout, a made-up checkpoint."""

import io
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat

from talkmill.cli import imports
from talkmill.cli.outcome import CommandError
from talkmill.fitting.alignment import align
from talkmill.fitting.projection import LandmarkBasis
from talkmill.fitting.regression import aligned
from talkmill.models.export import bfm, deep3d
from talkmill.models.export.network import ExportError
from talkmill.models.repository import ModelError, ModelRepository
from talkmill.morphable.model import MorphableModel

SIZES = bfm.Sizes(scan=400, expression=380, coarse=200, fine=180)


def pickled(path: Path, table: dict[str, object]) -> None:
    """A dictionary as np.save(allow_pickle) writes it."""
    np.save(path, np.array(table, dtype=object), allow_pickle=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A head of 400 points in BFM's files: the first 68 of every selection are landmarks."""
    random = np.random.default_rng(0)
    points = np.random.default_rng(1).uniform([-0.8, -1, -0.5], [0.8, 1, 0.5], (SIZES.scan, 3)) * 1e5
    # Both ends of the jaw, the chin, the bridge and the tip of the nose.
    points[[0, 16, 8, 27, 30]] = np.array([[-0.7, 0, 0], [0.7, 0, 0], [0, -0.8, 0.4], [0, 0.3, 0.6], [0, 0, 0.8]]) * 1e5
    modes = random.normal(size=(SIZES.scan * 3, 199)).astype(np.float32)
    spread = np.linspace(500, 10, 199)[:, None].astype(np.float32)
    savemat(
        tmp_path / "01_MorphableModel.mat",
        {
            "shapeMU": points.reshape(-1, 1).astype(np.float32), "shapePC": modes, "shapeEV": spread,
            "texMU": np.full((SIZES.scan * 3, 1), 120, np.float32), "texPC": modes, "texEV": spread,
        },
    )  # fmt: skip
    expression = random.normal(size=(79, SIZES.expression * 3)).astype("<f4")
    mean = np.full(SIZES.expression * 3, 1000, "<f4")
    (tmp_path / "Exp_Pca.bin").write_bytes(np.int32(79).tobytes() + mean.tobytes() + expression.tobytes())
    np.savetxt(tmp_path / "std_exp.txt", np.linspace(3000, 100, 79))
    trimmed, front = np.arange(SIZES.expression), np.arange(SIZES.coarse)
    triangles = np.stack([np.arange(100), np.arange(1, 101), np.arange(2, 102)], axis=1)
    savemat(tmp_path / "BFM_exp_idx.mat", {"trimIndex": trimmed[None] + 1})
    savemat(tmp_path / "BFM_front_idx.mat", {"idx": front[:, None] + 1})
    savemat(tmp_path / "facemodel_info.mat", {"tri": triangles + 1, "keypoints": np.arange(68)[None] + 1})
    pickled(tmp_path / "topology_info.npy", {"sub_inds": np.arange(SIZES.fine), "tris": triangles})
    pickled(tmp_path / "keys_info.npy", {"keyinds": np.arange(68)})
    return tmp_path


def test_both_models_are_built(folder: Path) -> None:
    coarse, fine = folder / "coarse.npz", folder / "fine.npz"
    bfm.build(folder, coarse, fine, SIZES)
    for path, counts in ((coarse, (200, 80, 64, 80)), (fine, (180, 100, 79, 100))):
        model = MorphableModel.load(path)
        assert (len(model.mean), model.identity.shape[2], model.expression.shape[2]) == counts[:3]
        with np.load(path) as arrays:
            assert arrays["texture"].shape == (counts[0], 3, counts[3])
        # Deep3DFaceRecon's ParametricFaceModel and AD-NeRF's Face_3DMM subtract the mean of their vertices.
        assert np.abs(model.mean.mean(0)).max() < 1e-5
        assert LandmarkBasis.of(model).fixed.mean.shape == (68, 3)
    # 500 micrometres times the mode, in units of 10 cm.
    first = MorphableModel.load(coarse).identity[0, 0, 0]
    mode = np.random.default_rng(0).normal(size=(SIZES.scan * 3, 199)).astype(np.float32)[0, 0]
    assert first == pytest.approx(mode * 500 / 1e5, rel=1e-3)


def test_what_is_missing_is_told_with_the_next_step(folder: Path) -> None:
    (folder / "Exp_Pca.bin").unlink()
    (folder / "keys_info.npy").unlink()
    with pytest.raises(bfm.BfmError, match=r"Exp_Pca.bin is missing: download CoarseData .*keys_info.npy is missing"):
        bfm.build(folder, folder / "a.npz", folder / "b.npz", SIZES)
    with pytest.raises(CommandError, match="lacks 8 of 8 files"):
        imports.import_bfm(folder / "nowhere")


def test_other_shapes_are_refused(folder: Path) -> None:
    with pytest.raises(bfm.BfmError, match=r"shapeMU .* shape"):
        bfm.build(folder, folder / "a.npz", folder / "b.npz")
    content = (folder / "Exp_Pca.bin").read_bytes()
    (folder / "Exp_Pca.bin").write_bytes(content[:-8])
    with pytest.raises(bfm.BfmError, match=r"Exp_Pca\.bin has"):
        bfm.build(folder, folder / "a.npz", folder / "b.npz", SIZES)
    (folder / "01_MorphableModel.mat").write_bytes(b"<html>please register</html>")
    with pytest.raises(bfm.BfmError, match="no MATLAB file"):
        bfm.build(folder, folder / "a.npz", folder / "b.npz", SIZES)


def test_a_pickle_that_does_more_is_not_run(folder: Path, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "ran",))

    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": ()})
    (folder / "keys_info.npy").write_bytes(header.getvalue() + pickle.dumps(Bomb()))
    with pytest.raises(bfm.BfmError, match="no dictionary of arrays"):
        bfm.build(folder, folder / "a.npz", folder / "b.npz", SIZES)
    assert not (tmp_path / "ran").exists()


def test_a_model_that_is_imported_cannot_be_fetched(tmp_path: Path) -> None:
    models = ModelRepository(tmp_path, None)
    for method in (models.fetch, lambda name: models.ensure(name, "morphable")):
        with pytest.raises(ModelError, match="talkmill models import bfm09 --from DIR"):
            method("bfm09-fine")


def test_the_aligned_crop_is_where_the_matrix_says() -> None:
    frame = np.zeros((512, 512, 3), np.uint8)
    frame[200:204, 300:304] = 255
    mean = np.array([[-0.4, 0.3, 0], [0.4, 0.3, 0], [0, 0, 0.5], [-0.25, -0.4, 0.2], [0.25, -0.4, 0.2]])
    points = np.zeros((68, 2))
    places = mean[:, :2] * [150, -150] + [256, 256]
    for indices, place in zip(([36, 39], [42, 45], [30], [48], [54]), places, strict=True):
        points[indices] = place
    alignment = align(points, mean, 512)
    crop = aligned(frame, alignment)
    y, x = np.argwhere(crop[0] > 0.5 * crop[0].max()).mean(0)
    expected = alignment.crop_from_image @ [301.5, 201.5, 1]
    assert (x, y) == pytest.approx(expected[:2], abs=1.0)


@pytest.mark.parametrize("command", [imports.import_modnet, imports.import_fan])
def test_a_checkpoint_without_torch_is_refused(
    command: Callable[[Path], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch is not in the default install; a module that is None is not there."""
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "network.ckpt").write_bytes(b"")
    with pytest.raises(CommandError, match=r"--editable '\.\[import\]'"):
        command(tmp_path / "network.ckpt")


def test_other_checkpoints_are_refused(tmp_path: Path) -> None:
    points, target = tmp_path / "similarity_Lm3D_all.mat", tmp_path / "net.onnx"
    savemat(points, {"lm": np.random.default_rng(0).normal(size=(68, 3))})
    torch.save({"state": {}}, tmp_path / "other.pth")
    with pytest.raises(ExportError, match="no `net_recon`"):
        deep3d.build(tmp_path / "other.pth", points, target)
    torch.save({"net_recon": {"fc.weight": torch.zeros(2)}}, tmp_path / "other.pth")
    with pytest.raises(ExportError, match="other layers"):
        deep3d.build(tmp_path / "other.pth", points, target)
    (tmp_path / "other.pth").write_bytes(b"<html>")
    with pytest.raises(ExportError, match="no checkpoint"):
        deep3d.build(tmp_path / "other.pth", points, target)
