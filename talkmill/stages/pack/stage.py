"""Pack: the clips of a run into one LMDB, checked after writing."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from talkmill.artifacts.artifact import Artifact
from talkmill.artifacts.manifest import ModelVersion
from talkmill.dataset.columns import coefficient_columns, condition_columns
from talkmill.dataset.lists import list_paths, write_lists
from talkmill.dataset.manifest import DamagedEntryError, DatasetManifest
from talkmill.dataset.reader import Dataset
from talkmill.dataset.writer import ClipArrays, DatasetWriter
from talkmill.files import write_whole
from talkmill.stages.contract import Measurement, StageContext
from talkmill.stages.digest import action_digest
from talkmill.stages.errors import (
    FrameContractError,
    InternalError,
    InvalidRequestError,
    NotWritableError,
    SetDamagedError,
)
from talkmill.stages.pack.messages import InPlacePackOutputs, PackedClip, PackInputs, PackOutputs, read_clips
from talkmill.stages.records import ClipLandmarks, CoarseFit, FineFit
from talkmill.video.images import read_coded


class PackStage:
    """Writes a set in scratch and publishes it."""

    name = "pack"
    version = "5"
    outputs_type = PackOutputs
    models: tuple[ModelVersion, ...] = ()
    execution_provider = ""
    arithmetic = ""
    keeps_result = True

    def load(self) -> None:
        """Nothing to load."""

    def run(self, inputs: PackInputs, context: StageContext) -> PackOutputs:
        """Write the set.

        Raises:
            InvalidRequestError: Two clips have one name.
            FrameContractError: A clip's frames and values differ in number.
            InternalError: What was read back is not what was written.
        """
        root = context.scratch / "lmdb"
        manifest, measurements = write_set(root, inputs, self.version, context)
        lists = [context.publish(path, path.name, "text/plain") for path in list_paths(root)]
        index = root / f"dataset_{manifest.size}.json"
        write_whole(index, manifest.encode())
        database = context.publish(root / str(manifest.size) / "data.mdb", "data.mdb", "application/x-lmdb")
        return PackOutputs(database, context.publish(index, index.name, "application/json"), tuple(lists), measurements)


class InPlacePackStage:
    """Writes the set of a user's folder in place; clips that are there, packed from the same things, stay.

    The set is no artifact: it changes with every command. So nothing that this stage answers is kept or looked up.
    """

    name = PackStage.name
    version = PackStage.version
    outputs_type = InPlacePackOutputs
    models: tuple[ModelVersion, ...] = ()
    execution_provider = ""
    arithmetic = ""
    keeps_result = False

    def __init__(self, folder: Path) -> None:
        """Create the stage.

        Args:
            folder: `<size>/data.mdb` and the lists lie there.
        """
        self._folder = folder

    def load(self) -> None:
        """Nothing to load."""

    def run(self, inputs: PackInputs, context: StageContext) -> InPlacePackOutputs:
        """Bring the set up to date.

        Raises:
            InvalidRequestError: Two clips have one name.
            NotWritableError: The folder holds a set of another size, schema or tool, or another run writes into it.
            SetDamagedError: The entry of a clip of the set is damaged.
            FrameContractError: A clip's frames and values differ in number.
            InternalError: What was read back is not what was written.
        """
        _, measurements = write_set(self._folder, inputs, self.version, context)
        return InPlacePackOutputs(measurements)


def write_set(
    root: Path, inputs: PackInputs, version: str, context: StageContext
) -> tuple[DatasetManifest, dict[str, Measurement]]:
    """Write clips into the set of a folder, remove others, then write the lists.

    Args:
        root: `<size>/data.mdb` and the lists lie there.
        inputs: What the set is to hold.
        version: Of the stage; a clip that another version packed is packed again.
        context: Of the execution.

    Returns:
        The manifest of the set, and what was seen.

    Raises:
        StageError: See the stages.
    """
    folder = root / str(inputs.parameters.size)
    clips = read_clips(context.path(inputs.clips))
    twice = [name for name, count in Counter(clip.name for clip in clips).items() if count > 1]
    if twice:
        raise InvalidRequestError(
            f"clips: {len(twice)} names stand for two clips each, such as {twice[0]}", field="clips"
        )
    try:
        writer = DatasetWriter(folder, inputs.parameters.size)
    except DamagedEntryError as error:
        raise SetDamagedError(f"{folder}: {error.finding}") from error
    except ValueError as error:
        raise NotWritableError(f"{folder}: {error}") from error
    written = []
    with writer:
        for name in inputs.removed:
            writer.remove(name)
        for done, clip in enumerate(clips):
            context.advance(done, len(clips), "clips")
            fingerprint = action_digest(PackStage.name, version, (), clip)
            if not writer.has(clip.name, fingerprint):
                _write(writer, clip, fingerprint, context)
                written.append(clip.name)
        manifest = writer.manifest
    write_lists(root, manifest)
    try:
        with Dataset(folder) as dataset:
            for name in written:
                dataset.verify_clip(name)
    except ValueError as error:
        raise InternalError(f"the set does not read back as it was written: {error}") from error
    return manifest, {
        "clip_count": len(manifest.clips),
        "frame_count": sum(entry.frame_count for entry in manifest.clips.values()),
        "written_clip_count": len(written),
    }


def _write(writer: DatasetWriter, clip: PackedClip, fingerprint: str, context: StageContext) -> None:
    # A set may be larger than the scratch volume: inputs are fetched clip by clip.
    with TemporaryDirectory(dir=context.scratch) as folder:

        def path(artifact: Artifact) -> Path:
            return context.store.fetch(artifact, Path(folder))

        def frames() -> Iterator[bytes]:
            for count, image in enumerate(read_coded(path(clip.frames))):
                context.advance(count, len(arrays.valid))
                context.count_video(1, 0.0)
                yield image

        try:
            arrays = _clip_arrays(clip, path)
            writer.add(clip.name, clip.split, fingerprint, frames(), arrays, clip.meta)
        except ValueError as error:
            raise FrameContractError(str(error)) from error


def _clip_arrays(clip: PackedClip, path: Callable[[Artifact], Path]) -> ClipArrays:
    landmarks = ClipLandmarks.load(path(clip.landmarks))
    coarse = None if clip.coefficients is None else CoarseFit.load(path(clip.coefficients))
    fine = None if clip.fit is None else FineFit.load(path(clip.fit))
    valid = landmarks.valid if fine is None else landmarks.valid & fine.valid
    return ClipArrays(
        keypoint=landmarks.points,
        coefficients=None if coarse is None else coefficient_columns(coarse.coeff, coarse.transform_params),
        condition=None if fine is None else condition_columns(fine.euler, fine.trans, fine.focal),
        identity=None if fine is None else fine.id,
        valid=valid,
        confidence=np.where(valid, landmarks.confidence.mean(1), 0).astype(np.float32),
    )
