"""LatentSync 1.5 and 1.6: faces aligned to a template, with sound.

Source: bytedance/LatentSync a229c39: latentsync/utils/affine_transform.py (AlignRestore), image_processor.py,
latentsync/data/unet_dataset.py, syncnet_dataset.py, tools/write_fileslist.py.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np

from talkmill.arrays import Float64Array, Frame
from talkmill.geometry.transforms import Matrix
from talkmill.layouts.checks.files import files_below, is_there
from talkmill.layouts.checks.lists import check_training, in_folder, read_lines
from talkmill.layouts.checks.media import SILENT, check_movie
from talkmill.layouts.layout import WHOLE_FOLDER, Finding, Lengths, Piece
from talkmill.layouts.lists import absolute_list
from talkmill.layouts.material import ClipMaterial
from talkmill.layouts.media import write_movie
from talkmill.layouts.options import ExportOptions
from talkmill.pipeline.kinds import Kind

LISTS = {"train": "fileslist_train.txt", "test": "fileslist_val.txt"}
FOLDERS = {"train": "train", "test": "val"}
# Middles of the brows and of the nose in a canvas of 75 x 100, and the size that the canvas has at 256 pixels.
TEMPLATE = np.array([[17.0, 20.0], [58.0, 20.0], [37.5, 40.0]])
CANVAS, CANVAS_SCALE = (75, 100), 2.8 / 256
# What lies outside the frame.
FILL = (127, 127, 127)
# The subject's right brow, left brow, and nose among the 68 points.
BROW_AND_NOSE = (slice(17, 22), slice(22, 27), [30, 31, 33, 35])
# The U-Net's reader asks for three times its 16 frames.
LEAST_FRAMES = 48
RATE = Fraction(25)
SIZES = (256, 512)


class LatentSync:
    """Aligned clips and the lists of their absolute paths."""

    name = "latentsync"
    version = "1"
    trainer = "bytedance/LatentSync a229c39"
    needs: ClassVar[frozenset[Kind]] = frozenset({"video", "frame_table", "audio", "landmarks", "geometry"})
    options = frozenset({"size", "least_seconds", "most_seconds", "encoder", "root"})
    lengths = Lengths(2.0, 10.0)
    whole_runs = True
    rate = RATE
    list_files: ClassVar[tuple[str, ...]] = tuple(LISTS.values())
    reads: ClassVar[tuple[str, ...]] = (WHOLE_FOLDER,)

    def paths(self, piece: Piece, options: ExportOptions) -> tuple[str, ...]:
        """See `Layout`."""
        return (f"{FOLDERS[piece.split]}/{piece.name}.mp4",)

    def write(self, piece: Piece, material: ClipMaterial, options: ExportOptions, folder: Path) -> None:
        """See `Layout`."""
        size = options.even_size() or SIZES[1]
        three = np.stack([material.points[piece.frames][:, part].mean(1) for part in BROW_AND_NOSE], axis=1)
        faces = (
            aligned(frame, aligned_from_frame(points, size), size)
            for frame, points in zip(material.frames(piece.frames), three, strict=True)
        )
        (path,) = self.paths(piece, options)
        write_movie(folder / path, piece.rate, faces, material.sound(piece.frames), options.encoder)

    def lists(self, pieces: Sequence[Piece], options: ExportOptions, folder: Path) -> Mapping[str, bytes]:
        """See `Layout`."""
        return {file: absolute_list(pieces, split, self.paths, folder, options) for split, file in LISTS.items()}

    def check(self, folder: Path) -> Iterator[Finding]:
        """See `Layout`. Both trainers take a folder in place of a list, and the U-Net's has no list for testing."""
        named: list[str] = []
        here = [file for file in LISTS.values() if is_there(folder / file)]
        for file in here:
            lines = yield from read_lines(folder, file, "write one absolute path of a clip per line")
            if lines is None:
                continue
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    yield Finding(file, f"line {number} is empty, and is read as a path", "take it out")
                elif not Path(line).is_absolute():
                    yield Finding(file, f"line {number}, {line}, is no absolute path", "write where the clip lies")
                named += [line.strip()] if line.strip() else []
            if file == LISTS["train"]:
                yield from check_training(file, len(named))
        if LISTS["train"] not in here:
            listed = {_last_two(Path(line)) for line in named}
            files = files_below(folder, ".mp4", hidden=True)
            training = [file for file in files if _last_two(folder.resolve() / file) not in listed]
            if not training:
                yield Finding(
                    LISTS["train"], "there is no such list, and no .mp4 file to train on",
                    "write one absolute path of a clip per line, or put clips here",
                )  # fmt: skip
        else:
            training = []
        for name, count in Counter(Path(path).name for path in (*named, *training)).items():
            if count > 1:
                yield Finding(name, f"{count} clips have this file name, and share one cached mel", "rename them")
        for line in dict.fromkeys(named):
            yield from _check_clip(folder, (yield from in_folder(folder, line, _last_two(Path(line)))))
        for file in training:
            yield from _check_clip(folder, file)


