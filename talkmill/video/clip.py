"""A clip's picture: coded packets of its source, and a frame table. Nothing is encoded."""

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import numpy as np

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


def copy_packets(
    source: Path, index: PacketIndex, window: tuple[int, int], target: Path, first: tuple[int, int] | None
) -> Path | None:
    """Copy coded packets of a picture into a file of their own, and make sure that they decode to the same.

    Args:
        source: The video.
        index: Its packets.
        window: First packet, a key frame, and the packet after the last.
        target: The file to write; its suffix is chosen here.
        first: Packet and fingerprint of a picture that must come out the same; None where there is none to compare.

    Returns:
        The file; None where no container takes the packets or they decode to something else.

    Raises:
        OSError: The file cannot be written.
    """
    part = slice(*window)
    # Matroska keeps no stamps of decoding: the first packets of a file may have none.
    if np.isnan(index.picture.presentation[part]).any() or index.hidden[part].any():
        return None
    for suffix, (format_name, _) in CONTAINERS.items():
        path = target.with_suffix(f".{suffix}")
        try:
            count = _written(source, index, window, path, format_name)
            if count == window[1] - window[0] and _same(path, count, window[0], first):
                return path
        except OSError:
            # A full disk is no property of the source.
            path.unlink(missing_ok=True)
            raise
        except (av.FFmpegError, ValueError):
            # The container does not take this codec.
            pass
        path.unlink(missing_ok=True)
    return None


def _written(source: Path, index: PacketIndex, window: tuple[int, int], path: Path, format_name: str) -> int:
    # Without bitexact, Matroska writes a random id: the same packets would give another artifact each time.
    options = {"fflags": "+bitexact"}
    with open_video(source) as container, av.open(str(path), "w", format=format_name, container_options=options) as out:
        stream = container.streams[index.choice.picture]
        copied = out.add_stream_from_template(stream, opaque=True)
        number = -1
        count = 0
        for packet in container.demux(stream):
            if not packet.size:
                continue
            number += 1
            if number >= window[1]:
                break
            if number >= window[0]:
                packet.stream = copied
                out.mux(packet)
                count += 1
    return count


def _same(path: Path, count: int, first_packet: int, first: tuple[int, int] | None) -> bool:
    """Whether a copy has all packets, and its first wanted picture is the source's."""
    with open_video(path) as container:
        if sum(1 for packet in container.demux(container.streams.video[0]) if packet.size) != count:
            return False
    if first is None:
        return True
    packet, wanted = first
    for picture in decode_pictures(path, 0, [(0, count)]):
        if picture.packet == packet - first_packet:
            return fingerprint(picture.frame) == wanted
    return False
