"""SadTalker: the coefficients of a clip as its networks take them, with the picture, the video and the sound of it.

SadTalker's own training code is not public: these are the files that its networks and its preprocessing read and write.

Source: OpenTalker/SadTalker cd4c046: src/utils/preprocess.py, src/generate_batch.py, src/generate_facerender_batch.py.
"""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import ClassVar

import numpy as np

from talkmill.arrays import Float32Array
from talkmill.fitting.alignment import at_size
from talkmill.layouts.checks.files import files_below, find
from talkmill.layouts.checks.media import check_movie, check_picture, check_wav
from talkmill.layouts.layout import WHOLE_FOLDER, Finding, Lengths, Piece
from talkmill.layouts.mat import read_mat, write_mat
from talkmill.layouts.material import ClipMaterial
from talkmill.layouts.media import write_movie
from talkmill.layouts.options import ExportOptions
from talkmill.pipeline.kinds import Kind
from talkmill.sound.audio import SAMPLE_RATE, write_wav
from talkmill.video.images import decode_image, encode_image

SIZE = 256
# Expression, angles and translation of the 257 coefficients; the scale and the shift of the crop follow.
PARTS = (slice(80, 144), slice(224, 227), slice(254, 257))
COLUMNS, ALL_COLUMNS = 73, 257
RATE = Fraction(25)
SPLITS = ("train", "test")
WRITE_MAT = "write coeff_3dmm (N, 73) and full_3dmm (1, 257) with scipy.io.savemat"


class SadTalker:
    """A folder a split with four files a clip."""

    name = "sadtalker"
    version = "1"
    trainer = "OpenTalker/SadTalker cd4c046"
    needs: ClassVar[frozenset[Kind]] = frozenset({"frames", "frame_table", "audio", "landmarks", "coefficients"})
    options = frozenset({"size", "least_seconds", "most_seconds", "encoder"})
    lengths = Lengths(1.0)
    whole_runs = True
    rate = RATE
    list_files: ClassVar[tuple[str, ...]] = ()
    reads: ClassVar[tuple[str, ...]] = (WHOLE_FOLDER,)

    def paths(self, piece: Piece, options: ExportOptions) -> tuple[str, ...]:
        """See `Layout`."""
        return tuple(f"{piece.split}/{piece.name}.{suffix}" for suffix in ("mat", "png", "mp4", "wav"))

    def write(self, piece: Piece, material: ClipMaterial, options: ExportOptions, folder: Path) -> None:
        """See `Layout`."""
        values, picture, movie, sound = (folder / path for path in self.paths(piece, options))
        size, coarse = options.even_size() or SIZE, material.coefficients
        coefficients = coarse.coeff[piece.frames]
        alignment = at_size(coarse.transform_params[piece.frames], size)
        write_mat(values, {"coeff_3dmm": semantic_columns(coefficients, alignment), "full_3dmm": coefficients[:1]})
        frames = map(decode_image, material.crops(piece.frames, size))
        first = next(frames)
        picture.write_bytes(encode_image(first, "png"))
        samples = material.sound(piece.frames)
        write_movie(movie, piece.rate, chain([first], frames), samples, options.encoder)
        write_wav(sound, samples)

    def lists(self, pieces: Sequence[Piece], options: ExportOptions, folder: Path) -> Mapping[str, bytes]:
        """See `Layout`. The reader is given files by name."""
        return {}

    def check(self, folder: Path) -> Iterator[Finding]:
        """See `Layout`."""
        files = files_below(folder, ".mat")
        if not files:
            yield Finding("train", "there is no such list: no .mat file lies here", WRITE_MAT)
        for file in files:
            yield from _check_clip(folder, file)


def semantic_columns(coefficients: Float32Array, alignment: Float32Array) -> Float32Array:
    """Return what SadTalker reads as `coeff_3dmm`, (N, 73) float32.

    Args:
        coefficients: (N, 257) of Deep3DFaceRecon.
        alignment: (N, 5) of images of 256 pixels.

    Returns:
        Expression (64), angles (3), translation (3), then s, t0, t1.
    """
    return np.concatenate([*(coefficients[:, part] for part in PARTS), alignment[:, 2:5]], axis=1)


def _check_clip(folder: Path, file: str) -> Iterator[Finding]:
    """Check the coefficients of a clip, and the files of its name that lie beside them."""
    clip = file.removesuffix(".mat")
    if (yield from find(folder, file)) is None:
        return
    try:
        values = read_mat(folder / file)
    except ValueError as error:
        yield Finding(file, f"cannot be read: {error}", WRITE_MAT)
        return
    count: int | None = None
    for name, columns in (("coeff_3dmm", COLUMNS), ("full_3dmm", ALL_COLUMNS)):
        found = values.get(name)
        if found is None:
            yield Finding(file, f"holds no {name}", WRITE_MAT)
        elif found.ndim != 2 or found.shape[1] != columns or not len(found):
            yield Finding(file, f"holds {name} {found.shape}; (N, {columns}) is expected", WRITE_MAT)
        elif not np.isfinite(found).all():
            rows = int((~np.isfinite(found)).any(axis=1).sum())
            yield Finding(file, f"holds {name} that is not finite in {rows} rows", "leave the frames out")
        elif name == "coeff_3dmm":
            count = len(found)
    movie = f"{clip}.mp4"
    if (folder / movie).exists():
        seen = yield from check_movie(folder, movie, RATE)
        if seen is not None and count is not None and seen.frame_count != count:
            yield Finding(movie, f"has {seen.frame_count} frames, {file} has {count} rows", "write both again")
        if seen is not None and seen.width != seen.height:
            yield Finding(movie, f"is {seen.width}x{seen.height}; squares are expected", "cut a square")
    sound = f"{clip}.wav"
    if (folder / sound).exists():
        least = None if count is None else round(count / RATE * SAMPLE_RATE)
        yield from check_wav(folder, sound, least)
    picture = f"{clip}.png"
    if (folder / picture).exists():
        yield from check_picture(folder, picture)
