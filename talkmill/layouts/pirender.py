"""PIRender: an LMDB of images of 256 pixels with the coarse coefficients of each frame, and lists of its clips.

Source: RenYurui/PIRender 9e59f19: data/vox_dataset.py, vox_video_dataset.py, scripts/prepare_vox_lmdb.py,
config/face.yaml. The keys are those of talkmill's own set, which PIRender reads where its images have that size.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import numpy as np

from talkmill.dataset.columns import coefficient_columns, condition_columns
from talkmill.dataset.names import slug
from talkmill.dataset.writer import ClipArrays, DatasetWriter
from talkmill.fitting.alignment import at_size
from talkmill.layouts.layout import Bundle, Finding, Lengths, Piece
from talkmill.layouts.lists import lines_of
from talkmill.layouts.lmdb_checks import check_pirender
from talkmill.layouts.material import ClipMaterial
from talkmill.layouts.options import ExportOptions
from talkmill.pipeline.kinds import Kind
from talkmill.video.images import ImageWriter, read_coded

SIZE = 256
LISTS = {"train": "train_list.txt", "test": "test_list.txt"}
# Of the set's meta, what is said of files that the export has not.
NOT_HERE = ("made_from", "alpha_region")


class PIRender:
    """An LMDB in a folder that is called by the size of its images, and two lists beside it."""

    name = "pirender"
    version = "1"
    trainer = "RenYurui/PIRender 9e59f19"
    needs: ClassVar[frozenset[Kind]] = frozenset({"frames", "frame_table", "audio", "landmarks", "coefficients", "fit"})
    options = frozenset({"size", "least_seconds", "most_seconds"})
    lengths = Lengths(1.0)
    whole_runs = True
    rate = None

    def paths(self, piece: Piece, options: ExportOptions) -> tuple[str, ...]:
        """See `Layout`."""
        return (f"clips/{piece.name}.zip", f"clips/{piece.name}.npz")

    def write(self, piece: Piece, material: ClipMaterial, options: ExportOptions, folder: Path) -> None:
        """See `Layout`."""
        images, values = (folder / path for path in self.paths(piece, options))
        size, frames = options.size or SIZE, piece.frames
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
                meta=json.dumps({key: value for key, value in material.clip.meta.items() if key not in NOT_HERE}),
            )

    def bundles(self, pieces: Sequence[Piece], options: ExportOptions) -> Sequence[Bundle]:
        """See `BundledLayout`."""
        size = options.size or SIZE
        return [Bundle("lmdb", (f"{size}/data.mdb", f"{size}/lock.mdb"), tuple(pieces))]

    def bundle(self, bundle: Bundle, options: ExportOptions, folder: Path, target: Path) -> None:
        """See `BundledLayout`."""
        with TemporaryDirectory(dir=target) as scratch:
            with DatasetWriter(Path(scratch), options.size or SIZE) as writer:
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

    def check(self, folder: Path) -> Iterator[Finding]:
        """See `Layout`."""
        return check_pirender(folder)


def clip_key(piece: Piece) -> str:
    """Return the name of a piece: the trainer takes what stands before # for the person."""
    return f"{slug(piece.person)}#{piece.name}"
