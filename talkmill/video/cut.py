"""Cuts a part of a video in time and space, with its sound, into a file of its own."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from talkmill.files import replacing
from talkmill.region import Region
from talkmill.video.clip import read_clip
from talkmill.video.encode import SMALLEST_CLIP_SIDE, file_writer
from talkmill.video.join import join_streams
from talkmill.video.packets import PacketIndex, index_packets
from talkmill.video.resample import native_rate, schedule_frames
from talkmill.video.scan import Scan, scan_source

# A hole in the source is filled with repeated frames up to here; a part with a longer one ends at the hole.
LONGEST_HOLE_SECONDS = 1.0


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
        notes: What the user should know.
    """

    frame_count: int
    rate: Fraction
    width: int
    height: int
    has_sound: bool
    notes: tuple[str, ...] = ()


def cut_video(
    source: Path, target: Path, start_seconds: float, end_seconds: float | None, box: tuple[int, int, int, int] | None
) -> Cut:
    """Cut a part out of a video.

    Frames stand at the source's own rate, the nearest one at each instant; the sound is copied.

    Args:
        source: The video.
        target: The .mp4 to write.
        start_seconds: Where the part begins, from the video's first frame.
        end_seconds: Where it ends; None for the video's end.
        box: x, y, width, height of the region in pixels of the upright frame, inside it; None for all of it.

    Returns:
        What was written.

    Raises:
        EmptyCutError: No frame lies in the part.
        SmallRegionError: A side of the region is smaller than 64 pixels.
        UnreadableVideoError: The file is not a video.
        av.FFmpegError: The sound cannot be copied.
    """
    index = index_packets(source)
    end = float("inf") if end_seconds is None else end_seconds
    scan = _scanned(source, index, start_seconds, end)
    first, last = (0, 0) if scan is None else np.searchsorted(scan.times, [start_seconds - 1e-6, end - 1e-6])
    if scan is None or first == last:
        raise EmptyCutError(
            f"the video has no frame from {start_seconds:g} s to "
            f"{'its end' if end_seconds is None else f'{end_seconds:g} s'}"
        )
    notes = list(scan.notes)
    breaks = np.flatnonzero(scan.breaks[first + 1 : last])
    if breaks.size:
        last = first + 1 + int(breaks[0])
        notes.append(f"the part ends at {scan.times[last - 1]:.2f} s, where the video has a hole or changes its format")
    times = scan.times[first:last]
    rate = native_rate(times, index.rate)
    schedule = schedule_frames(times, rate, float(times[0]), float(times[-1]))
    table = scan.table(first + schedule.source_indices, schedule)
    region = _even(table.format.upright_size, box)
    picture = target.with_name(f".{target.stem}.picture.mp4")
    try:
        with file_writer(picture, rate) as writer:
            for image in read_clip(source, table, region=region):
                writer.write(image)
        with replacing(target) as part:
            start = scan.zero_seconds + float(times[0])
            join_streams(picture, source if index.choice.sound is not None else None, part, (index, start))
    finally:
        picture.unlink(missing_ok=True)
    has_sound = index.choice.sound is not None
    return Cut(writer.frame_count, rate, region.width, region.height, has_sound, tuple(notes))


def _scanned(source: Path, index: PacketIndex, start: float, end: float) -> Scan | None:
    ranges = [] if start <= 0 and end == float("inf") else [(start, end)]
    return scan_source(source, index, ranges, LONGEST_HOLE_SECONDS, lambda _: None, lambda *_: None)


def _even(size: tuple[int, int], box: tuple[int, int, int, int] | None) -> Region:
    x, y, width, height = box or (0, 0, *size)
    region = Region.inside(x, y, x + width - width % 2, y + height - height % 2, *size)
    if min(region.width, region.height) < SMALLEST_CLIP_SIDE:
        raise SmallRegionError(f"a region of {width}x{height} pixels is too small")
    return Region(region.x, region.y, region.width - region.width % 2, region.height - region.height % 2)
