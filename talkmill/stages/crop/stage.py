"""Crop: one square for the whole clip, resized once; over a flat background where there is a matte."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import repeat

import cv2
import numpy as np
import numpy.typing as npt

from talkmill.arrays import Frame
from talkmill.artifacts.artifact import Artifact
from talkmill.artifacts.manifest import ModelVersion
from talkmill.faces.crop_box import CropBox, head_region, square_around, square_in_frame
from talkmill.geometry.transforms import apply, image_from_square
from talkmill.matting.composite import composite_onto, flat
from talkmill.region import Region
from talkmill.stages.contract import Measurement, StageContext
from talkmill.stages.crop.messages import CropInputs, CropOutputs, CropParameters
from talkmill.stages.errors import FrameContractError
from talkmill.stages.records import MEDIA_TYPE, CropGeometry, FaceTrack
from talkmill.video.clip import read_clip
from talkmill.video.decode import read_grey_frames
from talkmill.video.frame_table import FrameTable
from talkmill.video.images import MEDIA_TYPE as IMAGES_MEDIA_TYPE
from talkmill.video.images import ImageWriter
from talkmill.video.prefetch import prefetched

SHARPNESS_EVERY = 10
# Background around the person that the foreground's colour is told apart from, in pixels.
MARGIN = 24
# Above this share of padding the user should know.
PADDING_NOTE = 0.05


class CropStage:
    """Cuts, composites and resizes."""

    name = "crop"
    version = "6"
    outputs_type = CropOutputs
    keeps_result = True
    models: tuple[ModelVersion, ...] = ()
    execution_provider = ""
    arithmetic = ""

    def load(self) -> None:
        """Nothing to load."""

    def run(self, inputs: CropInputs, context: StageContext) -> CropOutputs:
        """Crop a clip.

        Raises:
            FrameContractError: The clip, its matte and its face track differ in length.
        """
        parameters = inputs.parameters
        track = FaceTrack.load(context.path(inputs.face_track))
        table = FrameTable.load(context.path(inputs.frame_table))
        boxes = track.boxes
        size = table.format.upright_size
        head = head_region(boxes, parameters.increase_area)
        wanted, box = square_around(head), square_in_frame(head, *size)
        region = inputs.region or Region.inside(box.x0, box.y0, box.x0 + box.side, box.y0 + box.side, *size)
        # Pixels are converted in the region alone: the square lies in it as far as it lies in the frame.
        inside = CropBox(box.x0 - region.x, box.y0 - region.y, box.side)
        path = context.scratch / "crop.zip"
        sharpness: list[float] = []
        frames = prefetched(read_clip(context.path(inputs.video), table, region=region))
        rate = Fraction(inputs.rate)
        with ImageWriter(path, parameters.image_format) as writer:
            try:
                for index, (frame, alpha) in enumerate(_with_mattes(frames, inputs.alpha, context)):
                    if index >= len(boxes):
                        break
                    if alpha is None:
                        cropped = cut_square(frame, inside, parameters)
                    else:
                        cropped = crop_frame(frame, alpha, inside, parameters)
                    writer.write(cropped)
                    if alpha is not None and index % SHARPNESS_EVERY == 0:
                        source = cut_square(frame, inside, parameters)
                        ratio = _sharpness_ratio(cropped, source, boxes[index], box)
                        sharpness += [] if ratio is None else [ratio]
                    context.advance(writer.frame_count, len(boxes))
                    context.count_video(1, float(1 / rate))
            except ValueError as error:
                raise FrameContractError(f"the clip and its matte differ in length or size: {error}") from error
        if writer.frame_count != len(boxes):
            raise FrameContractError(f"the clip has {writer.frame_count} frames, its face track has {len(boxes)}")
        image_from_crop = image_from_square(box.x0, box.y0, box.side, parameters.size)
        corners = apply(np.asarray(np.linalg.inv(image_from_crop), np.float64), boxes.reshape(-1, 2, 2)).reshape(-1, 4)
        geometry = context.scratch / "geometry.npz"
        CropGeometry(image_from_crop, corners.astype(np.float32), track.scores > 0).save(geometry)
        padded = box.padded_fraction(*size)
        measurements: dict[str, Measurement] = {
            "crop_x0": box.x0,
            "crop_y0": box.y0,
            "crop_side": box.side,
            "moved_pixels": round(box.distance(wanted), 1),
            "shrunk_fraction": round(1 - box.side / wanted.side, 4),
            "padded_fraction": round(padded, 4),
            "enlargement": round(parameters.size / box.side, 3),
            "sharpness_ratio": round(float(np.median(sharpness)), 3) if sharpness else None,
        }
        notes = []
        if padded > PADDING_NOTE:
            notes.append(f"{padded:.0%} of the crop lies outside the frame and is padded with the background")
        if box.side < parameters.size / 2:
            notes.append(f"the face is enlarged {parameters.size / box.side:.1f} times: the source is small")
        return CropOutputs(
            context.publish(path, "crop.zip", IMAGES_MEDIA_TYPE),
            context.publish(geometry, "geometry.npz", MEDIA_TYPE),
            measurements,
            tuple(notes),
        )


def _with_mattes(
    frames: Iterator[Frame], alpha: Artifact | None, context: StageContext
) -> Iterator[tuple[Frame, npt.NDArray[np.uint8] | None]]:
    """Yield each frame with its matte; with None where the clip has none."""
    if alpha is None:
        return zip(frames, repeat(None), strict=False)
    return zip(frames, prefetched(read_grey_frames(context.path(alpha))), strict=True)


def crop_frame(frame: Frame, alpha: npt.NDArray[np.uint8], box: CropBox, parameters: CropParameters) -> Frame:
    """Cut one frame, composite it over the background, and resize it once.

    Args:
        frame: RGB, (H, W, 3) uint8; the part of a frame that alpha is for.
        alpha: Matte, (H, W) uint8.
        box: What to cut.
        parameters: Size and background.

    Returns:
        (size, size, 3) uint8.
    """
    inside, canvas = _inside(box, *alpha.shape), _canvas(box, parameters)
    cut, matte = frame[inside], alpha[inside]
    # Around the person there is background alone.
    if matte.any():
        part = _covered(matte.max(1)), _covered(matte.max(0))
        onto = _place(canvas, inside, box)
        composite_onto(onto[part], cut[part], matte[part], parameters.background_color)
    return _resized(canvas, parameters)


def cut_square(frame: Frame, box: CropBox, parameters: CropParameters) -> Frame:
    """Cut and resize one frame as it is; see `crop_frame`."""
    inside, canvas = _inside(box, *frame.shape[:2]), _canvas(box, parameters)
    _place(canvas, inside, box)[:] = frame[inside]
    return _resized(canvas, parameters)


def _covered(highest: npt.NDArray[np.uint8]) -> slice:
    """Return the rows of a matte that are not all background, and a margin.

    Args:
        highest: (H,) alpha of each row; not all 0.
    """
    rows = np.flatnonzero(highest)
    return slice(max(0, int(rows[0]) - MARGIN), int(rows[-1]) + 1 + MARGIN)


def _inside(box: CropBox, height: int, width: int) -> tuple[slice, slice]:
    """Return the rows and columns of a frame that lie in a box; none where it lies beside the frame."""
    top, left = max(0, box.y0), max(0, box.x0)
    bottom, right = max(top, min(height, box.y0 + box.side)), max(left, min(width, box.x0 + box.side))
    return slice(top, bottom), slice(left, right)


def _canvas(box: CropBox, parameters: CropParameters) -> Frame:
    return flat(box.side, box.side, parameters.background_color)


def _place(canvas: Frame, inside: tuple[slice, slice], box: CropBox) -> Frame:
    """Return the part of a box's canvas that some rows and columns of the frame belong on."""
    rows, columns = inside
    return canvas[rows.start - box.y0 : rows.stop - box.y0, columns.start - box.x0 : columns.stop - box.x0]


