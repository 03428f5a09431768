"""Pack: the clips of a run into one LMDB, checked after writing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from services.pack.messages import PackedClip, PackInputs, PackOutputs, read_clips
from talkmill.artifacts.artifact import Artifact
from talkmill.artifacts.manifest import ModelVersion
from talkmill.dataset.reader import verify_clip
from talkmill.dataset.writer import ClipArrays, DatasetManifest, DatasetWriter, encode_frame
from talkmill.stage.contract import Measurement, StageContext
from talkmill.stage.digest import action_digest
from talkmill.stage.errors import FrameContractError, InternalError, NotWritableError
from talkmill.video.decode import read_images


@dataclass(frozen=True, slots=True)
class InPlace:
    """A folder of the user's that holds the set.

    Attributes:
        folder: `<size>/data.mdb` and the lists lie there.
        adopt: Describes a file of that folder, with its media type, as an artifact.
    """

    folder: Path
    adopt: Callable[[Path, str], Artifact]


class PackStage:
    """Writes a set: in place where it has a folder of its own, else in scratch, to be published.

    In place, clips that are there already, packed from the same things, are not written again.
    """

    name = "pack"
    version = "4"
    outputs_type = PackOutputs
    models: tuple[ModelVersion, ...] = ()
    execution_provider = ""

    def __init__(self, in_place: InPlace | None = None) -> None:
        """Create the stage.

        Args:
            in_place: Where the set lies; None to write a new one in scratch and publish it.
        """
        self._in_place = in_place

    def load(self) -> None:
        """Nothing to load."""

    def run(self, inputs: PackInputs, context: StageContext) -> PackOutputs:
        """Write the set.

        Raises:
            NotWritableError: The folder holds a set of another size, schema or tool.
            FrameContractError: A clip's frames and values differ in number.
            InternalError: What was read back is not what was written.
        """
        root = self._in_place.folder if self._in_place else context.scratch / "lmdb"
        folder = root / str(inputs.parameters.size)
        try:
            writer = DatasetWriter(folder, inputs.parameters.size)
        except ValueError as error:
            raise NotWritableError(f"{folder}: {error}") from error
        written = []
        with writer:
            for name in inputs.removed:
                writer.remove(name)
            clips = read_clips(context.path(inputs.clips))
            for done, clip in enumerate(clips):
                context.advance(done, len(clips), "clips")
                fingerprint = action_digest(self.name, self.version, (), clip)
                if not writer.has(clip.name, fingerprint):
                    self._write(writer, clip, fingerprint, context)
                    written.append(clip.name)
            manifest = writer.manifest
        for name in written:
            try:
                verify_clip(folder, name)
            except ValueError as error:
                raise InternalError(f"the set does not read back as it was written: {error}") from error
        return self._describe(root, manifest, len(written), context)

    def _write(self, writer: DatasetWriter, clip: PackedClip, fingerprint: str, context: StageContext) -> None:
        # A set may be larger than the scratch volume: inputs are fetched clip by clip.
        with TemporaryDirectory(dir=context.scratch) as folder:

            def path(artifact: Artifact) -> Path:
                return context.store.fetch(artifact, Path(folder))

            def frames() -> Iterator[bytes]:
                for count, image in enumerate(read_images(path(clip.frames))):
                    context.advance(count, 0)
                    context.count_video(1, 0.0)
                    yield encode_frame(image)

            try:
                writer.add(clip.name, clip.split, fingerprint, frames(), _clip_arrays(clip, path), clip.meta)
            except ValueError as error:
                raise FrameContractError(str(error)) from error

    def _describe(self, root: Path, manifest: DatasetManifest, written: int, context: StageContext) -> PackOutputs:
        def publish(path: Path, media_type: str) -> Artifact:
            return (
                self._in_place.adopt(path, media_type)
                if self._in_place
                else context.publish(path, path.name, media_type)
            )

        lists = []
        for split in ("train", "test"):
            path = root / f"{split}_list.txt"
            names = [name for name, entry in manifest.clips.items() if entry.split == split]
            _replace(path, "".join(f"{name}\n" for name in names).encode())
            lists.append(publish(path, "text/plain"))
        index = (root.parent / "work" if self._in_place else root) / f"dataset_{manifest.size}.json"
        _replace(index, manifest.encode())
        measurements: dict[str, Measurement] = {
            "clip_count": len(manifest.clips),
            "frame_count": sum(entry.frame_count for entry in manifest.clips.values()),
            "written_clip_count": written,
        }
        database = publish(root / str(manifest.size) / "data.mdb", "application/x-lmdb")
        return PackOutputs(database, publish(index, "application/json"), tuple(lists), measurements)


def condition_columns(
    euler: npt.NDArray[np.floating], trans: npt.NDArray[np.floating], focal: npt.NDArray[np.floating]
) -> npt.NDArray[np.float32]:
    """Return what OTAvatar reads as `condition`, (N, 7) float32: -euler (3), trans (3), focal (1).

    Args:
        euler: (N, 3) radians, AD-NeRF's angles.
        trans: (N, 3) units of 10 cm.
        focal: (1,) pixels of a 512 crop.
    """
    columns = np.concatenate([-euler, trans, np.broadcast_to(focal, (len(euler), 1))], axis=1)
    return np.asarray(columns, np.float32)


def _clip_arrays(clip: PackedClip, path: Callable[[Artifact], Path]) -> ClipArrays:
    with np.load(path(clip.landmarks), allow_pickle=False) as landmarks:
        points, valid = landmarks["points"], landmarks["valid"]
        confidence = landmarks["confidence"].mean(1)
    with np.load(path(clip.coefficients), allow_pickle=False) as coarse:
        coefficients = np.concatenate([coarse["coeff"], coarse["transform_params"][:, 2:5]], axis=1)
    with np.load(path(clip.fit), allow_pickle=False) as fit:
        condition = condition_columns(fit["euler"], fit["trans"], fit["focal"])
        identity = fit["id"]
        valid = valid & fit["valid"]
    return ClipArrays(
        keypoint=points.astype(np.float32),
        coefficients=coefficients.astype(np.float32),
        condition=condition,
        identity=identity.astype(np.float32),
        valid=valid,
        confidence=np.where(valid, confidence, 0).astype(np.float32),
    )


def _replace(path: Path, content: bytes) -> None:
    """Write a file so that it appears whole."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)
