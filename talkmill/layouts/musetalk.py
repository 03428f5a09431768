"""MuseTalk 1.5: whole frames with sound, and a JSON of face boxes and landmarks a clip.

Source: TMElyralab/MuseTalk 0a89dec: musetalk/data/dataset.py (FaceDataset), musetalk/utils/audio_utils.py,
scripts/preprocess.py.
"""

import json
import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import numpy as np

from talkmill.layouts.checks.files import Checked, is_there, read_json
from talkmill.layouts.checks.lists import check_training, read_lines
from talkmill.layouts.checks.media import check_movie, check_wav
from talkmill.layouts.layout import Finding, Lengths, Piece
from talkmill.layouts.material import ClipMaterial
from talkmill.layouts.media import even, write_movie
from talkmill.layouts.options import ExportOptions
from talkmill.pipeline.kinds import Kind
from talkmill.sound.audio import write_wav

# The trainer names these folders in its code.
ROOT = "dataset/HDTF"
VIDEOS, META = f"{ROOT}/video_audio_clip_root", f"{ROOT}/meta"
LISTS = {"train": "train.txt", "test": "val.txt"}
# Before it reads a sound the reader lets ffmpeg write it again, beside it, under a name of this ending.
CONVERTED = "_16k.wav"
# The reader throws the first line away.
HEADER = "clip"
# The second stage trains on 16 frames at a time and skips clips with fewer than ten times as many.
LEAST_FRAMES = 160
# From frame 700 on, the reader moves Whisper's window of 30 s by 100 frames, and its place in the mel of the whole
# clip as well, which the sync loss compares: no 16 frames may begin there.
MOST_FRAMES = 715
# Smaller faces are skipped by the second stage.
LEAST_FACE = 200
RATE = Fraction(25)


class MuseTalk:
    """The folder that MuseTalk's train.py reads from where it is started."""

    name = "musetalk"
    version = "2"
    trainer = "TMElyralab/MuseTalk 0a89dec"
    needs: ClassVar[frozenset[Kind]] = frozenset(
        {"video", "frame_table", "audio", "face_track", "landmarks", "geometry"}
    )
    options = frozenset({"least_seconds", "most_seconds", "encoder"})
    lengths = Lengths(LEAST_FRAMES / 25, MOST_FRAMES / 25)
    whole_runs = True
    rate = RATE
    list_files: ClassVar[tuple[str, ...]] = tuple(f"{ROOT}/{file}" for file in LISTS.values())
    reads: ClassVar[tuple[str, ...]] = (ROOT,)

    def paths(self, piece: Piece, options: ExportOptions) -> tuple[str, ...]:
        """See `Layout`."""
        return (f"{VIDEOS}/{piece.name}.mp4", f"{VIDEOS}/{piece.name}.wav", f"{META}/{piece.name}.json")

    def preprocessed(self, piece: Piece) -> tuple[str, ...]:
        """See `PreprocessedLayout`."""
        return (f"{VIDEOS}/{piece.name}{CONVERTED}",)

    def write(self, piece: Piece, material: ClipMaterial, options: ExportOptions, folder: Path) -> None:
        """See `Layout`."""
        movie, sound, meta = self.paths(piece, options)
        samples = material.sound(piece.frames)
        write_movie(folder / movie, piece.rate, even(material.frames(piece.frames)), samples, options.encoder)
        write_wav(folder / sound, samples)
        width, height = (side - side % 2 for side in material.frame_size)
        boxes = np.rint(material.boxes[piece.frames]).astype(int)
        sides = boxes[0, 2:] - boxes[0, :2]
        values = {
            "mp4_path": movie,
            "wav_path": sound,
            "video_size": [height, width],
            "face_size": [int(sides[1]), int(sides[0])],
            "frames": piece.frame_count,
            "face_list": boxes.tolist(),
            "landmark_list": np.rint(material.points[piece.frames]).astype(int).tolist(),
            "isvalid": True,
        }
        (folder / meta).write_text(json.dumps(values))

    def lists(self, pieces: Sequence[Piece], options: ExportOptions, folder: Path) -> Mapping[str, bytes]:
        """See `Layout`."""
        return {
            f"{ROOT}/{file}": "".join(
                f"{line}\n" for line in (HEADER, *(f"{piece.name}.json" for piece in pieces if piece.split == split))
            ).encode()
            for split, file in LISTS.items()
        }

    def check(self, folder: Path) -> Iterator[Finding]:
        """See `Layout`. The list for testing is read by nobody: it may be missing."""
        named: list[str] = []
        for file in LISTS.values():
            if file != LISTS["train"] and not is_there(folder / ROOT / file):
                continue
            # A byte order mark goes away with the header.
            held = yield from read_lines(
                folder, f"{ROOT}/{file}", "write it: a header, then one JSON per line", mark_is_read=False
            )
            if held is None:
                continue
            first, *lines = held or [""]
            if first.strip() and is_there(folder / META / first.strip()):
                yield Finding(
                    f"{ROOT}/{file}",
                    f"begins with {first}, and the reader throws the first line away",
                    "put a header line before it",
                )
            for number, line in enumerate(lines, start=2):
                if not line.strip():
                    yield Finding(
                        f"{ROOT}/{file}", f"line {number} is empty, and the reader stops there", "take it out"
                    )
            named += [line.split()[0] for line in lines if line.strip()]
            if file == LISTS["train"]:
                yield from check_training(f"{ROOT}/{file}", len(named))
        sounds: dict[str, str] = {}
        for name, count in Counter(named).items():
            if count > 1:
                yield Finding(f"{META}/{name}", f"is named {count} times in the lists", "name it once, in one list")
            sound = yield from _check_clip(folder, f"{META}/{name}")
            if sound is not None:
                sounds[posixpath.normpath(sound)] = name
        for sound, name in sounds.items():
            over = f"{posixpath.splitext(sound)[0]}{CONVERTED}"
            if over in sounds:
                yield Finding(
                    over, f"is where MuseTalk writes the sound of {name}, and is the sound of {sounds[over]}",
                    "rename one of them",
                )  # fmt: skip


