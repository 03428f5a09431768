"""Hallo, Hallo2 and Hallo3: square clips with their pictures and sound, a mask of the face and three of its parts.

What networks of others make, the embedding of the face and of the voice, is left to the trainers' own second step.

Source: fudan-generative-vision/hallo 8fd7c57: scripts/data_preprocess.py, extract_meta_info_stage1.py, _stage2.py,
hallo/datasets/mask_image.py, talk_video.py, image_processor.py, hallo/utils/util.py; hallo3 e342dce:
hallo3/data_video.py, extract_meta_info.py.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float64Array, Frame
from talkmill.geometry.transforms import apply
from talkmill.landmarks.mesh import OVAL
from talkmill.layouts.captions import caption
from talkmill.layouts.checks.files import files_in, find, is_there, read_json
from talkmill.layouts.checks.lists import check_training, in_folder
from talkmill.layouts.checks.media import check_movie, check_picture, check_wav
from talkmill.layouts.layout import Finding, Lengths, Piece
from talkmill.layouts.lists import root_of
from talkmill.layouts.material import ClipMaterial
from talkmill.layouts.media import write_movie
from talkmill.layouts.options import ExportOptions
from talkmill.layouts.squares import frame_from_square, square_of
from talkmill.pipeline.kinds import Kind
from talkmill.sound.audio import SAMPLE_RATE, write_wav
from talkmill.video.images import encode_image

SIZE = 512
# The authors ask for a face of 50 to 70 % of the picture.
FACE_SHARE = 0.5
FOLDERS = ("videos", "images", "audios", "caption")
MASKS = ("face_mask", "sep_pose_mask", "sep_face_mask", "sep_lip_mask")
# What the second step of the trainers' own preprocessing writes.
EMBEDDINGS = ("face_emb", "audio_emb")
# What is made of the name of each list, and the keys that its rows must have.
PICTURES = "image_path"
LISTS = {
    "_stage1.json": (PICTURES, "mask_path", "face_emb"),
    "_stage2.json": (
        *("video_path", "mask_path", "sep_mask_border", "sep_mask_face", "sep_mask_lip", "face_emb_path"),
        *("audio_path", "vocals_emb_base_all"),
    ),
    ".json": ("video_path", "face_mask_union_path", "face_emb_path", "vocals_emb_base_all", "caption"),
}
NAMES = {"train": "talkmill", "test": "talkmill_test"}
# The scripts find a clip's files by putting one of these words in place of another, wherever in its path it stands.
WORDS = ("videos", "images")
# Hallo3 draws 49 frames, Hallo 14 with 2 before them and 2 on each side.
LEAST_FRAMES = 50
RATE = Fraction(25)
# The outer lips among the 478 points. Source: MediaPipe, face_mesh_connections.py.
LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409)
# Masks are blurred at this size, with kernels of these sides for the face and the lips.
BLURRED_SIZE, FACE_KERNEL, LIP_KERNEL = 64, 51, 31


class Hallo:
    """The folder that the authors' second step goes on with, and the lists that are read after it."""

    name = "hallo"
    version = "1"
    trainer = "fudan-generative-vision/hallo 8fd7c57, fudan-generative-vision/hallo3 e342dce"
    needs: ClassVar[frozenset[Kind]] = frozenset(
        {"video", "frame_table", "audio", "face_track", "landmarks", "geometry", "face_mesh"}
    )
    options = frozenset({"size", "face_share", "least_seconds", "most_seconds", "encoder", "root"})
    lengths = Lengths(LEAST_FRAMES / 25)
    whole_runs = True
    rate = RATE
    list_files: ClassVar[tuple[str, ...]] = tuple(f"data/{name}{ending}" for name in NAMES.values() for ending in LISTS)
    reads: ClassVar[tuple[str, ...]] = (*FOLDERS, "data", *MASKS, *EMBEDDINGS)

    def paths(self, piece: Piece, options: ExportOptions) -> tuple[str, ...]:
        """See `Layout`."""
        name = piece.name
        masks = (f"{mask}/{name}.png" for mask in MASKS)
        return (f"videos/{name}.mp4", f"images/{name}", f"audios/{name}.wav", f"caption/{name}.txt", *masks)

    def preprocessed(self, piece: Piece) -> tuple[str, ...]:
        """See `PreprocessedLayout`."""
        return tuple(f"{made}/{piece.name}.pt" for made in EMBEDDINGS)

    def write(self, piece: Piece, material: ClipMaterial, options: ExportOptions, folder: Path) -> None:
        """See `Layout`."""
        movie, images, sound, text, *masks = (folder / path for path in self.paths(piece, options))
        size = options.even_size() or SIZE
        box = square_of(material, piece.frames, options.face_share or FACE_SHARE)
        images.mkdir()

        def written() -> Iterator[Frame]:
            for number, square in enumerate(material.squares(piece.frames, box, size), start=1):
                (images / f"{number:06}.jpg").write_bytes(encode_image(square))
                yield square

        samples = material.sound(piece.frames)
        write_movie(movie, piece.rate, written(), samples, options.encoder)
        write_wav(sound, samples)
        boxes = material.boxes[piece.frames]
        seen = material.clip.measurements.get("split", {})
        shown = box.side / float(np.median(boxes[:, 3] - boxes[:, 1]))
        text.write_text(caption(shown, seen.get("other_face_count")))
        frame_from_crop = material.geometry.image_from_crop
        square_from_crop = np.linalg.inv(frame_from_square(box, size)) @ frame_from_crop
        mesh = apply(square_from_crop, material.face_mesh.mesh[piece.frames, :, :2])
        for path, mask in zip(masks, part_masks(mesh, size), strict=True):
            path.write_bytes(cv2.imencode(".png", mask)[1].tobytes())

    def lists(self, pieces: Sequence[Piece], options: ExportOptions, folder: Path) -> Mapping[str, bytes]:
        """See `Layout`."""
        root = root_of(folder, options)
        return {
            f"data/{name}{ending}": json.dumps(
                [_row(root, piece.name, ending, folder) for piece in pieces if piece.split == split], indent=1
            ).encode()
            for split, name in NAMES.items()
            for ending in LISTS
        }

    def check(self, folder: Path) -> Iterator[Finding]:
        """See `Layout`."""
        clips = [Path(file).stem for file in files_in(folder / "videos", ".mp4")]
        if not clips:
            yield Finding("videos", "holds no clip", "put square .mp4 files of 25 frames a second there")
        for word in WORDS:
            if f"{folder.resolve()}/".count(word):
                yield Finding(
                    ".",
                    f"lies in {folder.resolve()}: the scripts replace {word!r} wherever it stands",
                    "move the folder",
                )
        for clip in clips:
            yield from _check_clip(folder, clip)
        lists = files_in(folder / "data", ".json")
        if not any(_is_for_training(file) for file in lists):
            yield Finding(
                "data", "holds no list of clips to train on",
                "run the trainer's extract_meta_info, and put the list that it writes there",
            )  # fmt: skip
        for file in lists:
            ending = next(ending for ending in LISTS if file.endswith(ending))
            yield from _check_list(folder, f"data/{file}", ending)


