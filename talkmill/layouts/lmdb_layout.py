"""An LMDB of images with values of each frame, and lists of its clips: what PIRender and OTAvatar read.

The keys are those of talkmill's own set, so that what is written is a set too (docs/data-format.md).
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np

from talkmill.dataset.columns import coefficient_columns, condition_columns
from talkmill.dataset.names import slug
from talkmill.dataset.writer import ClipArrays, DatasetWriter
from talkmill.fitting.alignment import at_size
from talkmill.layouts.layout import WHOLE_FOLDER, Bundle, Finding, Lengths, Piece
from talkmill.layouts.lists import lines_of
from talkmill.layouts.material import ClipMaterial
from talkmill.layouts.options import ExportOptions
from talkmill.pipeline.kinds import Kind
from talkmill.video.images import ImageWriter, read_coded

LISTS = {"train": "train_list.txt", "test": "test_list.txt"}
# Of the set's meta, what is said of files that the export has not.
NOT_HERE = ("made_from", "alpha_region")


class LmdbLayout(ABC):
    """An LMDB in a folder that is called by the size of its images, and two lists beside it.

    Attributes:
        default_size: Side of the images in pixels.
    """

    name: ClassVar[str]
    trainer: ClassVar[str]
    default_size: ClassVar[int]
    version: ClassVar[str] = "3"
    needs: ClassVar[frozenset[Kind]] = frozenset({"frames", "frame_table", "audio", "landmarks", "coefficients", "fit"})
    options: ClassVar[frozenset[str]] = frozenset({"size", "least_seconds", "most_seconds"})
    lengths: ClassVar[Lengths] = Lengths(1.0)
    whole_runs: ClassVar[bool] = True
    rate = None
    list_files: ClassVar[tuple[str, ...]] = tuple(LISTS.values())
    reads: ClassVar[tuple[str, ...]] = (WHOLE_FOLDER,)

    @abstractmethod
    def check(self, folder: Path) -> Iterator[Finding]:
        """See `Layout`."""

    def paths(self, piece: Piece, options: ExportOptions) -> tuple[str, ...]:
        """See `Layout`."""
        return (f"clips/{piece.name}.zip", f"clips/{piece.name}.npz")

    def write(self, piece: Piece, material: ClipMaterial, options: ExportOptions, folder: Path) -> None:
        """See `Layout`."""
        images, values = (folder / path for path in self.paths(piece, options))
        size, frames = self._size(options), piece.frames
        with ImageWriter(images) as writer:
            for content in material.crops(frames, size):
                writer.write_coded(content)
        fine, coarse, landmarks = material.fit, material.coefficients, material.landmarks
        points = (landmarks.points[frames] + np.float32(0.5)) * np.float32(size / material.clip.size) - np.float32(0.5)
        with values.open("wb") as file:
            np.savez(
                file,
                keypoint=points,
                coefficients=coefficient_columns(coarse.coeff[frames], at_size(coarse.transform_params[frames], size)),
                condition=condition_columns(fine.euler[frames], fine.trans[frames], fine.focal),
                identity=fine.id,
                valid=material.valid[frames],
                confidence=landmarks.confidence[frames].mean(axis=1),
                meta=json.dumps(_meta(piece, material)),
            )

    def bundles(self, pieces: Sequence[Piece], options: ExportOptions) -> Sequence[Bundle]:
        """See `BundledLayout`."""
        size = self._size(options)
        return [Bundle("lmdb", (f"{size}/data.mdb", f"{size}/lock.mdb"), tuple(pieces))]

    def bundle(self, bundle: Bundle, options: ExportOptions, folder: Path, target: Path) -> None:
        """See `BundledLayout`."""
        with TemporaryDirectory(dir=target) as scratch:
            with DatasetWriter(Path(scratch), self._size(options)) as writer:
                for piece in bundle.pieces:
                    images, values = (folder / path for path in self.paths(piece, options))
                    with np.load(values, allow_pickle=False) as stored:
                        arrays = dict(stored)
                    meta = json.loads(str(arrays.pop("meta")))
                    fingerprint = sha256(values.read_bytes() + images.read_bytes()).hexdigest()
                    writer.add(
                        clip_key(piece), piece.split, fingerprint, read_coded(images), ClipArrays(**arrays), meta
                    )
            for file in bundle.files:
                (Path(scratch) / Path(file).name).replace(target / file)

    def lists(self, pieces: Sequence[Piece], options: ExportOptions, folder: Path) -> Mapping[str, bytes]:
        """See `Layout`."""
        return {file: lines_of(pieces, split, clip_key) for split, file in LISTS.items()}

    def _size(self, options: ExportOptions) -> int:
        return options.size or self.default_size


def clip_key(piece: Piece) -> str:
    """Return the name of a piece: the trainers take what stands before # for the person."""
    return f"{slug(piece.person)}#{piece.name}"


def _meta(piece: Piece, material: ClipMaterial) -> dict[str, Any]:
    """Return what is known of a piece: what the set says of its clip, with the piece's own frames, rate and start."""
    kept = {key: value for key, value in material.clip.meta.items() if key not in NOT_HERE}
    return kept | {
        "clip": piece.clip,
        # What was measured and noted is of the whole clip, as it lies in the set.
        "clip_frame_count": material.clip.meta["frame_count"],
        "clip_rate": str(material.set_rate),
        "frame_count": piece.frame_count,
        "rate": str(piece.rate),
        "start_seconds": material.start_seconds(piece.first_frame),
    }
