"""Joins picture and sound into one file without decoding either."""

import heapq
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import av


def join_streams(picture: Path, sound: Path | None, target: Path, sound_start_seconds: float | None = None) -> None:
    """Copy the picture of one file and the sound of another into one.

    Args:
        picture: A local file; its first picture is copied, and no sound of its own.
        sound: A local file; its first sound is copied. None for none.
        target: The file to write; its suffix names the container.
        sound_start_seconds: Time in the sound that becomes 0; what lies before is left out, and so is what lies after
            the picture's end. None keeps all of it.

    Raises:
        av.FFmpegError: A stream cannot be read, or does not fit into the container.
    """
    with ExitStack() as stack:
        pictures = list(stack.enter_context(_open(picture)).streams.video[:1])
        sounds = list(stack.enter_context(_open(sound)).streams.audio[:1]) if sound else []
        output = stack.enter_context(av.open(str(target), "w", container_options={"fflags": "+bitexact"}))
        chosen = [(pictures[0], 0.0, float("inf"))] if pictures else []
        if sounds:
            cut = sound_start_seconds is not None and pictures
            chosen.append((sounds[0], sound_start_seconds or 0.0, _seconds(pictures[0]) if cut else float("inf")))
        # A container takes its streams before its first packet.
        copies = [output.add_stream_from_template(stream, opaque=True) for stream, _, _ in chosen]
        packets = [_packets(*choice, copied) for choice, copied in zip(chosen, copies, strict=True)]
        for _, packet in heapq.merge(*packets, key=lambda item: item[0]):
            output.mux(packet)


def length_seconds(path: Path) -> float | None:
    """Return how long a file says that it is; None where it does not say."""
    with _open(path) as source:
        return float(source.duration / av.time_base) if source.duration else None


def _open(path: Path) -> Any:
    return av.open(str(path.resolve()), options={"protocol_whitelist": "file"})


def _seconds(stream: Any) -> float:
    duration = stream.container.duration
    return float(duration / av.time_base) if duration else float("inf")


def _packets(stream: Any, start: float, length: float, copied: Any) -> Iterator[tuple[float, Any]]:
    """Yield a stream's packets from a time on, with their new times, on their way into another file."""
    if start:
        stream.container.seek(int(start / stream.time_base), stream=stream)
    for packet in stream.container.demux(stream):
        if packet.dts is None:
            continue
        time = float(packet.dts * packet.time_base) - start
        # Before its first picture a file may have packets that are only decoded: a start of 0 leaves nothing out.
        if start and time < 0:
            continue
        if time >= length:
            return
        if start:
            shift = round(start / packet.time_base)
            packet.dts -= shift
            packet.pts -= shift
        packet.stream = copied
        yield time, packet