def part_masks(mesh: Float64Array, size: int) -> tuple[npt.NDArray[np.uint8], ...]:
    """Draw the masks of a clip.

    Args:
        mesh: (N, 478, 2) in pixels of the square, centres at integers.
        size: Side of the square.

    Returns:
        Mask of the face, (size, size) uint8 0 or 255, then of what is neither, of the face without the lips and of the
        lips, (64, 64) uint8, blurred: a clip has one of each, for all its frames.
    """
    face, lips = (_union(mesh[:, part], size) for part in (OVAL, LIPS))
    soft_face, soft_lips = _blurred(face, FACE_KERNEL), _blurred(lips, LIP_KERNEL)
    return face, 255 - soft_face, np.asarray(cv2.subtract(soft_face, soft_lips), np.uint8), soft_lips


def _union(points: Float64Array, size: int) -> npt.NDArray[np.uint8]:
    """Fill the box around the points of every frame."""
    mask = np.zeros((size, size), np.uint8)
    low, high = (np.clip(np.rint(edge), 0, size).astype(int) for edge in (points.min(1), points.max(1)))
    for (x0, y0), (x1, y1) in zip(low, high, strict=True):
        mask[y0:y1, x0:x1] = 255
    return mask


def _blurred(mask: npt.NDArray[np.uint8], kernel: int) -> npt.NDArray[np.uint8]:
    small = cv2.GaussianBlur(cv2.resize(mask, (BLURRED_SIZE, BLURRED_SIZE)), (kernel, kernel), 0)
    full: Any = None
    return np.asarray(cv2.normalize(small, full, 0, 255, cv2.NORM_MINMAX), np.uint8)


