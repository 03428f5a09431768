"""Joins picture and sound into one file without decoding either."""

import heapq
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import av

from talkmill.video.container import choose_streams, open_media, open_video
from talkmill.video.packets import PacketIndex


def join_streams(picture: Path, sound: Path | None, target: Path, cut: tuple[PacketIndex, float] | None = None) -> None:
    """Copy the picture of one file and the sound of another into one.

    Args:
        picture: A local file; its picture is copied, and no sound of its own.
        sound: A local file; its sound is copied. None for none.
        target: The file to write; its suffix names the container.
        cut: The packets of the sound's file, and the time on their clock that becomes 0: what lies before is left out,
            and so is what lies after the picture's end. None keeps all of it.

    Raises:
        UnreadableVideoError: A file is no media, or has no such stream.
        av.FFmpegError: A stream cannot be read, or does not fit into the container.
    """
    with ExitStack() as stack:
        source = stack.enter_context(open_video(picture))
        pictures = source.streams[choose_streams(source).picture]
        chosen: list[tuple[Any, float, tuple[PacketIndex, float] | None]] = [(pictures, float("inf"), None)]
        if sound is not None:
            other = stack.enter_context(open_media(sound))
            voice = cut[0].choice.sound if cut else next((one.index for one in other.streams.audio), None)
            if voice is not None:
                chosen.append((other.streams[voice], _seconds(source) if cut else float("inf"), cut))
        output = stack.enter_context(av.open(str(target), "w", container_options={"fflags": "+bitexact"}))
        # A container takes its streams before its first packet.
        copies = [output.add_stream_from_template(stream, opaque=True) for stream, _, _ in chosen]
        packets = [_packets(*choice, copied) for choice, copied in zip(chosen, copies, strict=True)]
        for _, packet in heapq.merge(*packets, key=lambda item: item[0]):
            output.mux(packet)


def length_seconds(path: Path) -> float | None:
    """Return how long a file says that it is; None where it does not say."""
    with open_media(path) as source:
        return float(source.duration / av.time_base) if source.duration else None


def _seconds(container: Any) -> float:
    return float(container.duration / av.time_base) if container.duration else float("inf")


def _packets(
    stream: Any, length: float, cut: tuple[PacketIndex, float] | None, copied: Any
) -> Iterator[tuple[float, Any]]:
    """Yield a stream's packets with their new times, on their way into another file."""
    number = -1
    for packet in stream.container.demux(stream):
        if not packet.size:
            continue
        number += 1
        if packet.dts is None:
            continue
        if cut is not None:
            index, start = cut
            shift = round((index.offsets[index.sound.section[number]] - start) / packet.time_base)
            packet.dts += shift
            packet.pts = packet.dts if packet.pts is None else packet.pts + shift
        time = float(packet.dts * packet.time_base)
        if cut is not None and time < 0:
            continue
        if time >= length:
            return
        packet.stream = copied
        yield time, packet