def _resized(canvas: Frame, parameters: CropParameters) -> Frame:
    interpolation = cv2.INTER_AREA if canvas.shape[0] >= parameters.size else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(canvas, (parameters.size, parameters.size), interpolation=interpolation))


def _sharpness_ratio(cropped: Frame, source: Frame, face_box: npt.NDArray[np.float32], box: CropBox) -> float | None:
    """Return the variance of the Laplacian in the middle half of the face, over that of the same crop of the frame.

    The outline of the person over the flat background is sharper than any picture: it must not count. None where the
    face lies beside the square, as a detector may say of single frames.
    """
    scale = cropped.shape[0] / box.side
    margin = (face_box[2:] - face_box[:2]) / 4
    middle = np.concatenate([face_box[:2] + margin, face_box[2:] - margin])
    corners = ((middle - np.array([box.x0, box.y0] * 2)) * scale).astype(int)
    x0, y0, x1, y1 = np.clip(corners, 0, cropped.shape[0])
    if x1 <= x0 or y1 <= y0:
        return None
    face = np.s_[y0:y1, x0:x1]
    variances = [
        cv2.Laplacian(cv2.cvtColor(image[face], cv2.COLOR_RGB2GRAY), cv2.CV_64F).var() for image in (cropped, source)
    ]
    return float(variances[0] / max(variances[1], 1e-9))
