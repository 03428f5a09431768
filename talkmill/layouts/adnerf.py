"""The folder of AD-NeRF's heirs: one person, one video, with cameras, parts of the picture, background and expression.

Source: ashawkey/RAD-NeRF 0de5ed2, Fictionarry/ER-NeRF 0cf72d8, ZiqiaoPeng/SyncTalk d2427a3: provider.py and
data_utils/process.py; Fictionarry/TalkingGaussian 9bd34f7, Fictionarry/InsTaG 42f68f8: scene/dataset_readers.py.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float64Array, Frame
from talkmill.faces.crop_box import CropBox
from talkmill.geometry.conventions import REFERENCE_SIZE, rotation_from_euler
from talkmill.geometry.shrink import resized
from talkmill.geometry.transforms import apply
from talkmill.landmarks.mesh import OVAL
from talkmill.landmarks.points import lips_apart
from talkmill.layouts.checks.adnerf import check_clip
from talkmill.layouts.checks.files import WRITE_AGAIN
from talkmill.layouts.checks.lists import read_lines
from talkmill.layouts.checks.still_camera import check_camera
from talkmill.layouts.face_parts import BACKGROUND, face_picture, is_part, parsing, person_mask, silhouette
from talkmill.layouts.layout import WHOLE_FOLDER, Finding, Lengths, Piece, UnsuitableClipError
from talkmill.layouts.lists import lines_of
from talkmill.layouts.material import ClipMaterial
from talkmill.layouts.media import write_movie
from talkmill.layouts.options import ExportOptions
from talkmill.layouts.squares import frame_from_square
from talkmill.layouts.still_background import StillBackground
from talkmill.layouts.torso import torso_picture
from talkmill.layouts.units import action_units, blendshapes, openface_table, units_of
from talkmill.pipeline.kinds import Kind
from talkmill.sound.audio import write_wav
from talkmill.video.images import decode_image, encode_image

SIZE = 512
FOLDERS = ("ori_imgs", "gt_imgs", "torso_imgs", "parsing", "teeth_mask")
# Trainers have metres, talkmill units of 10 cm.
UNITS_A_METRE = 10
# The first frames are for training, the last for evaluation.
TRAIN_SHARE = Fraction(10, 11)
LEAST_FRAMES = 11
# InsTaG adapts to a person on 5 s; the others want minutes.
LEAST_SECONDS = 5.0
LISTS = {"train": "train.txt", "test": "test.txt"}


class AdNerf:
    """A folder a piece."""

    name = "adnerf"
    version = "2"
    trainer = (
        "ashawkey/RAD-NeRF 0de5ed2, Fictionarry/ER-NeRF 0cf72d8, ZiqiaoPeng/SyncTalk d2427a3, "
        "Fictionarry/TalkingGaussian 9bd34f7, Fictionarry/InsTaG 42f68f8"
    )
    needs: ClassVar[frozenset[Kind]] = frozenset(
        {"video", "frame_table", "audio", "alpha", "geometry", "landmarks", "face_mesh", "fit"}
    )
    options = frozenset({"size", "least_seconds", "most_seconds", "encoder"})
    lengths = Lengths(LEAST_SECONDS)
    # Frames that are not valid are in the video alone: cameras, pictures and points have gaps.
    whole_runs = False
    rate = Fraction(25)
    list_files: ClassVar[tuple[str, ...]] = tuple(LISTS.values())
    reads: ClassVar[tuple[str, ...]] = (WHOLE_FOLDER,)

    def paths(self, piece: Piece, options: ExportOptions) -> tuple[str, ...]:
        """See `Layout`."""
        return (piece.name,)

    def write(self, piece: Piece, material: ClipMaterial, options: ExportOptions, folder: Path) -> None:
        """See `Layout`."""
        _Folder(piece, material, options, folder / piece.name).write()

    def lists(self, pieces: Sequence[Piece], options: ExportOptions, folder: Path) -> Mapping[str, bytes]:
        """See `Layout`."""
        return {file: lines_of(pieces, split, lambda piece: piece.name) for split, file in LISTS.items()}

    def check(self, folder: Path) -> Iterator[Finding]:
        """See `Layout`."""
        clips = [path for path in (folder, *sorted(folder.iterdir())) if path.is_dir() and _is_clip(path)]
        if not clips:
            yield Finding(
                ".",
                "holds no clip: no folder with transforms_train.json",
                "check the folder of one person, or the folder around it",
            )
        for clip in clips:
            yield from check_clip(folder, clip)
            yield from check_camera(folder, clip)
        for file in LISTS.values():
            named = (yield from read_lines(folder, file, WRITE_AGAIN)) if (folder / file).exists() else []
            for line in named or []:
                if folder / line not in clips:
                    yield Finding(file, f"names {line!r}, but there is no such folder", "take it out")


def square_around_axis(material: ClipMaterial) -> CropBox:
    """Return the square of the set, shrunk around its middle into the frame: readers put the camera's axis there.

    Raises:
        UnsuitableClipError: Its middle lies outside of the frame.
    """
    from_crop, size = material.geometry.image_from_crop, material.clip.size
    scale, (width, height) = float(from_crop[0, 0]), material.frame_size
    x0, y0, side = (round(value) for value in (*(from_crop[:2, 2] - scale / 2 + 0.5), scale * size))
    inwards = max(0, -x0, -y0, x0 + side - width, y0 + side - height)
    if side <= 2 * inwards:
        raise UnsuitableClipError(
            "the middle of its square, where the camera's axis is, lies outside of the frame: use a video that shows "
            "more around the face"
        )
    return CropBox(x0 + inwards, y0 + inwards, side - 2 * inwards)


def transforms(
    numbers: Sequence[int], rotations: Float64Array, translations: Float64Array, focal: float, size: int
) -> dict[str, object]:
    """Return the cameras of a split as readers want them: camera to world, x right, y up, looking down -z, in metres.

    Args:
        numbers: Of the frames.
        rotations: (N, 3, 3) camera_from_model.
        translations: (N, 3) units of 10 cm.
        focal: In pixels of the square.
        size: Side of the square; they count pixels from its corner, so that the axis meets size / 2.
    """
    frames = []
    for number, (rotation, translation) in zip(numbers, zip(rotations, translations, strict=True), strict=True):
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = rotation.T, -rotation.T @ translation / UNITS_A_METRE
        frames.append({"img_id": number, "aud_id": number, "transform_matrix": matrix.tolist()})
    return {"focal_len": focal, "cx": size / 2, "cy": size / 2, "frames": frames}


class _Folder:
    """The folder of one piece."""

    def __init__(self, piece: Piece, material: ClipMaterial, options: ExportOptions, folder: Path) -> None:
        self._piece, self._material, self._folder, self._encoder = piece, material, folder, options.encoder
        self._size = options.even_size() or SIZE
        self._box = square_around_axis(material)
        square_from_frame = np.asarray(np.linalg.inv(frame_from_square(self._box, self._size)), np.float64)
        self._square_from_crop = square_from_frame @ material.geometry.image_from_crop
        self._points = apply(self._square_from_crop, material.landmarks.points[piece.frames])
        self._valid = material.valid[piece.frames]
        self._numbers = np.flatnonzero(self._valid).tolist()
        fit = material.fit
        pixels = float(self._square_from_crop[0, 0]) * material.clip.size / REFERENCE_SIZE
        self._focal = float(fit.focal[0]) * pixels
        self._rotations = rotation_from_euler(fit.euler[piece.frames].astype(np.float64))
        self._translations = fit.trans[piece.frames].astype(np.float64)
        head = material.head
        self._identity = fit.id[: head.identity.shape[2]].astype(np.float64)
        self._expressions = fit.exp[piece.frames, : head.expression.shape[2]].astype(np.float64)
        self._outlines = apply(self._square_from_crop, material.face_mesh.mesh[piece.frames][:, OVAL, :2])

    def write(self) -> None:
        """Write all of it."""
        # What may be refused comes first.
        if len(self._numbers) < LEAST_FRAMES:
            raise UnsuitableClipError(
                f"{len(self._numbers)} of its frames are valid; {LEAST_FRAMES} are needed to split them in two"
            )
        self._write_expressions()
        for name in FOLDERS:
            (self._folder / name).mkdir()
        samples = self._material.sound(self._piece.frames)
        background = StillBackground(self._size)
        write_movie(
            self._folder / f"{self._piece.name}.mp4", self._piece.rate, self._frames(background), samples, self._encoder
        )
        write_wav(self._folder / "aud.wav", samples)
        self._write_layers(background)
        self._write_cameras()

    def _write_expressions(self) -> None:
        material, frames = self._material, self._piece.frames
        head = material.head
        try:
            units = units_of(head.expression_names, material.fit.exp)
        except KeyError as error:
            raise UnsuitableClipError(
                f"its head, {head.name}, has no unit {error}: expressions are written of heads with ARKit's units; run "
                "its source again with `--morphable makehuman-head`"
            ) from error
        shapes = blendshapes(units, material.face_mesh.eye_opening, material.face_mesh.gaze)[frames]
        self._folder.mkdir()
        np.save(self._folder / "bs.npy", shapes)
        intensities = action_units(shapes, lips_apart(material.landmarks.points[frames]))
        sure = material.landmarks.confidence[frames].mean(1)
        (self._folder / "au.csv").write_text(openface_table(intensities, sure, self._valid, float(self._piece.rate)))

    def _frames(self, background: StillBackground) -> Iterator[Frame]:
        """Yield the squares; write those that are valid, and collect the background."""
        material, size, box = self._material, self._size, self._box
        squares = material.squares(self._piece.frames, box, size)
        alphas = material.alphas(self._piece.frames)
        part = np.s_[box.y0 : box.y0 + box.side, box.x0 : box.x0 + box.side]
        for number, (square, whole) in enumerate(zip(squares, alphas, strict=True)):
            alpha = resized(whole[part], size, size)
            background.add(square, alpha)
            if self._valid[number]:
                self._write_frame(number, square, alpha)
            yield square

    def _write_frame(self, number: int, square: Frame, alpha: npt.NDArray[np.uint8]) -> None:
        """Write a frame with its landmarks and its parts."""
        points, size, head = self._points[number], self._size, self._material.head
        vertices = head.shape(self._identity, self._expressions[number])
        camera = vertices @ self._rotations[number].T + self._translations[number]
        covered = silhouette(camera, head.triangles, self._focal, size)
        parts = parsing(person_mask(alpha, points), covered, points)
        self._put("ori_imgs", f"{number}.jpg", encode_image(square))
        np.savetxt(self._folder / "ori_imgs" / f"{number}.lms", points, "%f")
        self._put("parsing", f"{number}.png", encode_image(parts, "png"))
        self._put(
            "parsing", f"{number}_face.png", encode_image(face_picture(self._outlines[number], points, size), "png")
        )
        # No tooth: it is broadcast to the picture.
        np.save(self._folder / "teeth_mask" / f"{number}.npy", np.zeros((1, 1), bool))

    def _write_layers(self, collected: StillBackground) -> None:
        """Write the background, and what of each frame is in front of it."""
        picture = collected.picture()
        if picture is None:
            raise UnsuitableClipError("the person fills its square, and no background is seen in any frame")
        (self._folder / "bc.jpg").write_bytes(encode_image(picture))
        background = decode_image((self._folder / "bc.jpg").read_bytes())
        for number in self._numbers:
            frame = decode_image((self._folder / "ori_imgs" / f"{number}.jpg").read_bytes())
            parts = decode_image((self._folder / "parsing" / f"{number}.png").read_bytes())
            frame = np.where(is_part(parts, BACKGROUND)[..., None], background, frame)
            self._put("gt_imgs", f"{number}.jpg", encode_image(frame))
            torso = cv2.cvtColor(torso_picture(frame, background, parts), cv2.COLOR_RGBA2BGRA)
            self._put("torso_imgs", f"{number}.png", cv2.imencode(".png", torso)[1].tobytes())

    def _write_cameras(self) -> None:
        middle = int(len(self._numbers) * TRAIN_SHARE)
        for split, numbers in (("train", self._numbers[:middle]), ("val", self._numbers[middle:])):
            cameras = transforms(
                numbers, self._rotations[numbers], self._translations[numbers], self._focal, self._size
            )
            (self._folder / f"transforms_{split}.json").write_text(json.dumps(cameras, indent=1))

    def _put(self, folder: str, name: str, content: bytes) -> None:
        (self._folder / folder / name).write_bytes(content)


def _is_clip(path: Path) -> bool:
    return any((path / name).exists() for name in ("transforms_train.json", "transforms_val.json", "gt_imgs"))
