"""StableAvatar: squares with their own background as pictures, a mask of the face and one of the lips for each, sound.

Source: Francis-Rings/StableAvatar 46c0492: wan/dataset/talking_video_dataset_fantasy.py, train_1B_square.sh, README.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from talkmill.arrays import Frame
from talkmill.geometry.transforms import apply
from talkmill.layouts.checks.files import is_folder
from talkmill.layouts.checks.lists import check_training, in_folder, read_lines
from talkmill.layouts.checks.media import check_movie, check_picture, check_wav
from talkmill.layouts.layout import Finding, Lengths, Piece
from talkmill.layouts.lists import absolute_list
from talkmill.layouts.material import ClipMaterial
from talkmill.layouts.media import write_movie
from talkmill.layouts.options import ExportOptions
from talkmill.layouts.squares import frame_from_square, square_of
from talkmill.pipeline.kinds import Kind
from talkmill.sound.audio import SAMPLE_RATE, write_wav

DATA = "talking_face_data"
# The trainer is given one list and has none for testing: clips for testing stand in a list of their own.
TESTING = "_test"
LISTS = {"train": f"{DATA}/video_square_path.txt", "test": f"{DATA}/video_square_path{TESTING}.txt"}
MOVIE, SOUND, IMAGES, MASKS = "sub_clip.mp4", "audio.wav", "images", ("face_masks", "lip_masks")
# The face and the outer lips among the 68 points.
HULLS = {"face_masks": slice(0, 68), "lip_masks": slice(48, 60)}
# A path says what its clip shows: the first of these that it holds.
KINDS = ("singing", "speech", "dancing")
# Width and height of what lies below each folder.
SIZES = {"square": (512, 512), "rec": (832, 480), "vec": (480, 832)}
SIDE = 512
# So many frames are read of a clip; of one that has fewer some are read twice, and its sound is not.
LEAST_FRAMES = 81
# Corners of masks are drawn to 1/16 of a pixel.
SUBPIXEL_BITS = 4


class StableAvatar:
    """A folder a clip, and the list of their absolute paths."""

    name = "stableavatar"
    version = "1"
    trainer = "Francis-Rings/StableAvatar 46c0492"
    needs: ClassVar[frozenset[Kind]] = frozenset(
        {"video", "frame_table", "audio", "face_track", "landmarks", "geometry"}
    )
    options = frozenset({"face_share", "least_seconds", "most_seconds", "encoder", "root"})
    lengths = Lengths(LEAST_FRAMES / 25)
    whole_runs = True
    rate = Fraction(25)
    list_files: ClassVar[tuple[str, ...]] = tuple(LISTS.values())
    reads: ClassVar[tuple[str, ...]] = (DATA,)

    def paths(self, piece: Piece, options: ExportOptions) -> tuple[str, ...]:
        """See `Layout`."""
        return (f"{DATA}/square/speech/{piece.name}",)

    def write(self, piece: Piece, material: ClipMaterial, options: ExportOptions, folder: Path) -> None:
        """See `Layout`."""
        (path,) = self.paths(piece, options)
        clip = folder / path
        for name in (IMAGES, *MASKS):
            (clip / name).mkdir(parents=True)
        box = square_of(material, piece.frames, options.face_share)
        square_from_frame = np.asarray(np.linalg.inv(frame_from_square(box, SIDE)), np.float64)
        points = apply(square_from_frame, material.points[piece.frames])

        def written() -> Iterator[Frame]:
            for number, square in enumerate(material.squares(piece.frames, box, SIDE)):
                _write_png(clip / IMAGES / f"frame_{number}.png", cv2.cvtColor(square, cv2.COLOR_RGB2BGR))
                for name, part in HULLS.items():
                    _write_png(clip / name / f"frame_{number}.png", hull_mask(points[number, part], SIDE))
                yield square

        samples = material.sound(piece.frames)
        write_movie(clip / MOVIE, piece.rate, written(), samples, options.encoder)
        write_wav(clip / SOUND, samples)

    def lists(self, pieces: Sequence[Piece], options: ExportOptions, folder: Path) -> Mapping[str, bytes]:
        """See `Layout`."""
        return {file: absolute_list(pieces, split, self.paths, folder, options) for split, file in LISTS.items()}

    def check(self, folder: Path) -> Iterator[Finding]:
        """See `Layout`."""
        lists = sorted([*folder.glob("video_*_path*.txt"), *(folder / DATA).glob("video_*_path*.txt")])
        if all(_is_for_testing(path) for path in lists):
            yield Finding(
                LISTS["train"], "there is no such list", "write one absolute path of a clip's folder per line"
            )
        clips: dict[str, None] = {}
        for path in lists:
            file = path.relative_to(folder).as_posix()
            lines = yield from read_lines(folder, file, "write one absolute path of a clip's folder per line")
            if lines is not None and not _is_for_testing(path):
                yield from check_training(file, sum(bool(line.strip()) for line in lines))
            for number, line in enumerate(lines or [], start=1):
                if not line.strip():
                    yield Finding(file, f"line {number} is empty, and is read as a path", "take it out")
                    continue
                clips[line.strip()] = None
                if not Path(line.strip()).is_absolute():
                    yield Finding(file, f"line {number}, {line}, is no absolute path", "write where the clip lies")
                kinds = [kind for kind in KINDS if kind in line]
                if len(kinds) != 1:
                    yield Finding(
                        file,
                        f"line {number}, {line}, holds {' and '.join(kinds) or 'none of ' + ', '.join(KINDS)}: "
                        + (f"it is read as {kinds[0]}" if kinds else "the reader divides by zero"),
                        "let the path hold one of them",
                    )
        for line in clips:
            yield from _check_clip(folder, line)


def _is_for_testing(path: Path) -> bool:
    return path.stem.endswith(TESTING)


def hull_mask(points: npt.NDArray[np.floating], size: int) -> npt.NDArray[np.uint8]:
    """Fill the convex hull of points.

    Args:
        points: (P, 2) in pixels of the picture, centres at integers.
        size: Side of the picture.

    Returns:
        (size, size) uint8: 255 inside, else 0.
    """
    mask = np.zeros((size, size), np.uint8)
    hull = cv2.convexHull(points.astype(np.float32))
    corners = np.rint(hull * 2**SUBPIXEL_BITS).astype(np.int32)
    cv2.fillConvexPoly(mask, corners, 255, shift=SUBPIXEL_BITS)
    return mask


def _write_png(path: Path, pixels: npt.NDArray[np.uint8]) -> None:
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())


def _check_clip(folder: Path, line: str) -> Iterator[Finding]:
    parts = Path(line).parts[-3:]
    name = yield from in_folder(folder, line, "/".join((DATA, *parts)))
    if not is_folder(folder / name):
        yield Finding(line, "is named in a list, and there is no such folder", "write it, or take the line out")
        return
    wanted = SIZES.get(parts[0]) if len(parts) == 3 else None
    if wanted is None:
        yield Finding(name, f"lies in none of {', '.join(SIZES)}", "put it where its size belongs")
    count = yield from _check_images(folder, name, wanted)
    movie = yield from check_movie(folder, f"{name}/{MOVIE}", None)
    if movie is not None and movie.frame_count != count:
        yield Finding(f"{name}/{MOVIE}", f"has {movie.frame_count} frames, {IMAGES} {count}", "write both again")
    least = round(count / movie.rate * SAMPLE_RATE) if movie is not None and movie.rate else None
    yield from check_wav(folder, f"{name}/{SOUND}", least)


def _check_images(folder: Path, name: str, wanted: tuple[int, int] | None) -> Generator[Finding, None, int]:
    """Check the pictures of a clip and their masks; return how many pictures there are."""
    files = sorted(path.name for path in (folder / name / IMAGES).glob("*") if path.suffix in (".png", ".jpg"))
    numbered = {f"frame_{number}.png" for number in range(len(files))}
    if not files:
        yield Finding(f"{name}/{IMAGES}", "holds no picture", "write frame_0.png and what follows")
    elif set(files) != numbered:
        yield Finding(
            f"{name}/{IMAGES}/{min(set(files) - numbered)}",
            f"is none of frame_0.png to frame_{len(files) - 1}.png, and the sound is matched by number",
            "number them from 0 without a gap",
        )
    if len(files) < LEAST_FRAMES:
        yield Finding(
            f"{name}/{IMAGES}",
            f"has {len(files)} frames; of fewer than {LEAST_FRAMES} some are read twice, and the sound is not",
            "leave it out",
        )
    for file in files:
        image = f"{name}/{IMAGES}/{file}"
        size = yield from _check_picture(folder, image, wanted)
        for masks in MASKS:
            yield from _check_mask(folder, f"{name}/{masks}/{file}", size)
    for masks in MASKS:
        for path in sorted((folder / name / masks).glob("*")):
            if path.name not in files:
                yield Finding(f"{name}/{masks}/{path.name}", "is a mask without a picture", "delete it")
    return len(files)


def _check_picture(
    folder: Path, name: str, wanted: tuple[int, int] | None
) -> Generator[Finding, None, tuple[int, int] | None]:
    picture = yield from check_picture(folder, name)
    if picture is None:
        return None
    if wanted is not None and picture.size != wanted:
        yield Finding(
            name, f"is {picture.width}x{picture.height}, and is stretched to {wanted[0]}x{wanted[1]}", "cut it again"
        )
    return picture.size


def _check_mask(folder: Path, name: str, size: tuple[int, int] | None) -> Iterator[Finding]:
    mend = "write it: without a mask the trainer takes all of the picture"
    mask = yield from check_picture(folder, name, "mask", mend)
    if mask is None:
        return
    if mask.mode != "L":
        yield Finding(name, f"has pixels of {mask.mode}; L is expected: one channel of 8 bits", "write it in grey")
    elif (most := int(np.asarray(mask).max())) < 128:
        yield Finding(name, f"has no pixel over {most}; 255 marks what belongs to it", "write 0 and 255")
    if size is not None and mask.size != size:
        yield Finding(
            name,
            f"is {mask.width}x{mask.height}, its picture {size[0]}x{size[1]}",
            "cut it from where the picture was cut",
        )
