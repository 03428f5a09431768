"""What the readers of AD-NeRF's heirs assert of a person's folder, said as findings. Nothing checked is trusted."""

import csv
import io
import math
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from talkmill.layouts.checks.files import Checked, files_in, read_array, read_json, read_text
from talkmill.layouts.checks.media import check_movie, check_picture, check_wav
from talkmill.layouts.face_parts import BACKGROUND, COLOURS, HEAD
from talkmill.layouts.layout import Finding
from talkmill.sound.audio import SAMPLE_RATE

RATE = Fraction(25)
SPLITS = ("transforms_train.json", "transforms_val.json")
# Columns that TalkingGaussian and InsTaG read; the others read AU45 alone.
COLUMNS = tuple(f" AU{unit:02}_r" for unit in (1, 4, 5, 6, 7, 25, 45))
# SyncTalk reads columns 0 to 4, 8 and 9 of these.
BLENDSHAPE_COLUMNS, MOST_READ = 52, 10
# A head is 0.4 to 1 m from its camera; trainers multiply by 4 and want it inside their box.
MOST_METRES = 2.0
WRITE_POINTS = "write 68 lines of x and y"
# The picture folders, the ending of a file, and the mode that is read.
PICTURES = (("ori_imgs", ".jpg", "RGB"), ("gt_imgs", ".jpg", "RGB"), ("torso_imgs", ".png", "RGBA"))
TOLERANCE = 1e-3
# Of red, green and blue in one number.
BYTES = (65536, 256, 1)


def check_clip(root: Path, clip: Path) -> Iterator[Finding]:
    """Yield what a trainer would trip over in a person's folder.

    Args:
        root: Findings name files below it.
        clip: The person's folder.
    """
    name = "" if clip == root else f"{clip.name}/"
    numbers: list[int] = []
    size: tuple[int, int] | None = None
    for split in SPLITS:
        found = yield from _check_cameras(root, f"{name}{split}")
        if found is not None:
            numbers, size = numbers + found[0], found[1]
    for file in files_in(clip, ".json"):
        if file not in SPLITS:
            yield Finding(f"{name}{file}", "is read as cameras by a trainer that loads all splits", "move it elsewhere")
    if not numbers or size is None:
        return
    count = max(numbers) + 1
    for number in sorted(number for number, times in Counter(numbers).items() if times > 1):
        yield Finding(f"{name}{SPLITS[0]}", f"and {SPLITS[1]} name frame {number} twice", "name each frame once")
    yield from _check_picture(root, f"{name}bc.jpg", size, "RGB")
    for number in numbers:
        for folder, ending, mode in PICTURES:
            yield from _check_picture(root, f"{name}{folder}/{number}{ending}", size, mode)
        yield from _check_landmarks(root, f"{name}ori_imgs/{number}.lms", size)
        yield from _check_parsing(root, f"{name}parsing/{number}.png", size)
        yield from _check_picture(root, f"{name}parsing/{number}_face.png", size, "RGB")
        yield from _check_teeth(root, f"{name}teeth_mask/{number}.npy", size)
    yield from _check_action_units(root, f"{name}au.csv", count)
    yield from _check_blendshapes(root, f"{name}bs.npy", count)
    yield from check_wav(root, f"{name}aud.wav", math.ceil(count * SAMPLE_RATE / RATE))
    videos = [f"{name}{file}" for file in files_in(clip, ".mp4")]
    if not videos:
        yield Finding(
            f"{name}{clip.name}.mp4",
            "there is no such file",
            "write the video: the trainers' own scripts start from it",
        )
    for video in videos:
        movie = yield from check_movie(root, video, RATE)
        if movie is not None and movie.frame_count < count:
            yield Finding(video, f"has {movie.frame_count} frames, cameras go to {count - 1}", "cut it again")


def _check_cameras(root: Path, file: str) -> Checked[tuple[list[int], tuple[int, int]]]:
    """Check a split; return the numbers of its frames and the size of pictures, where it can be read."""
    held = yield from read_json(root, file, dict, mend="write the cameras of the split")
    if held is None:
        return None
    try:
        focal, width, height = float(held["focal_len"]), 2 * int(held["cx"]), 2 * int(held["cy"])
        centre = (held["cx"], held["cy"])
        rows = [(int(frame["img_id"]), int(frame["aud_id"]), frame["transform_matrix"]) for frame in held["frames"]]
        matrices = np.array([matrix for _, _, matrix in rows], np.float64)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        yield Finding(
            file,
            f"cannot be read: {type(error).__name__}: {error}",
            "write focal_len, cx, cy, and of each frame img_id, aud_id and transform_matrix",
        )
        return None
    if not rows:
        yield Finding(file, "names no frame", "put some frames into each split")
        return None
    if matrices.shape[1:] != (4, 4) or not np.isfinite(matrices).all():
        yield Finding(file, f"has matrices of {matrices.shape[1:]}", "write 4x4 finite numbers")
        return None
    if not (math.isfinite(focal) and focal > 0):
        yield Finding(file, f"has a focal_len of {focal:g}", "give it in pixels of the pictures")
    if centre != (width / 2, height / 2):
        yield Finding(file, f"has the axis at {centre}; pictures are taken to be {width}x{height}", "use even sides")
    for number, sound, _ in rows:
        if number != sound:
            yield Finding(file, f"gives picture {number} the sound of {sound}", "make aud_id equal to img_id")
    yield from _check_poses(file, [number for number, _, _ in rows], matrices)
    return [number for number, _, _ in rows], (width, height)


