"""A clip of a set, opened: pictures, sound, points, boxes, alpha. Coordinates are those of the upright frame."""

import math
import wave
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from talkmill.arrays import BoolArray, Float32Array, Float64Array, Frame, Int64Array
from talkmill.faces.crop_box import CropBox
from talkmill.geometry.shrink import resized
from talkmill.geometry.transforms import apply
from talkmill.models.repository import ModelRepository
from talkmill.morphable.model import MorphableModel
from talkmill.option import OptionError
from talkmill.pipeline.finished import FinishedClip
from talkmill.record import Record
from talkmill.region import Region
from talkmill.sound.audio import SAMPLE_RATE, Samples
from talkmill.stages.records import ClipFaceMesh, ClipLandmarks, CoarseFit, CropGeometry, FaceTrack, FineFit
from talkmill.video.clip import read_clip
from talkmill.video.decode import read_grey_frames
from talkmill.video.frame_table import FrameTable
from talkmill.video.images import decode_image, encode_image, read_coded

# A record of a clip.
RecordT = TypeVar("RecordT", bound=Record)


class ClipMaterial:
    """A clip's files at some rate; each is opened when it is asked for."""

    def __init__(
        self, clip: FinishedClip, files: Mapping[str, Path], models: ModelRepository, rate: Fraction | None = None
    ) -> None:
        """Open a clip.

        Args:
            clip: What the set says of it.
            files: Kind to path, as far as the layout needs them.
            models: Where the clip's head is.
            rate: Frames a second that are wanted: at each instant stands the nearest frame of the set, none is blended.
                None for those of the set.
        """
        self.clip = clip if rate is None else replace(clip, rate=rate)
        self.set_rate, self._files, self._models = clip.rate, files, models

    @property
    def frame_count(self) -> int:
        """Frames of the clip."""
        return len(self.table.packets)

    @cached_property
    def table(self) -> FrameTable:
        """Which picture stands at each frame."""
        return self._record(FrameTable, "frame_table")

    @cached_property
    def _chosen(self) -> Int64Array:
        """(N,) the frame of the set that stands at each frame."""
        count = len(FrameTable.load(self._files["frame_table"]).packets)
        if self.clip.rate == self.set_rate:
            return np.arange(count)
        step = self.set_rate / self.clip.rate
        wanted = max(1, math.floor(count / step))
        return np.array([min(count - 1, round(number * step)) for number in range(wanted)], np.int64)

    def _record(self, kind: type[RecordT], name: str) -> RecordT:
        return kind.load(self._files[name]).of_frames(self._chosen)

    @property
    def frame_size(self) -> tuple[int, int]:
        """Width and height of the upright frame."""
        return self.table.format.upright_size

    @cached_property
    def landmarks(self) -> ClipLandmarks:
        """The 68 points, in pixels of the set's crop."""
        return self._record(ClipLandmarks, "landmarks")

    @cached_property
    def coefficients(self) -> CoarseFit:
        """Coefficients of Deep3DFaceRecon, and the alignment of the set's crop to its input."""
        return self._record(CoarseFit, "coefficients")

    @cached_property
    def fit(self) -> FineFit:
        """Camera, identity and expression."""
        return self._record(FineFit, "fit")

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
        return self._record(ClipFaceMesh, "face_mesh")

    @cached_property
    def geometry(self) -> CropGeometry:
        """Where the set's crop lies."""
        return self._record(CropGeometry, "geometry")

    @cached_property
    def boxes(self) -> Float32Array:
        """(N, 4) face boxes x0, y0, x1, y1 in pixels of the upright frame."""
        return self._record(FaceTrack, "face_track").boxes

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

    def start_seconds(self, frame: int) -> float:
        """Return the time in the source of a frame of the clip."""
        return float(self.clip.meta["start_seconds"]) + float(frame / self.clip.rate)

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
        for content in read_coded(self._files["frames"], self._chosen[frames].tolist()):
            if size == self.clip.size:
                yield content
            else:
                yield encode_image(resized(decode_image(content), size, size))

    def alphas(self, frames: slice) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield alpha over the upright frame, (H, W) uint8; where none was stored there is background."""
        (width, height), part = self.frame_size, self.clip.alpha_region
        wanted = Counter(self._chosen[frames].tolist())
        for index, alpha in enumerate(read_grey_frames(self._files["alpha"])):
            for _ in range(wanted.pop(index, 0)):
                whole = np.zeros((height, width), np.uint8)
                whole[part.slices] = alpha
                yield whole
            if not wanted:
                return
