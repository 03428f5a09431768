"""A clip's picture: coded packets of its source, and a frame table. Nothing is encoded."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.stream import VideoStream

from talkmill.arrays import Frame, Int64Array
from talkmill.region import Region
from talkmill.video.container import open_video
from talkmill.video.decode import decode_pictures
from talkmill.video.frame_table import FrameTable
from talkmill.video.packets import PacketIndex
from talkmill.video.picture import RgbConverter

# Containers that packets are copied to, in the order in which they are tried, and their media types.
CONTAINERS = {"mkv": ("matroska", "video/x-matroska"), "mov": ("mov", "video/quicktime")}
# Every so many-th row of a picture's first plane makes its fingerprint.
FINGERPRINT_STEP = 16


class ClipMismatchError(ValueError):
    """A video does not hold the frames of its table."""


def read_clip(
    path: Path,
    table: FrameTable,
    *,
    indices: Sequence[int] | Int64Array | None = None,
    region: Region | None = None,
) -> Iterator[Frame]:
    """Decode a clip: the same pixels for everybody.

    Args:
        path: The clip's video.
        table: Its frame table.
        indices: Numbers of the wanted frames of the clip, rising; None for all.
        region: Part of the frames that is wanted; None for all of it.

    Yields:
        RGB, (H, W, 3) uint8, upright, square pixels, BT.709; as many as are wanted, in order. A frame that repeats
        another may be the same array.

    Raises:
        ClipMismatchError: A frame of the table is not in the video.
        UnreadableVideoError: The file is no video.
    """
    wanted = table.packets if indices is None else table.packets[np.asarray(indices, np.int64)]
    if not len(wanted):
        return
    convert, format_ = RgbConverter(region), table.format
    done = 0
    window = (int(table.window[0]), int(table.window[1]))
    for picture in decode_pictures(path, int(table.stream), [window]):
        if picture.packet != wanted[done]:
            continue
        image = convert(picture.frame, format_)
        while done < len(wanted) and wanted[done] == picture.packet:
            yield image
            done += 1
        if done == len(wanted):
            return
    raise ClipMismatchError(f"{path.name} holds {done} of the {len(wanted)} frames of its table in their order")


def fingerprint(frame: av.VideoFrame) -> int:
    """Return a number that tells decoded pictures apart."""
    plane = frame.planes[0]
    rows = np.frombuffer(plane, np.uint8)[: plane.line_size * plane.height].reshape(plane.height, plane.line_size)
    # What lies beyond the picture in a row is anybody's.
    return zlib.crc32(rows[::FINGERPRINT_STEP, : min(plane.line_size, frame.width)].tobytes())


@dataclass(frozen=True, slots=True)
class PacketCopy:
    """Coded packets of a picture that become a file of their own.

    Attributes:
        window: First packet, a key frame, and the packet after the last.
        target: The file to write; its suffix is chosen when it is written.
        known: Packet of a picture that must come out, and its fingerprint; None where it may be another.
    """

    window: tuple[int, int]
    target: Path
    known: tuple[int, int | None]


def copy_packets(source: Path, index: PacketIndex, copies: Sequence[PacketCopy]) -> list[Path | None]:
    """Copy coded packets into files of their own, and make sure that they decode to the same. The source is read once.

    Args:
        source: The video.
        index: Its packets.
        copies: What is copied; windows may overlap.

    Returns:
        The file of each; None where no container takes the packets or they decode to something else.

    Raises:
        OSError: A file cannot be written.
    """
    done: dict[int, Path] = {}
    rest = [number for number, copy in enumerate(copies) if _can_be_copied(index, copy.window)]
    for suffix, (format_name, _) in CONTAINERS.items():
        outputs = [_Output(copies[number], suffix, format_name) for number in rest]
        try:
            _write(source, index.choice.picture, outputs)
            done |= {number: output.path for number, output in zip(rest, outputs, strict=True) if output.is_right()}
        finally:
            for output in outputs:
                if output.path not in done.values():
                    output.path.unlink(missing_ok=True)
        rest = [number for number in rest if number not in done]
    return [done.get(number) for number in range(len(copies))]


def _can_be_copied(index: PacketIndex, window: tuple[int, int]) -> bool:
    part = slice(*window)
    # Matroska keeps no stamps of decoding: the first packets of a file may have none.
    # A copy has one header, the file's first.
    changed = index.new_header[: window[1]].any()
    return not (changed or np.isnan(index.picture.presentation[part]).any() or index.hidden[part].any())


class _Output:
    """The file of one copy, while it is written."""

    def __init__(self, copy: PacketCopy, suffix: str, format_name: str) -> None:
        self.copy, self.path = copy, copy.target.with_suffix(f".{suffix}")
        self._format_name = format_name
        self._container: Any = None
        self._stream: Any = None
        self._count = 0
        self._taken = True

    def add(self, packet: av.Packet, template: VideoStream) -> None:
        """Write a packet, which stays as it is; once the container has refused one, none."""
        if not self._taken:
            return
        stamps = packet.pts, packet.dts, packet.duration, packet.time_base
        try:
            if self._container is None:
                # Without bitexact, Matroska writes a random id: the same packets would give another artifact each time.
                options = {"fflags": "+bitexact"}
                self._container = av.open(str(self.path), "w", format=self._format_name, container_options=options)
                self._stream = self._container.add_stream_from_template(template, opaque=True)
            packet.stream = self._stream
            self._container.mux(packet)
            self._count += 1
        except OSError:
            # A full disk is no property of the source.
            raise
        except (av.FFmpegError, ValueError):
            self._taken = False
        finally:
            packet.pts, packet.dts, packet.duration, packet.time_base = stamps

    def close(self) -> None:
        """Write what is left."""
        if self._container is None:
            return
        try:
            self._container.close()
        except OSError:
            raise
        except (av.FFmpegError, ValueError):
            self._taken = False
        finally:
            self._container = None

    def is_right(self) -> bool:
        """Whether the file has all packets, and its first wanted picture is the source's."""
        first, end = self.copy.window
        packet, wanted = self.copy.known
        return self._taken and self._count == end - first and _holds(self.path, self._count, (packet - first, wanted))


