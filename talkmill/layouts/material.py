"""A clip of a set, opened: pictures, sound, points, boxes, alpha. Coordinates are those of the upright frame."""

import wave
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from talkmill.arrays import BoolArray, Float32Array, Float64Array, Frame
from talkmill.faces.crop_box import CropBox
from talkmill.geometry.shrink import resized
from talkmill.geometry.transforms import apply
from talkmill.models.repository import ModelRepository
from talkmill.morphable.model import MorphableModel
from talkmill.option import OptionError
from talkmill.pipeline.finished import FinishedClip
from talkmill.region import Region
from talkmill.sound.audio import SAMPLE_RATE, Samples
from talkmill.stages.records import ClipFaceMesh, ClipLandmarks, CoarseFit, CropGeometry, FaceTrack, FineFit
from talkmill.video.clip import read_clip
from talkmill.video.decode import read_grey_frames
from talkmill.video.frame_table import FrameTable
from talkmill.video.images import decode_image, encode_image, read_coded


class ClipMaterial:
    """A clip's files; each is opened when it is asked for."""

    def __init__(self, clip: FinishedClip, files: Mapping[str, Path], models: ModelRepository) -> None:
        """Open a clip.

        Args:
            clip: What the set says of it.
            files: Kind to path, as far as the layout needs them.
            models: Where the clip's head is.
        """
        self.clip, self._files, self._models = clip, files, models

    @property
    def frame_count(self) -> int:
        """Frames of the clip."""
        return len(self.table.packets)

    @cached_property
    def table(self) -> FrameTable:
        """Which picture stands at each frame."""
        return FrameTable.load(self._files["frame_table"])

    @property
    def frame_size(self) -> tuple[int, int]:
        """Width and height of the upright frame."""
        return self.table.format.upright_size

    @cached_property
    def landmarks(self) -> ClipLandmarks:
        """The 68 points, in pixels of the set's crop."""
        return ClipLandmarks.load(self._files["landmarks"])

    @cached_property
    def coefficients(self) -> CoarseFit:
        """Coefficients of Deep3DFaceRecon, and the alignment of the set's crop to its input."""
        return CoarseFit.load(self._files["coefficients"])

    @cached_property
    def fit(self) -> FineFit:
        """Camera, identity and expression."""
        return FineFit.load(self._files["fit"])

    @cached_property
    def head(self) -> MorphableModel:
        """The head that was fitted.

        Raises:
            ModelError: It cannot be had.
        """
        return MorphableModel.load(self._models.ensure(self.clip.basis, "morphable").path)

    @cached_property
    def face_mesh(self) -> ClipFaceMesh:
        """The 478 points, eye opening and gaze."""
        return ClipFaceMesh.load(self._files["face_mesh"])

    @cached_property
    def geometry(self) -> CropGeometry:
        """Where the set's crop lies."""
        return CropGeometry.load(self._files["geometry"])

    @cached_property
    def boxes(self) -> Float32Array:
        """(N, 4) face boxes x0, y0, x1, y1 in pixels of the upright frame."""
        return FaceTrack.load(self._files["face_track"]).boxes

    @cached_property
    def points(self) -> Float64Array:
        """(N, 68, 2) smoothed landmarks in pixels of the upright frame, centres at integers."""
        return apply(self.geometry.image_from_crop, self.landmarks.points)

    @property
    def valid(self) -> BoolArray:
        """(N,) frames whose landmarks were measured, and which the head fits where a fit is asked for."""
        valid = self.landmarks.valid
        return valid & self.fit.valid if "fit" in self._files else valid

    @cached_property
    def samples(self) -> Samples:
        """(S,) int16 at 16 kHz, of the whole clip."""
        with wave.open(str(self._files["audio"])) as sound:
            return np.frombuffer(sound.readframes(sound.getnframes()), "<i2")

    def sound(self, frames: slice) -> Samples:
        """Return the sound of some frames: round(count / rate x 16000) samples; silence where the clip has no more."""
        begin, count = (
            round(number / self.clip.rate * SAMPLE_RATE) for number in (frames.start, frames.stop - frames.start)
        )
        cut = self.samples[begin : begin + count]
        return np.concatenate([cut, np.zeros(count - len(cut), np.int16)])

    def frames(self, frames: slice) -> Iterator[Frame]:
        """Yield whole frames: RGB (H, W, 3) uint8, upright, with their own background."""
        return read_clip(self._files["video"], self.table, indices=np.arange(frames.start, frames.stop))

    def squares(self, frames: slice, box: CropBox, size: int) -> Iterator[Frame]:
        """Yield a square of each frame, with its own background.

        Args:
            frames: Of the clip.
            box: A square inside the frame, see `talkmill.layouts.squares`.
            size: Side that it is resized to.
        """
        region = Region(box.x0, box.y0, box.side, box.side)
        chosen = np.arange(frames.start, frames.stop)
        for frame in read_clip(self._files["video"], self.table, indices=chosen, region=region):
            yield resized(frame, size, size)

    def crops(self, frames: slice, size: int) -> Iterator[bytes]:
        """Yield the set's own images, coded: as they are where they have that size, else resized, as JPEG.

        Args:
            frames: Of the clip.
            size: Side in pixels, not larger than that of the set.

        Raises:
            OptionError: The set's images are smaller.
        """
        if size > self.clip.size:
            raise OptionError("size", f"{size} is larger than the images of the set, {self.clip.size}")
        for content in read_coded(self._files["frames"], range(frames.start, frames.stop)):
            if size == self.clip.size:
                yield content
            else:
                yield encode_image(resized(decode_image(content), size, size))

    def alphas(self, frames: slice) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield alpha over the upright frame, (H, W) uint8; where none was stored there is background."""
        (width, height), part = self.frame_size, self.clip.alpha_region
        for index, alpha in enumerate(read_grey_frames(self._files["alpha"])):
            if index >= frames.stop:
                return
            if index >= frames.start:
                whole = np.zeros((height, width), np.uint8)
                whole[part.slices] = alpha
                yield whole
