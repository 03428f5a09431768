"""WebDataset: tar files of many clips, each clip a video, its sound, its values and what is known of it.

Source: webdataset/webdataset e0953f9: src/webdataset/tariterators.py, autodecode.py, filters.py.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from tarfile import PAX_FORMAT, TarFile, TarInfo
from typing import Any, ClassVar

import numpy as np

from talkmill.geometry.transforms import apply
from talkmill.layouts.checks.shards import check_shards
from talkmill.layouts.layout import WHOLE_FOLDER, Bundle, Finding, Lengths, Piece
from talkmill.layouts.material import ClipMaterial
from talkmill.layouts.media import write_movie
from talkmill.layouts.options import ExportOptions
from talkmill.layouts.pictures import Picture, picture_of
from talkmill.layouts.rows import clip_row
from talkmill.pipeline.kinds import Kind
from talkmill.sound.audio import write_wav

SUFFIXES = ("mp4", "wav", "json", "npz")
SPLITS = ("train", "test")
LIST = "shards.json"
# A shard has as many clips or more, up to twice as many, where the set has them. Chosen: clips of 10 s give some
# hundreds of megabytes, which is what the authors advise.
CLIPS_PER_SHARD = 64


class WebDataset:
    """Shards of a split, `train-000000.tar` and so on, and how many samples each holds."""

    name = "webdataset"
    version = "2"
    trainer = "webdataset/webdataset e0953f9"
    needs: ClassVar[frozenset[Kind]] = frozenset(
        {"video", "frame_table", "audio", "face_track", "landmarks", "geometry", "coefficients", "fit"}
    )
    options = frozenset({"size", "face_share", "least_seconds", "most_seconds", "encoder"})
    # A sample is held in memory whole.
    lengths = Lengths(1.0, 30.0)
    whole_runs = True
    rate = None
    list_files: ClassVar[tuple[str, ...]] = (LIST,)
    reads: ClassVar[tuple[str, ...]] = (WHOLE_FOLDER,)

    def paths(self, piece: Piece, options: ExportOptions) -> tuple[str, ...]:
        """See `Layout`."""
        return tuple(f"samples/{piece.name}.{suffix}" for suffix in SUFFIXES)

    def write(self, piece: Piece, material: ClipMaterial, options: ExportOptions, folder: Path) -> None:
        """See `Layout`."""
        movie, sound, row, values = (folder / path for path in self.paths(piece, options))
        picture, samples = picture_of(piece, material, options), material.sound(piece.frames)
        write_movie(movie, piece.rate, picture.frames(piece, material), samples, options.encoder)
        write_wav(sound, samples)
        row.write_text(json.dumps(clip_row(piece, material, picture, {})))
        with values.open("wb") as file:
            np.savez(file, **piece_values(piece, material, picture))

    def bundles(self, pieces: Sequence[Piece], options: ExportOptions) -> Sequence[Bundle]:
        """See `BundledLayout`. A clip's name says which shard is its own: a new clip changes one shard."""
        shards: dict[str, list[Piece]] = {}
        for split in SPLITS:
            chosen = [piece for piece in pieces if piece.split == split]
            count = shard_count(len({piece.clip for piece in chosen}))
            for piece in chosen:
                number = int.from_bytes(sha256(piece.clip.encode()).digest()[:8], "big") % count
                shards.setdefault(f"{split}-{number:06}.tar", []).append(piece)
        return [Bundle(name, (name,), tuple(shards[name])) for name in sorted(shards)]

    def bundle(self, bundle: Bundle, options: ExportOptions, folder: Path, target: Path) -> None:
        """See `BundledLayout`. The same samples give the same bytes; a name over 100 bytes gets a header of pax."""
        with TarFile(target / bundle.files[0], "w", format=PAX_FORMAT) as shard:
            for piece in bundle.pieces:
                for path in self.paths(piece, options):
                    member = TarInfo(Path(path).name)
                    member.size = (folder / path).stat().st_size
                    with (folder / path).open("rb") as file:
                        shard.addfile(member, file)

    def lists(self, pieces: Sequence[Piece], options: ExportOptions, folder: Path) -> Mapping[str, bytes]:
        """See `Layout`."""
        counts = {bundle.name: len(bundle.pieces) for bundle in self.bundles(pieces, options)}
        return {LIST: json.dumps(counts, indent=1).encode() + b"\n"}

    def check(self, folder: Path) -> Iterator[Finding]:
        """See `Layout`."""
        return check_shards(folder)


def shard_count(clip_count: int) -> int:
    """Return how many shards so many clips go into: a power of two, so that most clips stay where they are."""
    return 1 << max(0, (clip_count // CLIPS_PER_SHARD).bit_length() - 1)


def piece_values(piece: Piece, material: ClipMaterial, picture: Picture) -> dict[str, Any]:
    """Return arrays of a piece by name; all but the last three have a row a frame.

    Positions are in pixels of the video, centres at integers; `transform_params` are of the set's crop.
    """
    frames, coarse, fine = piece.frames, material.coefficients, material.fit
    shown = picture.picture_from_frame
    corners = apply(shown, material.boxes[frames].astype(np.float64).reshape(-1, 2, 2))
    return {
        "valid": material.valid[frames],
        "landmarks": apply(shown, material.points[frames]).astype(np.float32),
        "confidence": material.landmarks.confidence[frames],
        "boxes": corners.reshape(-1, 4).astype(np.float32),
        "coeff": coarse.coeff[frames],
        "transform_params": coarse.transform_params[frames],
        "euler": fine.euler[frames],
        "trans": fine.trans[frames],
        "exp": fine.exp[frames],
        "focal": fine.focal,
        "id": fine.id,
        "video_from_crop": (shown @ material.geometry.image_from_crop).astype(np.float64),
    }
