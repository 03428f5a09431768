"""Cuts a part of a video in time and space, with its sound."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from talkmill.files import replacing
from talkmill.video.container import open_video, video_stream
from talkmill.video.decode import TimedFrame, read_frames
from talkmill.video.encode import SMALLEST_CLIP_SIDE, clip_writer
from talkmill.video.join import join_streams

# Rates that a header may claim and no talking head has.
FASTEST_RATE = Fraction(240)
DEFAULT_RATE = Fraction(25)


class EmptyCutError(ValueError):
    """Nothing of the video lies in the wanted part."""


class SmallRegionError(ValueError):
    """The region is too small to be encoded."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What was cut.

    Attributes:
        frame_count: Frames.
        rate: Frames a second.
        width: Pixels.
        height: Pixels.
        has_sound: Whether there is sound.
    """

    frame_count: int
    rate: Fraction
    width: int
    height: int
    has_sound: bool


def cut_video(
    source: Path, target: Path, start_seconds: float, end_seconds: float | None, box: tuple[int, int, int, int] | None
) -> Cut:
    """Cut a part out of a video.

    Frames stand at the source's own average rate, the nearest one at each instant; the sound is copied.

    Args:
        source: The video.
        target: The .mp4 to write.
        start_seconds: Where the part begins.
        end_seconds: Where it ends; None for the video's end.
        box: x, y, width, height of the region in pixels of the upright frame, inside it; None for all of it.

    Returns:
        What was written.

    Raises:
        EmptyCutError: No frame lies in the part.
        SmallRegionError: A side of the region is smaller than 64 pixels.
        av.FFmpegError: The file is damaged there.
    """
    with open_video(source) as container:
        rate = video_stream(container).average_rate or DEFAULT_RATE
        has_sound = bool(container.streams.audio)
    rate = rate if 1 <= rate <= FASTEST_RATE else DEFAULT_RATE
    picture = target.with_name(f".{target.stem}.picture.mp4")
    width = height = 0
    try:
        with clip_writer(picture, rate) as writer:
            for image in _on_grid(read_frames(source, start_seconds=start_seconds), rate, start_seconds, end_seconds):
                x, y, width, height = box or (0, 0, image.shape[1], image.shape[0])
                width, height = width - width % 2, height - height % 2
                if min(width, height) < SMALLEST_CLIP_SIDE:
                    raise SmallRegionError(f"a region of {width}x{height} pixels is too small")
                writer.write(np.ascontiguousarray(image[y : y + height, x : x + width]))
        if not writer.frame_count:
            end = "its end" if end_seconds is None else f"{end_seconds:g} s"
            raise EmptyCutError(f"the video has no frame from {start_seconds:g} s to {end}")
        with replacing(target) as part:
            join_streams(picture, source if has_sound else None, part, start_seconds)
    finally:
        picture.unlink(missing_ok=True)
    return Cut(writer.frame_count, rate, width, height, has_sound)


def _on_grid(
    frames: Iterator[TimedFrame], rate: Fraction, start: float, end: float | None
) -> Iterator[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    """Yield the frame that is nearest to start + k / rate, for every k before the end."""
    count, before = 0, None
    for frame in frames:
        if before is not None:
            middle = (before.time_seconds + frame.time_seconds) / 2
            while (instant := start + count / float(rate)) < middle and (end is None or instant < end - 1e-6):
                yield before.image
                count += 1
            if end is not None and start + count / float(rate) >= end - 1e-6:
                return
        before = frame
    if before is not None and start + count / float(rate) <= before.time_seconds + 0.5 / float(rate):
        yield before.image
