"""A finished run in the folder layout of OTAvatar_processing: docs/data-format.md, "The folder layout"."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter
from scipy.io import savemat

from orchestrator.folders import WORK_BUCKET, open_store
from services.coarse_fit.messages import CoarseFitOutputs
from services.crop.messages import CropOutputs
from services.fine_fit.messages import FineFitOutputs
from services.landmarks.messages import LandmarksOutputs
from services.matting.messages import MattingOutputs
from services.split.messages import SplitOutputs
from talkmill.artifacts.local import LocalStore
from talkmill.artifacts.manifest import MANIFEST_NAME, decode_manifest
from talkmill.fitting.overlay import draw_mesh
from talkmill.geometry.conventions import REFERENCE_SIZE, principal_point, rotation_from_euler
from talkmill.matting.composite import composite_over
from talkmill.models.repository import ModelRepository
from talkmill.morphable.model import MorphableModel
from talkmill.video.decode import Frame, read_grey_frames, read_images
from talkmill.video.encode import compatible_writer

WHITE = (255, 255, 255)


class ExportError(ValueError):
    """The folder holds no finished run."""


@dataclass(frozen=True, slots=True)
class FinishedClip:
    """A clip of a report with the local files of its artifacts.

    Attributes:
        name: Its name.
        split: `train` or `test`.
        rate: Frames a second.
        size: Side of the crop in pixels.
        files: `video`, `audio`, `face_track`, `alpha`, `crop`, `landmarks`, `coarse`, `fine` to local paths.
        morphable: Id of the morphable model.
    """

    name: str
    split: str
    rate: Fraction
    size: int
    files: dict[str, Path]
    morphable: str


def export_otavatar(folder: Path, out: Path, name: str, models: ModelRepository) -> int:
    """Write every packed clip of a run.

    Args:
        folder: The run's folder, with its `work`.
        out: Where to write.
        name: Prefix of the folders.
        models: For the mesh of `_inv_debug`.

    Returns:
        Number of clips.

    Raises:
        ExportError: The folder holds no finished run.
        ModelError: The morphable model cannot be had.
    """
    clips = list(finished_clips(folder))
    for clip in clips:
        model = MorphableModel.load(models.ensure(clip.morphable, "morphable").path)
        _export_videos(clip, out, name, model)
        _export_values(clip, out, name)
    size = clips[0].size
    database = out / f"{name}_lmdb" / str(size)
    database.mkdir(parents=True, exist_ok=True)
    for file in ("data.mdb", "lock.mdb"):
        shutil.copyfile(folder / "lmdb" / str(size) / file, database / file)
    for file in ("train_list.txt", "test_list.txt"):
        shutil.copyfile(folder / "lmdb" / file, database.parent / file)
    return len(clips)


def finished_clips(folder: Path) -> Iterator[FinishedClip]:
    """Yield the packed clips of a finished run with their artifacts.

    Raises:
        ExportError: The folder holds no finished run.
    """
    try:
        report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    except (OSError, ValueError) as error:
        raise ExportError(f"{folder} has no report.json of a finished run: {error}") from error
    store = open_store(folder)
    packed = [clip for clip in report["clips"] if clip["outcome"] == "packed"]
    if not packed:
        raise ExportError(f"{folder} holds no packed clip")
    for clip in packed:
        digests = {stage: record["action_digest"] for stage, record in clip["stages"].items()}
        split = _outputs(store, "split", digests, SplitOutputs)
        source = next(
            found for found in split.clips if found.start_seconds == clip["start_seconds"]
            and clip["clip"].endswith(f"_{found.index:03}")
        )  # fmt: skip
        fine = _outputs(store, "fine_fit", digests, FineFitOutputs)
        artifacts = {
            "video": source.video,
            "audio": source.audio,
            "face_track": source.face_track,
            "alpha": _outputs(store, "matting", digests, MattingOutputs).alpha,
            "crop": _outputs(store, "crop", digests, CropOutputs).frames,
            "landmarks": _outputs(store, "landmarks", digests, LandmarksOutputs).landmarks,
            "coarse": _outputs(store, "coarse_fit", digests, CoarseFitOutputs).coefficients,
            "fine": fine.fit,
        }
        files = {kind: store.fetch(artifact) for kind, artifact in artifacts.items()}
        size = report["parameters"]["crop"]["size"]
        basis = str(fine.measurements["basis"])
        yield FinishedClip(clip["clip"], clip["split"], Fraction(clip["rate"]), size, files, basis)


def _outputs(store: LocalStore, stage: str, digests: dict[str, str], kind: type[Any]) -> Any:
    content = store.read(WORK_BUCKET, f"{stage}/{digests[stage]}/{MANIFEST_NAME}")
    if content is None:
        raise ExportError(f"the work folder has no {stage} {digests[stage][:12]}...; run the same command again")
    return TypeAdapter(kind).validate_python(decode_manifest(content).outputs)


def _target(out: Path, name: str, step: str, clip: FinishedClip, suffix: str) -> Path:
    path = out / f"{name}_{step}" / clip.split / f"{clip.name}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _write_video(path: Path, rate: Fraction, frames: Iterator[Frame]) -> None:
    with compatible_writer(path, rate) as writer:
        for frame in frames:
            writer.write(frame)


def _export_videos(clip: FinishedClip, out: Path, name: str, model: MorphableModel) -> None:
    _write_video(_target(out, name, "split", clip, ".mp4"), clip.rate, read_images(clip.files["video"]))
    shutil.copyfile(clip.files["audio"], _target(out, name, "split", clip, ".wav"))
    pairs = zip(read_images(clip.files["video"]), read_grey_frames(clip.files["alpha"]), strict=True)
    over_white = (
        composite_over(frame, alpha.astype(np.float32) * np.float32(1 / 255), WHITE) for frame, alpha in pairs
    )
    _write_video(_target(out, name, "matting_raw", clip, ".mp4"), clip.rate, over_white)
    _write_video(_target(out, name, "matting", clip, ".mp4"), clip.rate, read_images(clip.files["crop"]))
    _write_video(_target(out, name, "inv_debug", clip, ".mp4"), clip.rate, _overlays(clip, model))


def _overlays(clip: FinishedClip, model: MorphableModel) -> Iterator[Frame]:
    with np.load(clip.files["fine"], allow_pickle=False) as arrays:
        fit = {key: arrays[key].astype(np.float64) for key in ("euler", "trans", "focal", "id", "exp")}
    identity = fit["id"][: model.identity.shape[2]]
    focal = float(fit["focal"][0]) * clip.size / REFERENCE_SIZE
    centre = principal_point(clip.size)
    rotations = rotation_from_euler(fit["euler"])
    for index, frame in enumerate(read_images(clip.files["crop"])):
        vertices = model.shape(identity, fit["exp"][index, : model.expression.shape[2]]).astype(np.float64)
        yield draw_mesh(frame, model, vertices, rotations[index], fit["trans"][index], focal, centre)


def _export_values(clip: FinishedClip, out: Path, name: str) -> None:
    with np.load(clip.files["landmarks"], allow_pickle=False) as arrays:
        points: npt.NDArray[np.float32] = np.where(arrays["valid"][:, None, None], arrays["points"], -1)
    np.savetxt(_target(out, name, "kp", clip, ".txt"), points.reshape(-1))
    _savemat(
        _target(out, name, "3dmm", clip, ".mat"),
        clip.files["coarse"],
        ("coeff", "transform_params", "warping_params"),
    )
    _savemat(
        _target(out, name, "inv_render", clip, ".mat"),
        clip.files["fine"],
        ("id", "exp", "euler", "trans", "focal"),
    )


def _savemat(path: Path, source: Path, fields: tuple[str, ...]) -> None:
    with np.load(source, allow_pickle=False) as arrays:
        savemat(
            path,
            {field: np.atleast_2d(arrays[field]) if field == "id" else arrays[field] for field in fields},
        )
