"""A set in the folder layout of OTAvatar_processing: docs/data-format.md, "The folder layout".

Which clips there are is what the set says; what they are made from lies in the `work` folder beside it.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from talkmill.arrays import Frame
from talkmill.dataset.copying import copy_set
from talkmill.dataset.environment import DatasetError
from talkmill.dataset.lists import SPLITS, write_lists
from talkmill.dataset.lock import locked
from talkmill.dataset.reader import Dataset, read_manifest, size_folder
from talkmill.fitting.overlay import draw_mesh
from talkmill.geometry.conventions import REFERENCE_SIZE, principal_point, rotation_from_euler
from talkmill.layouts.folder import ExportFolder, Part, StrangerError
from talkmill.layouts.mat import write_mat
from talkmill.layouts.media import even
from talkmill.matting.composite import composite_over
from talkmill.models.repository import ModelError, ModelRepository
from talkmill.morphable.model import MorphableModel
from talkmill.pipeline.finished import ClipGoneError, FinishedClip, WorkFolder, finished_clip
from talkmill.pipeline.kinds import Kind
from talkmill.region import Region
from talkmill.stages.records import ClipLandmarks, CoarseFit, FineFit
from talkmill.video.clip import read_clip
from talkmill.video.decode import read_grey_frames
from talkmill.video.encode import compatible_writer
from talkmill.video.frame_table import FrameTable
from talkmill.video.images import read_images

NAME = "of OTAvatar_processing"
WHITE = (255, 255, 255)
# Of what is in the files of a clip: clips that another version wrote are written again.
LAYOUT_VERSION = "3"
# Kinds of a clip's files that it is made of.
NEEDS: frozenset[Kind] = frozenset(
    {"video", "frame_table", "audio", "alpha", "frames", "landmarks", "coefficients", "fit"}
)
# Folder and suffix of each file of a clip.
CLIP_FILES = (
    ("split", ".mp4"),
    ("split", ".wav"),
    ("matting_raw", ".mp4"),
    ("matting", ".mp4"),
    ("kp", ".txt"),
    ("3dmm", ".mat"),
    ("inv_render", ".mat"),
    ("inv_debug", ".mp4"),
)


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What an export came to.

    Attributes:
        written: Clips that were written.
        kept: Clips that an earlier export wrote from the same things.
        failed: Clips that could not be written, and why.
        strangers: Files in the folders of the layout that no export wrote.
    """

    written: tuple[str, ...]
    kept: tuple[str, ...]
    failed: tuple[tuple[str, str], ...]
    strangers: tuple[Path, ...]


def export_processing(folder: Path, out: Path, name: str, models: ModelRepository) -> ExportResult:
    """Write every clip of a set, and the set.

    What is written already, from the same things, stays; files of clips that are no longer in the set go away.

    Args:
        folder: The run's folder, or that of `data.mdb`.
        out: Where to write.
        name: Prefix of the folders.
        models: For the mesh of `_inv_debug`.

    Returns:
        What was written.

    Raises:
        DatasetError: The folder holds no set, one without clips, or one with damaged entries; nothing was written.
        NoWorkError: The set has no `work` folder; nothing was written.
        ClipGoneError: Not one clip can be written; nothing was written.
        FolderBusyError: Another export writes into `out`.
    """
    database = size_folder(folder)
    work = WorkFolder.of(database)
    _refuse_hopeless(database, work)
    with locked(out, "export"):
        target = ExportFolder(out, name)
        with TemporaryDirectory(dir=out, prefix=".set-") as staging:
            copied, part = _export_database(database, Path(staging), target, out, name)
            with Dataset(copied) as dataset:
                return _export_clips(dataset, part, work, target, name, models)


def _refuse_hopeless(database: Path, work: WorkFolder) -> None:
    """Raise the first clip's error where not one clip can be written, before anything is."""
    errors: list[str] = []
    with Dataset(database) as dataset:
        if not dataset:
            raise DatasetError(f"{database} holds no clip")
        dataset.manifest.check_entries()
        for clip in dataset:
            try:
                found = finished_clip(dataset, clip)
                work.require(found, NEEDS, NAME, of_runs=False)
                return work.check(found, NEEDS)
            except (ClipGoneError, DatasetError) as error:
                errors.append(f"{clip}: {error}")
    raise ClipGoneError(f"not one of {len(errors)} clips can be exported; nothing was written. {errors[0]}")


def _export_database(database: Path, staging: Path, target: ExportFolder, out: Path, name: str) -> tuple[Path, Part]:
    """Copy the set; a run that goes on beside does not change what is exported.

    Returns:
        The folder of the copy, and what it is in the export: what was copied says that, not what lies there now.
    """
    manifest = copy_set(database, staging)
    part = _database_part(staging, name)
    if target.holds(part):
        return staging, part

    def move(folder: Path) -> None:
        for file in part.files[:2]:
            (staging / Path(file).name).replace(folder / file)
        write_lists(folder / f"{name}_lmdb", manifest)

    target.write(part, move)
    return (out / part.files[0]).parent, part


