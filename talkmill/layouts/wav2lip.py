"""Wav2Lip and its kin: a picture of the tight face box a frame, and the sound of the clip.

Source: Rudrabha/Wav2Lip 5c90fa9: preprocess.py, wav2lip_train.py, color_syncnet_train.py, hparams.py, audio.py.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from talkmill.geometry.transforms import apply
from talkmill.layouts.checks.files import check_pattern, files_in, is_folder
from talkmill.layouts.checks.lists import read_lines
from talkmill.layouts.checks.media import check_picture, check_wav
from talkmill.layouts.layout import Finding, Lengths, Piece
from talkmill.layouts.lists import lines_of
from talkmill.layouts.material import ClipMaterial
from talkmill.layouts.options import ExportOptions
from talkmill.pipeline.kinds import Kind
from talkmill.region import Region
from talkmill.sound.audio import SAMPLE_RATE, write_wav

DATA, SOUND = "data", "audio.wav"
# The trainer evaluates on `val` while it trains, and people measure on `test`: both are the test clips of the set.
LISTS = {"train": "train", "val": "test", "test": "test"}
# What an empty list does to the trainer, which reads these two.
IF_EMPTY = {"train": "the training does not begin", "val": "the first evaluation never ends"}
# A clip with three times the five frames of a window, or fewer, is drawn again.
LEAST_FRAMES = 16
WINDOW = 5
# Columns of mel that a frame is given, columns a second, and samples from one to the next.
MEL_WINDOW, MEL_RATE, MEL_HOP = 16, 80, 200
# The lower half of the picture is what is masked and painted: the chin must lie in it. Share of the box's height.
BELOW_CHIN = 0.05
CHIN = 8
RATE = Fraction(25)


class Wav2Lip:
    """Folders of numbered faces, and the lists that are read from where the trainer is started."""

    name = "wav2lip"
    version = "1"
    trainer = "Rudrabha/Wav2Lip 5c90fa9"
    needs: ClassVar[frozenset[Kind]] = frozenset(
        {"video", "frame_table", "audio", "face_track", "landmarks", "geometry"}
    )
    options = frozenset({"least_seconds", "most_seconds"})
    lengths = Lengths(LEAST_FRAMES / 25)
    whole_runs = False
    rate = RATE
    list_files: ClassVar[tuple[str, ...]] = tuple(f"filelists/{name}.txt" for name in LISTS)
    reads: ClassVar[tuple[str, ...]] = (DATA, "filelists")

    def paths(self, piece: Piece, options: ExportOptions) -> tuple[str, ...]:
        """See `Layout`."""
        return (f"{DATA}/{_line(piece)}",)

    def write(self, piece: Piece, material: ClipMaterial, options: ExportOptions, folder: Path) -> None:
        """See `Layout`."""
        clip = folder / DATA / _line(piece)
        clip.mkdir()
        boxes = material.boxes[piece.frames]
        # Boxes are not smoothed, nor are those that Wav2Lip was made with: a model learns to paint faces that tremble.
        points = apply(material.geometry.image_from_crop, material.landmarks.raw_points[piece.frames])
        seen = (material.valid & material.geometry.valid)[piece.frames]
        for number, frame in enumerate(material.frames(piece.frames)):
            if seen[number]:
                face = frame[face_region(boxes[number], points[number], material.frame_size).slices]
                _, content = cv2.imencode(".jpg", cv2.cvtColor(face, cv2.COLOR_RGB2BGR))
                (clip / f"{number}.jpg").write_bytes(content.tobytes())
        write_wav(clip / SOUND, material.sound(piece.frames))

    def lists(self, pieces: Sequence[Piece], options: ExportOptions, folder: Path) -> Mapping[str, bytes]:
        """See `Layout`."""
        fit = [piece for piece in pieces if _can_be_drawn(folder / DATA / _line(piece), piece.frame_count)]
        return {f"filelists/{name}.txt": lines_of(fit, split, _line) for name, split in LISTS.items()}

    def check(self, folder: Path) -> Iterator[Finding]:
        """See `Layout`."""
        clips: dict[str, dict[str, str]] = {}
        for name in LISTS:
            file = f"filelists/{name}.txt"
            if name not in IF_EMPTY and not (folder / file).exists():
                continue
            lines = yield from read_lines(folder, file, "write one PERSON/CLIP per line")
            if lines is None:
                continue
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    yield Finding(file, f"line {number} is empty, and is read as the whole of `data`", "take it out")
            # The reader takes what stands before the first space.
            named = [line.split()[0] if " " in line.strip() else line.strip() for line in lines if line.strip()]
            if not named and name in IF_EMPTY:
                yield Finding(
                    file,
                    f"names no clip: {IF_EMPTY[name]}",
                    "name some; `talkmill run --split` says which clips of a set are for testing",
                )
            # `val` and `test` may be the same.
            for line in named:
                clips.setdefault("train" if name == "train" else "test", {})[line] = file
        yield from check_pattern(folder, ".", f"move the folder, or start the trainer in it with --data_root {DATA}")
        yield from _check_people(clips)
        for line in {line: None for group in clips.values() for line in group}:
            yield from _check_clip(folder, line)


def face_region(box: npt.NDArray[np.floating], points: npt.NDArray[np.floating], frame_size: tuple[int, int]) -> Region:
    """Return the part of a frame that Wav2Lip sees.

    Args:
        box: (4,) x0, y0, x1, y1 of the detector, in pixels of the frame.
        points: (68, 2) of the same frame, not smoothed.
        frame_size: Width and height.

    Returns:
        The box united with the points, which ends no higher than `BELOW_CHIN` of its height under the chin; what of it
        lies in the frame.
    """
    x0, y0 = np.minimum(box[:2], points.min(0))
    x1, y1 = np.maximum(box[2:], points.max(0))
    y1 = max(y1, points[CHIN, 1] + BELOW_CHIN * (y1 - y0))
    left, top, right, bottom = np.rint([x0, y0, x1, y1]).astype(int).tolist()
    return Region.inside(left, top, right, bottom, *frame_size)


def _line(piece: Piece) -> str:
    return f"{piece.person}/{piece.name}"


def _numbers(clip: Path) -> list[int]:
    """Return the numbers of a clip's pictures, those that the trainer finds again."""
    return sorted(int(path.stem) for path in clip.glob("*.jpg") if _is_number(path.name))