def _row(root: Path, name: str, ending: str, folder: Path) -> dict[str, str]:
    """Return what a list says of a clip."""
    places = {
        "image_path": f"images/{name}",
        "video_path": f"videos/{name}.mp4",
        "audio_path": f"audios/{name}.wav",
        "mask_path": f"face_mask/{name}.png",
        "face_mask_union_path": f"face_mask/{name}.png",
        "sep_mask_border": f"sep_pose_mask/{name}.png",
        "sep_mask_face": f"sep_face_mask/{name}.png",
        "sep_mask_lip": f"sep_lip_mask/{name}.png",
        "face_emb": f"face_emb/{name}.pt",
        "face_emb_path": f"face_emb/{name}.pt",
        "vocals_emb_base_all": f"audio_emb/{name}.pt",
    }
    row = {key: str(root / places[key]) for key in LISTS[ending] if key in places}
    if "caption" in LISTS[ending]:
        row["caption"] = (folder / "caption" / f"{name}.txt").read_text()
    return row


def _check_clip(folder: Path, clip: str) -> Iterator[Finding]:
    movie = f"videos/{clip}.mp4"
    for word in WORDS:
        if word in clip:
            yield Finding(movie, f"has {word!r} in its name, which the scripts replace", "rename the clip")
    facts = yield from check_movie(folder, movie, RATE)
    if facts is None:
        return
    if facts.width != facts.height:
        yield Finding(movie, f"is {facts.width}x{facts.height}; squares are expected", "cut a square")
    if facts.frame_count < LEAST_FRAMES:
        yield Finding(movie, f"has {facts.frame_count} frames, {LEAST_FRAMES} are drawn", "leave it out")
    images = sorted(path.name for path in (folder / "images" / clip).glob("*") if path.is_file())
    for image in images:
        yield from check_picture(folder, f"images/{clip}/{image}")
    if (pictures := len(images)) != facts.frame_count:
        yield Finding(f"images/{clip}", f"holds {pictures} pictures of {facts.frame_count} frames", "write all of them")
    least = round(facts.frame_count / RATE * SAMPLE_RATE)
    yield from check_wav(folder, f"audios/{clip}.wav", least)
    for mask in MASKS:
        yield from _check_mask(folder, f"{mask}/{clip}.png", (facts.width, facts.height) if mask == MASKS[0] else None)
    for made in EMBEDDINGS:
        yield from find(folder, f"{made}/{clip}.pt", mend="run the trainer's scripts/data_preprocess.py with --step 2")


def _check_mask(folder: Path, name: str, size: tuple[int, int] | None) -> Iterator[Finding]:
    mask = yield from check_picture(folder, name, "mask", "run the trainer's scripts/data_preprocess.py with --step 1")
    if mask is None:
        return
    if len(mask.getbands()) != 1:
        yield Finding(name, f"has {len(mask.getbands())} channels; one is expected", "write it in grey")
    elif size is not None and mask.size != size:
        yield Finding(
            name, f"is {mask.width}x{mask.height}, the video {size[0]}x{size[1]}; Hallo3 multiplies them",
            "write it as large as the video",
        )  # fmt: skip
    elif not np.asarray(mask).any():
        yield Finding(name, "is black: nothing of the picture belongs to it", "write it again")


def _is_for_training(name: str) -> bool:
    return not name.startswith(NAMES["test"])


def _check_list(folder: Path, file: str, ending: str) -> Iterator[Finding]:
    rows = yield from read_json(folder, file, list, "list", "write an array of clips")
    if rows is None:
        return
    if _is_for_training(Path(file).name):
        yield from check_training(file, len(rows))
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            yield Finding(file, f"row {number} is no object", "write one object per clip")
            continue
        missing = [key for key in LISTS[ending] if not isinstance(row.get(key), str)]
        if missing:
            yield Finding(
                file, f"row {number} has no {', '.join(missing)}", "run the trainer's extract_meta_info again"
            )
            continue
        paths = {key: Path(row[key]) for key in LISTS[ending] if key != "caption"}
        first = next(iter(paths.values()))
        # Pictures are a folder, whose name has no ending.
        clips = {path.name if key == PICTURES else path.stem for key, path in paths.items()}
        if len(clips) > 1:
            yield Finding(file, f"row {number} names files of {len(clips)} clips", "name those of one")
        # What is missing among the files of a clip was said of the clip.
        place = yield from in_folder(folder, str(first), f"{first.parent.name}/{first.name}")
        if not is_there(folder / place):
            yield Finding(file, f"row {number} names {first}, and nothing is there", "write it, or take the row out")