def _check_clip(folder: Path, name: str) -> Checked[str]:
    """Check a clip; return the path of its sound, where its file can be read."""
    values = yield from read_json(folder, name, dict, "file that a list names", "write it, or take the line out")
    if values is None:
        return None
    try:
        movie, sound, count = str(values["mp4_path"]), str(values["wav_path"]), int(values["frames"])
        boxes = np.array(values["face_list"], np.float64).reshape(-1, 4)
        points = np.array(values["landmark_list"], np.float64)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        yield Finding(
            name, f"cannot be read: {type(error).__name__}: {error}", "write all keys of MuseTalk's preprocess.py"
        )
        return None
    if points.shape != (count, 68, 2):
        yield Finding(
            name, f"landmark_list is {points.shape}; ({count}, 68, 2) is expected", "write 68 points per frame"
        )
    if not (np.isfinite(points).all() and np.isfinite(boxes).all()):
        yield Finding(name, "has boxes or landmarks that are not finite numbers", "leave those frames out")
    if len(boxes) != count:
        yield Finding(name, f"face_list has {len(boxes)} rows for {count} frames", "write one box per frame")
    if count < LEAST_FRAMES:
        yield Finding(name, f"has {count} frames; clips under {LEAST_FRAMES} are skipped", "leave it out")
    if count > MOST_FRAMES:
        yield Finding(
            name,
            f"has {count} frames; what begins after frame 699 is compared with the sound of 4 s earlier",
            f"cut it into clips of {MOST_FRAMES} frames at most",
        )
    if len(boxes) and points.shape == (count, 68, 2):
        # The reader's box holds the landmarks as well.
        width = np.ptp(np.concatenate([boxes[0, [0, 2]], points[0, :, 0]]))
        if width < LEAST_FACE:
            yield Finding(
                name, f"begins with a face {width:.0f} pixels wide; under {LEAST_FACE} it is skipped", "leave it out"
            )
    found = yield from check_movie(folder, movie, RATE)
    if found is not None and found.frame_count != count:
        yield Finding(movie, f"has {found.frame_count} frames, {name} says {count}", "write both again")
    if found is not None and found.sound_seconds is None:
        yield Finding(movie, "has no sound, and the sync loss reads it from there", "mux the sound of the clip into it")
    yield from check_wav(folder, sound, round(count * 640))
    return sound
