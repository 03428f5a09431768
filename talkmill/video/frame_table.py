"""Which picture of a video stands at each instant of a clip, and how it becomes RGB."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Self

import numpy as np

from talkmill.arrays import BoolArray, Float64Array, Int64Array
from talkmill.record import N, Record, array
from talkmill.video.picture import PictureFormat


@dataclass(frozen=True, slots=True)
class FrameTable(Record):
    """Frame k of a clip stands at k / rate. With the coded video it is the clip's picture: see `read_clip`.

    Attributes:
        packets: (N,) number of the packet that each frame is decoded from, among the stream's packets.
        window: (2,) first packet to decode, a key frame, and the packet after the last.
        stream: () index of the stream in the video's container.
        repeated: (N,) whether the frame repeats the one before: the source has none there.
        source_indices: (N,) number of the frame among the decoded frames of the source.
        source_times: (N,) seconds from the first frame of the source.
        stored_size: (2,) width and height of the decoded picture in pixels.
        turn: (4,) a, b, c, d of the display matrix; see `PictureFormat`.
        pixel_aspect: (2,) width of a pixel over its height, as a fraction.
        colour: (4,) ColourPrimaries, TransferCharacteristics, MatrixCoefficients of ITU-T H.273, and 1 for full range.
        alpha: () whether the picture has an alpha channel.
    """

    packets: Int64Array = array(np.int64, N)
    window: Int64Array = array(np.int64, 2)
    stream: Int64Array = array(np.int64)
    repeated: BoolArray = array(np.bool_, N)
    source_indices: Int64Array = array(np.int64, N)
    source_times: Float64Array = array(np.float64, N)
    stored_size: Int64Array = array(np.int64, 2)
    turn: Int64Array = array(np.int64, 4)
    pixel_aspect: Int64Array = array(np.int64, 2)
    colour: Int64Array = array(np.int64, 4)
    alpha: BoolArray = array(np.bool_)

    @classmethod
    def of(
        cls,
        packets: Int64Array,
        window: tuple[int, int],
        stream: int,
        repeated: BoolArray,
        source_indices: Int64Array,
        source_times: Float64Array,
        format_: PictureFormat,
    ) -> Self:
        """Make a table; see the attributes."""
        colour = (format_.primaries, format_.transfer, format_.matrix, int(format_.full_range))
        aspect = (format_.pixel_aspect.numerator, format_.pixel_aspect.denominator)
        return cls(
            packets=packets,
            window=np.array(window, np.int64),
            stream=np.array(stream, np.int64),
            repeated=repeated,
            source_indices=source_indices,
            source_times=source_times,
            stored_size=np.array((format_.width, format_.height), np.int64),
            turn=np.array(format_.turn, np.int64),
            pixel_aspect=np.array(aspect, np.int64),
            colour=np.array(colour, np.int64),
            alpha=np.array(format_.alpha),
        )

    @property
    def format(self) -> PictureFormat:
        """How the clip's pictures become RGB."""
        a, b, c, d = (int(value) for value in self.turn)
        primaries, transfer, matrix, full = (int(value) for value in self.colour)
        return PictureFormat(
            width=int(self.stored_size[0]),
            height=int(self.stored_size[1]),
            turn=(a, b, c, d),
            pixel_aspect=Fraction(int(self.pixel_aspect[0]), int(self.pixel_aspect[1])),
            primaries=primaries,
            transfer=transfer,
            matrix=matrix,
            full_range=bool(full),
            alpha=bool(self.alpha),
        )