def _last_two(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _check_clip(folder: Path, name: str) -> Iterator[Finding]:
    found = yield from check_movie(folder, name, RATE)
    if found is None:
        return
    if found.width != found.height or found.width not in SIZES:
        yield Finding(
            name,
            f"is {found.width}x{found.height}; faces of 256x256 or 512x512 are expected",
            "align the faces as LatentSync does, or export again",
        )
    if found.frame_count < LEAST_FRAMES:
        yield Finding(name, f"has {found.frame_count} frames; under {LEAST_FRAMES} it is skipped", "leave it out")
    if found.sound_seconds is None:
        yield Finding(name, "has no sound", "mux the sound of the clip into it")
    elif found.sound_seconds < found.frame_count / RATE:
        yield Finding(
            name,
            f"has {found.sound_seconds:.2f} s of sound for {float(found.frame_count / RATE):.2f} s of frames",
            "pad the sound with silence",
        )
    if found.silent:
        yield Finding(name, *SILENT)


def aligned_from_frame(points: Float64Array, size: int) -> Matrix:
    """Return the matrix that takes a frame to the aligned face.

    The similarity is found by Procrustes analysis as AlignRestore does it: the scale is the ratio of the spreads of the
    points, not that of least squares. Its bias term, which moves a face by some tenths of a pixel, is left out; so is
    the rounding of the points to whole pixels, which makes the face tremble.

    Args:
        points: (3, 2) middles of the brow on the left of the picture, of the other, and of the nose, in pixels.
        size: Side of the aligned face in pixels.

    Returns:
        (3, 3) pixels of the frame to pixels of the face, centres at integers.
    """
    ratio = CANVAS_SCALE * size
    template = TEMPLATE * ratio
    centre, wanted = points.mean(0), template.mean(0)
    u, _, vt = np.linalg.svd((template - wanted).T @ (points - centre))
    turn = u @ np.diag([1.0, np.sign(np.linalg.det(u @ vt))]) @ vt
    scale = np.linalg.norm(template - wanted) / np.linalg.norm(points - centre)
    canvas = np.eye(3)
    canvas[:2, :2] = scale * turn
    canvas[:2, 2] = wanted - scale * turn @ centre
    # The canvas is stretched to a square, as cv2.resize does it.
    stretch = np.array([size / int(side * ratio) for side in CANVAS])
    squared = np.diag([*stretch, 1.0])
    squared[:2, 2] = stretch / 2 - 0.5
    return np.asarray(squared @ canvas)


def aligned(frame: Frame, face_from_frame: Matrix, size: int) -> Frame:
    """Sample an aligned face.

    Args:
        frame: RGB (H, W, 3) uint8.
        face_from_frame: See `aligned_from_frame`.
        size: Side of the face.

    Returns:
        RGB (size, size, 3) uint8; 127 outside the frame.
    """
    # Of frames that are shrunk more than twice a bilinear sample would miss pixels.
    scale = float(np.sqrt(abs(np.linalg.det(face_from_frame[:2, :2]))))
    if scale < 0.5:
        height, width = frame.shape[:2]
        small = max(1, round(width * 2 * scale)), max(1, round(height * 2 * scale))
        factor = np.array([small[0] / width, small[1] / height])
        frame_from_small = np.diag([*(1 / factor), 1.0])
        frame_from_small[:2, 2] = 0.5 / factor - 0.5
        frame = np.asarray(cv2.resize(frame, small, interpolation=cv2.INTER_AREA), np.uint8)
        face_from_frame = face_from_frame @ frame_from_small
    return np.asarray(
        cv2.warpAffine(
            frame,
            face_from_frame[:2],
            (size, size),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=FILL,
        ),
        np.uint8,
    )