def _database_part(database: Path, name: str) -> Part:
    manifest = read_manifest(database)
    root = f"{name}_lmdb"
    files = [f"{root}/{manifest.size}/{file}" for file in ("data.mdb", "lock.mdb")]
    files += [f"{root}/{split}_list.txt" for split in SPLITS]
    return Part("lmdb", hashlib.sha256(manifest.encode()).hexdigest(), tuple(files))


def _export_clips(
    dataset: Dataset, database_part: Part, work: WorkFolder, target: ExportFolder, name: str, models: ModelRepository
) -> ExportResult:
    parts = [database_part]
    written, kept, failed = [], [], []

    @cache
    def head(basis: str) -> MorphableModel:
        return MorphableModel.load(models.ensure(basis, "morphable").path)

    for clip_name, entry in dataset.manifest.clips.items():
        part = _clip_part(clip_name, entry.split, entry.fingerprint, name)
        parts.append(part)
        if target.holds(part):
            kept.append(clip_name)
            continue
        try:
            clip = finished_clip(dataset, clip_name)
            work.require(clip, NEEDS, NAME, of_runs=False)
            target.write(part, _clip_writer(clip, work.files(clip, NEEDS), head(clip.basis), name))
        except (ClipGoneError, DatasetError, ModelError, StrangerError) as error:
            failed.append((clip_name, str(error)))
        else:
            written.append(clip_name)
    target.keep_only(parts)
    folders = sorted({f"{name}_{step}/{split}" for step, _ in CLIP_FILES for split in SPLITS})
    return ExportResult(tuple(written), tuple(kept), tuple(failed), tuple(target.strangers(folders)))


def _clip_part(clip: str, split: str, fingerprint: str, name: str) -> Part:
    files = tuple(_place(name, step, split, clip, suffix) for step, suffix in CLIP_FILES)
    return Part(f"clip {clip}", f"{LAYOUT_VERSION} {fingerprint}", files)


def _place(name: str, step: str, split: str, clip: str, suffix: str) -> str:
    return f"{name}_{step}/{split}/{clip}{suffix}"


def _clip_writer(
    clip: FinishedClip, files: dict[str, Path], model: MorphableModel, name: str
) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        def place(step: str, suffix: str) -> Path:
            return folder / _place(name, step, clip.split, clip.name, suffix)

        _write_videos(clip, files, model, place)
        _write_values(files, place)

    return write


def _write_videos(
    clip: FinishedClip, files: dict[str, Path], model: MorphableModel, place: Callable[[str, str], Path]
) -> None:
    table = FrameTable.load(files["frame_table"])
    _write_video(place("split", ".mp4"), clip.rate, even(read_clip(files["video"], table)))
    shutil.copyfile(files["audio"], place("split", ".wav"))
    _write_video(
        place("matting_raw", ".mp4"),
        clip.rate,
        even(_over_white(files["video"], table, files["alpha"], clip.alpha_region)),
    )
    _write_video(place("matting", ".mp4"), clip.rate, read_images(files["frames"]))
    _write_video(place("inv_debug", ".mp4"), clip.rate, _overlays(clip.size, files["frames"], files["fit"], model))


def _write_video(path: Path, rate: Fraction, frames: Iterator[Frame]) -> None:
    with compatible_writer(path, rate) as writer:
        for frame in frames:
            writer.write(frame)


def _over_white(video: Path, table: FrameTable, alpha: Path, region: Region) -> Iterator[Frame]:
    """Yield whole frames over white; where alpha was not stored there is white."""
    for frame, cover in zip(read_clip(video, table), read_grey_frames(alpha), strict=True):
        white = np.full_like(frame, WHITE[0])
        part = region.slices
        white[part] = composite_over(frame[part], cover, WHITE)
        yield white


def _overlays(size: int, frames: Path, fine: Path, model: MorphableModel) -> Iterator[Frame]:
    fit = FineFit.load(fine)
    identity = fit.id[: model.identity.shape[2]].astype(np.float64)
    focal = float(fit.focal[0]) * size / REFERENCE_SIZE
    expression, translations = fit.exp[:, : model.expression.shape[2]].astype(np.float64), fit.trans.astype(np.float64)
    centre = principal_point(size)
    rotations = rotation_from_euler(fit.euler.astype(np.float64))
    for index, frame in enumerate(read_images(frames)):
        vertices = model.shape(identity, expression[index]).astype(np.float64)
        yield draw_mesh(frame, model, vertices, rotations[index], translations[index], focal, centre)


def _write_values(files: dict[str, Path], place: Callable[[str, str], Path]) -> None:
    np.savetxt(place("kp", ".txt"), ClipLandmarks.load(files["landmarks"]).points.reshape(-1))
    coarse, fine = CoarseFit.load(files["coefficients"]), FineFit.load(files["fit"])
    write_mat(
        place("3dmm", ".mat"),
        {
            "coeff": coarse.coeff,
            "transform_params": coarse.transform_params,
            "warping_params": coarse.warping_params,
        },
    )
    write_mat(
        place("inv_render", ".mat"),
        {
            "id": np.atleast_2d(fine.id),
            "exp": fine.exp,
            "euler": fine.euler,
            "trans": fine.trans,
            "focal": fine.focal,
        },
    )