def _write(source: Path, stream_index: int, outputs: Sequence[_Output]) -> None:
    """Hand each packet of a picture to the outputs that want it; few files are open at a time."""
    if not outputs:
        return
    waiting = sorted(outputs, key=lambda output: output.copy.window, reverse=True)
    writing: list[_Output] = []
    try:
        with open_video(source) as container:
            stream: Any = container.streams[stream_index]
            for number, packet in enumerate(packet for packet in container.demux(stream) if packet.size):
                while waiting and waiting[-1].copy.window[0] == number:
                    writing.append(waiting.pop())
                for output in writing:
                    output.add(packet, stream)
                for output in [output for output in writing if output.copy.window[1] == number + 1]:
                    writing.remove(output)
                    output.close()
                if not writing and not waiting:
                    return
    finally:
        for output in writing:
            output.close()


def _holds(path: Path, count: int, known: tuple[int, int | None]) -> bool:
    """Whether a copy has all packets, and gives a picture of the source."""
    with open_video(path) as container:
        if sum(1 for packet in container.demux(container.streams.video[0]) if packet.size) != count:
            return False
    return gives(path, 0, (0, count), known)


def gives(path: Path, stream: int, window: tuple[int, int], known: tuple[int, int | None]) -> bool:
    """Say whether a picture comes out as it is known where decoding begins at the first packet of a window.

    Args:
        path: The video.
        stream: Index of the stream in the container.
        window: First packet and the packet after the last. No more is decoded than up to the picture.
        known: Packet of the picture, and its fingerprint; None where any picture will do.
    """
    packet, wanted = known
    for picture in decode_pictures(path, stream, [window]):
        if picture.packet == packet:
            return wanted is None or fingerprint(picture.frame) == wanted
    return False
