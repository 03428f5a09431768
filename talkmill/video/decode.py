"""Decoding pictures, one at a time, with the packet that each comes from. Nothing else decodes a source's picture."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from av.video.stream import VideoStream

from talkmill.arrays import Frame
from talkmill.video.container import choose_streams, open_video
from talkmill.video.limits import DEFAULT_LIMITS, VideoLimits
from talkmill.video.packets import NEW_HEADER
from talkmill.video.picture import (
    Deinterlacer,
    PictureFormat,
    RgbConverter,
    Turn,
    container_aspect,
    picture_format,
    turn_of,
)


@dataclass(frozen=True, slots=True)
class DecodedPicture:
    """One decoded picture.

    Attributes:
        packet: Number of its packet among the picture's packets of the file: what names a picture.
        presentation: Its presentation stamp in seconds, as the container says; NaN where it says none.
        decoding: The decoding stamp that came with it, likewise.
        frame: The picture, deinterlaced.
        format: How it is meant to be seen.
        key: Whether it leans on no other, as its decoder says.
        interlaced: Whether it was interlaced.
    """

    packet: int
    presentation: float
    decoding: float
    frame: av.VideoFrame
    format: PictureFormat
    key: bool
    interlaced: bool


# A decoder with threads reports a damaged packet up to so many packets late.
LATEST_REPORT = 64


@dataclass(slots=True)
class DecodeReport:
    """What went wrong while pictures were decoded; whole when the iterator has ended.

    Attributes:
        lost_packets: Packets whose picture did not decode, or not without errors; hidden ones too.
        silent_packets: Packets that gave no picture though the decoder said nothing.
        interlaced_count: Interlaced pictures.
    """

    lost_packets: list[int] = field(default_factory=list)
    silent_packets: list[int] = field(default_factory=list)
    interlaced_count: int = 0


def decode_pictures(
    path: Path,
    stream_index: int,
    windows: Sequence[tuple[int, int]] | None = None,
    report: DecodeReport | None = None,
    limits: VideoLimits = DEFAULT_LIMITS,
) -> Iterator[DecodedPicture]:
    """Decode some packets of a file's picture.

    A damaged packet is passed over: the decoder goes on with the next. Its picture, and those that depend on it until
    the next key frame, may be missing or wrong; the report says where.

    Args:
        path: The file.
        stream_index: Index of the stream in the container.
        windows: First packet and the packet after the last, in order, apart; each begins at a key frame. None for all.
        report: Where damage is noted.
        limits: A larger picture is not decoded.

    Yields:
        Pictures in the order of their presentation within a window.

    Raises:
        UnreadableVideoError: The file is not a video.
    """
    report = DecodeReport() if report is None else report
    with open_video(path, limits) as container:
        stream: Any = container.streams[stream_index]
        decoder = _Decoder(stream, report, limits)
        rest = list(windows) if windows is not None else [(0, np.iinfo(np.int64).max)]
        number, header = -1, None
        try:
            for packet in container.demux(stream):
                if not packet.size:
                    continue
                number += 1
                if packet.has_sidedata(NEW_HEADER):
                    header = packet.get_sidedata(NEW_HEADER)
                if rest and number >= rest[0][1]:
                    rest.pop(0)
                    yield from decoder.end()
                if not rest:
                    return
                if number >= rest[0][0]:
                    if number == rest[0][0] and header is not None:
                        # The header may have changed in a packet that was passed over.
                        packet.set_sidedata(header)
                    yield from decoder.decode(packet, number)
            yield from decoder.end()
        finally:
            decoder.stop()


@dataclass(slots=True, eq=False)
class _Tag:
    """What a packet hands to its picture. PyAV knows it by its identity: each packet needs one of its own."""

    packet: int
    hidden: bool
    presentation_ticks: int | None
    stamps: tuple[float, float] = (np.nan, np.nan)
    key: bool = False
    interlaced: bool = False


# FFmpeg's own decoders of these drop the alpha that WebM keeps beside the picture.
_DECODERS_OF_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


def _codec_context(stream: VideoStream) -> VideoCodecContext:
    name = _DECODERS_OF_ALPHA.get(stream.codec_context.name)
    if name is None or stream.metadata.get("alpha_mode") != "1":
        return stream.codec_context
    return cast("VideoCodecContext", av.CodecContext.create(name, "r"))


class _Decoder:
    """The decoder of one stream, and the deinterlacer behind it."""

    def __init__(self, stream: VideoStream, report: DecodeReport, limits: VideoLimits) -> None:
        self._stream, self._report = stream, report
        self._context = _codec_context(stream)
        self._aspect = container_aspect(stream)
        stream.thread_type = "AUTO"
        # A stream may change its size in the middle: the decoder refuses before it takes the memory.
        self._context.options = {"max_pixels": str(limits.max_pixels)}
        # A frame carries the number of its packet through reordering and threads.
        self._context.copy_opaque = True
        self._format: PictureFormat | None = None
        # Display matrices by their angle. PyAV's frame and the list of its side data hold each other, so a frame whose
        # list was asked for keeps its megabytes until Python looks for such pairs; the angle has no list.
        self._turns: dict[int, Turn] = {}
        self._deinterlacer: Deinterlacer | None = None
        # Packets whose picture has not come, and those at which the decoder gave up.
        self._waiting: dict[int, _Tag] = {}
        self._failures: list[int] = []
        self._newest = -1

    def decode(self, packet: av.Packet, number: int) -> Iterator[DecodedPicture]:
        hidden = packet.is_discard
        packet = _shown(packet)
        packet.opaque = tag = _Tag(number, hidden, packet.pts)
        self._waiting[number], self._newest = tag, number
        yield from self._pictures(packet)

    def end(self) -> Iterator[DecodedPicture]:
        """Give what the decoder still holds, and make it ready for another stretch."""
        yield from self._pictures(None)
        yield from self._deinterlaced_rest()
        self._context.flush_buffers()
        for number in self._waiting:
            failed = any(0 <= late - number < LATEST_REPORT for late in self._failures)
            (self._report.lost_packets if failed else self._report.silent_packets).append(number)
        self._waiting, self._failures = {}, []

    def stop(self) -> None:
        """Let the decoder's threads come to rest.

        They give tags back to Python, for which they need its lock. Who closes the decoder has the lock and waits for
        them: without a rest before, both would wait for ever.
        """
        self._context.flush_buffers()

    def _pictures(self, packet: av.Packet | None) -> Iterator[DecodedPicture]:
        try:
            frames = self._decoded(packet)
        except av.FFmpegError:
            self._failures.append(self._newest)
            return
        for frame in frames:
            if frame.opaque is None:
                self._failures.append(self._newest)
                continue
            tag = self._tag(frame)
            self._waiting.pop(tag.packet, None)
            if frame.is_corrupt:
                self._report.lost_packets.append(tag.packet)
            elif not tag.hidden:
                yield from self._deinterlaced(frame, tag)

    def _tag(self, frame: av.VideoFrame) -> _Tag:
        """Return the tag of the packet that a picture is shown by.

        A packet of VP9 may show what another one holds. FFmpeg names that one, but gives the stamp of this.
        """
        own: _Tag = frame.opaque
        if frame.pts is None or frame.pts == own.presentation_ticks:
            return own
        return next((tag for tag in self._waiting.values() if tag.presentation_ticks == frame.pts), own)

    def _decoded(self, packet: av.Packet | None) -> list[av.VideoFrame]:
        try:
            return self._context.decode(packet)
        except av.BlockingIOError:
            # Stuck in the rest of a damaged packet that holds several frames (VP9): it would take no other.
            self._failures.append(self._newest)
            self._context.flush_buffers()
            return self._context.decode(packet)

    def _deinterlaced(self, frame: av.VideoFrame, tag: _Tag) -> Iterator[DecodedPicture]:
        if frame.rotation not in self._turns:
            self._turns[frame.rotation] = turn_of(frame)
        format_ = picture_format(frame, self._stream, self._aspect, self._turns[frame.rotation])
        if format_ != self._format:
            yield from self._deinterlaced_rest()
            self._format = format_
        interlaced = bool(frame.interlaced_frame)
        key = bool(frame.key_frame) or frame.pict_type == PictureType.I
        tick = float(frame.time_base or self._stream.time_base or 0)
        stamps = (
            np.nan if frame.pts is None else frame.pts * tick,
            np.nan if frame.dts is None else frame.dts * tick,
        )
        if self._deinterlacer is None and interlaced:
            self._deinterlacer = Deinterlacer()
        self._report.interlaced_count += interlaced
        if self._deinterlacer is None:
            yield DecodedPicture(tag.packet, *stamps, frame, format_, key, interlaced)
            return
        tag.stamps, tag.key, tag.interlaced = stamps, key, interlaced
        for done in self._deinterlacer.push(frame):
            yield self._from_filter(done)

    def _deinterlaced_rest(self) -> Iterator[DecodedPicture]:
        if self._deinterlacer is not None:
            for done in self._deinterlacer.flush():
                yield self._from_filter(done)

    def _from_filter(self, frame: av.VideoFrame) -> DecodedPicture:
        tag: _Tag = frame.opaque
        assert self._format is not None  # noqa: S101 - a frame has been decoded
        return DecodedPicture(tag.packet, *tag.stamps, frame, self._format, tag.key, tag.interlaced)


def _shown(packet: av.Packet) -> av.Packet:
    """Return a packet that gives its picture though an edit list hides it: its damage reaches those after it."""
    if not packet.is_discard:
        return packet
    shown = av.Packet(bytes(packet))
    shown.pts, shown.dts, shown.time_base = packet.pts, packet.dts, packet.time_base
    shown.is_keyframe = packet.is_keyframe
    for data in packet.iter_sidedata():
        shown.set_sidedata(data)
    return shown


def read_video(path: Path) -> Iterator[Frame]:
    """Decode every picture of a file to upright RGB, (H, W, 3) uint8, in order of presentation; no times."""
    with open_video(path) as container:
        stream_index = choose_streams(container).picture
    convert = RgbConverter()
    for picture in decode_pictures(path, stream_index):
        yield convert(picture.frame, picture.format)


def read_grey_at(path: Path, indices: Collection[int]) -> list[Frame]:
    """Decode some frames of an alpha video of ours, (H, W) uint8, in order; FFV1 is not even decoded between them."""
    wanted, last = set(indices), max(indices)
    found: list[Frame] = []
    with open_video(path) as container:
        stream = container.streams.video[0]
        # Frame threads would hold frames back.
        stream.thread_type = "SLICE"
        for number, packet in enumerate(packet for packet in container.demux(stream) if packet.size):
            if number > last:
                break
            if number in wanted:
                found += [np.asarray(frame.to_ndarray(format="gray"), np.uint8) for frame in packet.decode()]
    return found


def read_grey_frames(path: Path) -> Iterator[Frame]:
    """Decode a grey video of ours, such as an alpha matte, to (H, W) uint8 frames without conversion."""
    with open_video(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for frame in container.decode(stream):
            yield np.asarray(frame.to_ndarray(format="gray"), np.uint8)