def _is_number(name: str) -> bool:
    stem = name.removesuffix(".jpg")
    return stem.isascii() and stem.isdecimal() and str(int(stem)) == stem


def _windows(numbers: Collection[int], sample_count: int) -> tuple[list[int], list[int]]:
    """Return the frames that begin five of consecutive number, and those of them that the sound is long enough for."""
    held = set(numbers)
    begin = [number for number in numbers if held.issuperset(range(number, number + WINDOW))]
    columns = 1 + sample_count // MEL_HOP
    # The sound of each of the five begins a frame before it: frame 0 has none.
    last = WINDOW - 2
    return begin, [
        number for number in begin
        if number >= 1 and int(MEL_RATE * (number + last) / RATE) + MEL_WINDOW <= columns
    ]  # fmt: skip


def _can_be_drawn(clip: Path, frame_count: int) -> bool:
    numbers = _numbers(clip)
    begin, heard = _windows(numbers, round(frame_count / RATE * SAMPLE_RATE))
    return len(numbers) >= LEAST_FRAMES and len(begin) >= 2 and bool(heard)


def _check_people(clips: Mapping[str, Mapping[str, str]]) -> Iterator[Finding]:
    people = {group: {Path(line).parent.name: file for line, file in lines.items()} for group, lines in clips.items()}
    for person, file in people.get("test", {}).items():
        if person in people.get("train", {}):
            yield Finding(
                file, f"{person} is in filelists/train.txt too: the model is then tested on somebody it knows",
                "keep each person in one of them",
            )  # fmt: skip


def _check_clip(folder: Path, line: str) -> Iterator[Finding]:
    # An absolute line stays what it is, here and in the trainer.
    name = str(Path(DATA, line))
    clip = folder / name
    if not is_folder(clip):
        yield Finding(name, "is named in a list, and there is no such folder", "write it, or take the line out")
        return
    yield from check_pattern(folder, name, "rename it, here and in the lists")
    pictures = files_in(clip, ".jpg")
    for picture in pictures:
        if not _is_number(picture):
            yield Finding(f"{name}/{picture}", "has a name that is no number, unlike 0.jpg", "name it by its frame")
        yield from check_picture(folder, f"{name}/{picture}")
    if len(pictures) < LEAST_FRAMES:
        yield Finding(name, f"has {len(pictures)} frames; under {LEAST_FRAMES} it is never drawn", "leave it out")
    numbers = _numbers(clip)
    least = round((max(numbers, default=-1) + 1) / RATE * SAMPLE_RATE)
    sample_count = (yield from check_wav(folder, f"{name}/{SOUND}", least)) or 0
    begin, heard = _windows(numbers, sample_count)
    if len(begin) < 2:
        yield Finding(name, f"{len(begin)} of its frames start five consecutive frames; two are needed", "leave it out")
    elif sample_count and not heard:
        yield Finding(name, "no five consecutive frames have sound before and after them", "leave it out")