def _check_poses(file: str, numbers: list[int], matrices: np.ndarray[Any, np.dtype[np.float64]]) -> Iterator[Finding]:
    turns = matrices[:, :3, :3]
    square = np.abs(turns @ turns.transpose(0, 2, 1) - np.eye(3)).max((1, 2)) < TOLERANCE
    # The head's origin in the camera's frame.
    depth = -(turns.transpose(0, 2, 1) @ -matrices[:, :3, 3, None])[:, 2, 0]
    for number, rotation, whole, metres in zip(numbers, turns, square, depth, strict=True):
        if not whole or np.linalg.det(rotation) < 0:
            yield Finding(file, f"frame {number} has a camera that is no rotation", "write camera-to-world matrices")
        elif metres <= 0:
            yield Finding(file, f"the camera of frame {number} looks away from the head", "let it look along -z")
        elif metres > MOST_METRES:
            yield Finding(
                file,
                f"the camera of frame {number} is {metres:.1f} m from the head; --scale 4 moves it out of the box",
                "divide the translation by 10, to metres",
            )


def _check_picture(root: Path, file: str, size: tuple[int, int], mode: str) -> Checked[Image.Image]:
    """Check a picture; return it where its size and its mode are right."""
    picture = yield from check_picture(root, file)
    if picture is None:
        return None
    if picture.mode != mode:
        yield Finding(file, f"has pixels of {picture.mode}; {mode} is expected", "write it again")
    if picture.size != size:
        yield Finding(
            file, f"is {picture.width}x{picture.height}, the cameras are for {size[0]}x{size[1]}",
            "write all of one size",
        )  # fmt: skip
    return picture if (picture.mode, picture.size) == (mode, size) else None


def _check_landmarks(root: Path, file: str, size: tuple[int, int]) -> Iterator[Finding]:
    text = yield from read_text(root, file, mend=WRITE_POINTS)
    if text is None:
        return
    try:
        points = np.loadtxt(io.StringIO(text), ndmin=2) if text.strip() else np.empty(0)
    except ValueError as error:
        yield Finding(file, f"cannot be read: {error}", WRITE_POINTS)
        return
    if points.shape != (68, 2) or not np.isfinite(points).all():
        yield Finding(file, f"holds {points.shape}; (68, 2) is expected", WRITE_POINTS)
    elif (points.mean(0) < 0).any() or (points.mean(0) >= size).any():
        yield Finding(file, "has its points outside the picture", "give them in pixels of the picture")


def _check_parsing(root: Path, file: str, size: tuple[int, int]) -> Iterator[Finding]:
    picture = yield from _check_picture(root, file, size, "RGB")
    if picture is None:
        return
    packed = np.unique(np.asarray(picture).astype(np.uint32) @ np.array(BYTES, np.uint32))
    colours = {tuple(colour // one % 256 for one in BYTES) for colour in packed.tolist()}
    # TalkingGaussian and InsTaG have black for hair.
    strange = sorted(colours - {*COLOURS, (0, 0, 0)})
    if strange:
        yield Finding(file, f"has pixels of {strange[0]}, which stand for no part", "keep edges hard: PNG, nearest")
    for colour, what in ((HEAD, "head"), (BACKGROUND, "background")):
        if colour not in colours:
            yield Finding(file, f"has no {what}: no pixel is {colour} in RGB", "write it in RGB")


def _check_teeth(root: Path, file: str, size: tuple[int, int]) -> Iterator[Finding]:
    teeth = yield from read_array(root, file, "write False where no tooth is seen")
    if teeth is not None and (teeth.dtype != np.bool_ or teeth.shape not in ((1, 1), size[::-1])):
        yield Finding(file, f"is {teeth.dtype} {teeth.shape}", "write bool, as large as the picture")


def _check_action_units(root: Path, file: str, count: int) -> Iterator[Finding]:
    # pandas passes over a byte order mark and over empty lines.
    text = yield from read_text(root, file, mend="write OpenFace's action units", mark_is_read=False)
    if text is None:
        return
    try:
        header, *rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row] or [[]]
    except csv.Error as error:
        yield Finding(file, f"is no CSV: {error}", "write OpenFace's action units")
        return
    lacking = [column for column in COLUMNS if column not in header]
    if lacking:
        yield Finding(file, f"has no column {lacking[0]!r}", "name columns as OpenFace does, with a space before AU")
        return
    if len(rows) < count:
        yield Finding(file, f"has {len(rows)} rows; {count} frames are expected", "write one row per frame")
    try:
        values = np.array([[float(row[header.index(column)]) for column in COLUMNS] for row in rows])
    except (ValueError, IndexError) as error:
        yield Finding(file, f"cannot be read: {error}", "write a number for each action unit")
        return
    if not (np.isfinite(values).all() and len(values)) or values.min() < 0 or values.max() > 5:
        yield Finding(file, "has intensities outside 0 to 5", "write numbers from 0 to 5")
    elif np.ptp(values[:, COLUMNS.index(" AU45_r")]) == 0:
        yield Finding(file, "has the same AU45 in each frame: eyes would never shut", "measure the eyes")


def _check_blendshapes(root: Path, file: str, count: int) -> Iterator[Finding]:
    shapes = yield from read_array(root, file, "write ARKit's coefficients, or train SyncTalk with --au45")
    if shapes is None:
        return
    if shapes.ndim != 2 or shapes.shape[1] != BLENDSHAPE_COLUMNS or len(shapes) < count:
        yield Finding(
            file, f"is {shapes.shape}; ({count}, {BLENDSHAPE_COLUMNS}) is expected", "write one row per frame"
        )
    elif not np.issubdtype(shapes.dtype, np.floating) or not np.isfinite(shapes[:, :MOST_READ]).all():
        yield Finding(file, "holds values that are not finite numbers", "write a number for every frame")
