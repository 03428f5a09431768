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
from talkmill.video.packets import index_packets
from talkmill.video.resample import native_rate, schedule_frames
from talkmill.video.scan import Scan, scan_source, window_of

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


@dataclass(frozen=True, slots=True, eq=False)
class VideoPart:
    """A part of a video, without a hole or a change of format.

    Attributes:
        path: The video.
        scan: Of the part, and of what lies around it.
        first: Number of the part's first picture in the scan.
        end: Number of the picture after its last.
        notes: What the user should know.
    """

    path: Path
    scan: Scan
    first: int
    end: int
    notes: tuple[str, ...]


def find_part(path: Path, start_seconds: float, end_seconds: float | None) -> VideoPart:
    """Find the frames of a part of a video; they are decoded once.

    Args:
        path: The video.
        start_seconds: Where the part begins, from the video's first frame.
        end_seconds: Where it ends; None for the video's end.

    Returns:
        The part.

    Raises:
        EmptyCutError: No frame lies in the part.
        UnreadableVideoError: The file is not a video.
        VideoLimitError: It is larger than is taken.
    """
    end = float("inf") if end_seconds is None else end_seconds
    ranges = [] if start_seconds <= 0 and end_seconds is None else [(start_seconds, end)]
    scan = scan_source(path, index_packets(path), ranges, LONGEST_HOLE_SECONDS, lambda _: None, lambda *_: None)
    first, last = (0, 0) if scan is None else np.searchsorted(scan.times, [start_seconds - 1e-6, end - 1e-6])
    if scan is None or first == last:
        raise EmptyCutError(
            f"the video has no frame from {start_seconds:g} s to "
            f"{'its end' if end_seconds is None else f'{end_seconds:g} s'}"
        )
    notes = scan.notes
    breaks = np.flatnonzero(scan.breaks[first + 1 : last])
    if breaks.size:
        last = first + 1 + breaks[0]
        where = f"{scan.times[last - 1]:.2f} s"
        notes = (*notes, f"the part ends at {where}, where the video has a hole or changes its format")
    return VideoPart(path, scan, int(first), int(last), notes)


def cut_part(part: VideoPart, target: Path, box: tuple[int, int, int, int] | None) -> Cut:
    """Cut a part out of a video.

    Frames stand at the source's own rate, the nearest one at each instant; the sound is copied.

    Args:
        part: The part.
        target: The .mp4 to write.
        box: x, y, width, height of the region in pixels of the upright frame, inside it; None for all of it.

    Returns:
        What was written.

    Raises:
        SmallRegionError: A side of the region is smaller than 64 pixels.
        av.FFmpegError: The sound cannot be copied.
    """
    scan, index = part.scan, part.scan.index
    times = scan.times[part.first : part.end]
    rate = native_rate(times, index.rate)
    schedule = schedule_frames(times, rate, float(times[0]), float(times[-1]))
    frames = part.first + schedule.source_indices
    table = scan.table(frames, schedule, window_of(part.path, scan, frames))
    region = _even(table.format.upright_size, box)
    has_sound = index.choice.sound is not None
    picture = target.with_name(f".{target.stem}.picture.mp4")
    try:
        with file_writer(picture, rate) as writer:
            for image in read_clip(part.path, table, region=region):
                writer.write(image)
        with replacing(target) as whole:
            start = scan.zero_seconds + float(times[0])
            join_streams(picture, part.path if has_sound else None, whole, (index, start))
    finally:
        picture.unlink(missing_ok=True)
    return Cut(writer.frame_count, rate, region.width, region.height, has_sound, part.notes)


def _even(size: tuple[int, int], box: tuple[int, int, int, int] | None) -> Region:
    x, y, width, height = box or (0, 0, *size)
    region = Region.inside(x, y, x + width - width % 2, y + height - height % 2, *size)
    if min(region.width, region.height) < SMALLEST_CLIP_SIDE:
        raise SmallRegionError(f"a region of {width}x{height} pixels is too small")
    return Region(region.x, region.y, region.width - region.width % 2, region.height - region.height % 2)
