"""One pass over a source or parts of it: which pictures there are, when each is shown, and where a take ends."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np

from talkmill.arrays import BoolArray, Float64Array, Frame, Int64Array
from talkmill.text import counted
from talkmill.video.clip import fingerprint, gives
from talkmill.video.decode import DecodedPicture, DecodeReport, decode_pictures
from talkmill.video.frame_table import FrameTable
from talkmill.video.packets import PacketIndex
from talkmill.video.picture import PictureFormat, RgbConverter
from talkmill.video.prefetch import prefetched
from talkmill.video.resample import FrameSchedule, native_rate
from talkmill.video.stretches import joined
from talkmill.video.timeline import first_place, leaning_packets, timeline

PreparedT = TypeVar("PreparedT")

# Pictures around a range that are looked at too: stamps of packets are not yet those of pictures.
RANGE_MARGIN_SECONDS = 1.0
# Decoders in which every packet that is whole gives a picture. Others have packets that are shown later or never, hold
# one field, or lean on what is not there.
PICTURE_EACH = ("vp9", "av1", "libdav1d")
# Decoders that give no picture that leans on what is not there.
WHOLE_PICTURES = ("h264",)
# Pictures that may be shown before the key frame they come after: H.264 and HEVC keep no more than 16.
MOST_LEADING = 16


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """The pictures of a source, or of ranges of it. M is the number of those that are kept.

    Attributes:
        index: The packets of the source.
        rows: (M,) number of each kept picture among all that decoded.
        packets: (M,) its packet.
        times: (M,) seconds from the source's first picture, rising.
        starts: (W,) packets at which decoding began, rising.
        zero_seconds: Time of the source's first picture on the clock of the index.
        fingerprints: (M,) of the decoded pictures.
        formats: How each picture becomes RGB.
        breaks: (M,) whether a picture does not follow the one before: a hole, another clock, another
            part of an edit list, another format.
        stamped: Whether times are those of presentation stamps.
        interlaced: Whether pictures were deinterlaced.
        damaged_count: Pictures that are left out because the file is damaged.
        notes: What the user should know.
    """

    index: PacketIndex
    rows: Int64Array
    packets: Int64Array
    times: Float64Array
    starts: Int64Array
    zero_seconds: float
    fingerprints: Int64Array
    formats: list[PictureFormat]
    breaks: BoolArray
    stamped: bool
    interlaced: bool
    damaged_count: int
    notes: tuple[str, ...]

    def windows(self, frames: Int64Array) -> list[tuple[int, int]]:
        """Return packets that some pictures may be decoded from: first and the packet after the last.

        Args:
            frames: (N,) numbers of the pictures.

        Returns:
            From the last key frame that comes before all of them, then from ever earlier ones. Decoding from the last
            gives what was scanned.
        """
        packets = self.packets[frames]
        first, end = int(packets.min()), int(packets.max()) + 1
        start = int(self.starts[np.searchsorted(self.starts, first, side="right") - 1])
        first_time = float(self.times[frames].min()) + self.zero_seconds if self.stamped else np.inf
        return [(begin, end) for begin in self.index.starts_before(first, first_time + 1e-6, start)]

    def known(self, frames: Int64Array) -> tuple[int, int | None]:
        """Return the packet and the fingerprint of the first of some pictures.

        A deinterlaced picture has no fingerprint to compare with: where decoding begins, its neighbours are missing.
        """
        first = int(frames[0])
        return int(self.packets[first]), None if self.interlaced else int(self.fingerprints[first])

    def table(
        self, frames: Int64Array, schedule: FrameSchedule, window: tuple[int, int], *, copied: bool = False
    ) -> FrameTable:
        """Return the table of a clip.

        Args:
            frames: (N,) the picture that stands at each instant; all of one format.
            schedule: That they come from.
            window: The packets that they are decoded from.
            copied: Whether these packets were copied to a file of their own; else the source itself is read.
        """
        first, stream = (window[0], 0) if copied else (0, self.index.choice.picture)
        return FrameTable.of(
            packets=self.packets[frames] - first,
            window=(window[0] - first, window[1] - first),
            stream=stream,
            repeated=schedule.repeated,
            source_indices=frames,
            source_times=self.times[frames],
            format_=self.formats[int(frames[0])],
        )


@dataclass(slots=True)
class _Seen:
    """Rows of the pictures, in the order in which they were decoded."""

    packets: list[int] = field(default_factory=list)
    presentation: list[float] = field(default_factory=list)
    decoding: list[float] = field(default_factory=list)
    fingerprints: list[int] = field(default_factory=list)
    formats: list[PictureFormat] = field(default_factory=list)
    key: list[bool] = field(default_factory=list)

    def add(self, picture: DecodedPicture) -> None:
        self.packets.append(picture.packet)
        self.presentation.append(picture.presentation)
        self.decoding.append(picture.decoding)
        self.fingerprints.append(fingerprint(picture.frame))
        self.formats.append(picture.format)
        self.key.append(picture.key)


def scan_source(
    path: Path,
    index: PacketIndex,
    ranges: Sequence[tuple[float, float]],
    max_gap_seconds: float,
    prepare: Callable[[DecodedPicture], PreparedT],
    visit: Callable[[PreparedT, int, int], None],
) -> Scan | None:
    """Decode a source, or ranges of it, once.

    Args:
        path: The file.
        index: Its packets.
        ranges: Start and end in seconds from the first picture; empty for all. More than these may be looked at.
        max_gap_seconds: A hole in time that is longer is a break.
        prepare: Called for every picture that decodes, beside the decoder, in a thread of its own.
        visit: Called in order with what `prepare` made, the number of pictures that are done, and their total.

    Returns:
        The scan; None where no picture decodes, or every one leans on a lost one.
    """
    windows = _windows(path, index, ranges)
    total = sum(end - first for first, end in windows)
    report, seen = DecodeReport(), _Seen()

    def prepared() -> Iterator[PreparedT]:
        for picture in decode_pictures(path, index.choice.picture, windows, report, index.limits):
            seen.add(picture)
            yield prepare(picture)

    for done, item in enumerate(prefetched(prepared()), start=1):
        visit(item, done, max(done, total))
    if not seen.packets:
        return None
    return _scan(path, seen, index, report, windows, max_gap_seconds, in_part=bool(ranges))


def shown_seconds(index: PacketIndex, max_gap_seconds: float) -> float:
    """Return how long the pictures of a source are shown, by its packets: a hole that ends a take counts no more.

    Args:
        index: The packets of the source.
        max_gap_seconds: A hole in time that is longer is a break.
    """
    times = np.unique(index.times[~index.hidden])
    return float(np.minimum(np.diff(times), _longest_step(times, index, max_gap_seconds)).sum())


def _longest_step(times: Float64Array, index: PacketIndex, max_gap_seconds: float) -> float:
    """Return the longest time from one picture to the next that is no break."""
    return max(max_gap_seconds, 1.5 / float(native_rate(times, index.rate)))


def first_shown(path: Path, index: PacketIndex) -> float:
    """Return the time of the first picture that can be shown, on the clock of the index.

    Packets say it, unless pictures are shown before the first key frame but come after it: they may lean on what came
    before. Then the first pictures are decoded.
    """
    times, first = index.times, index.first_key
    shown = ~index.hidden & (np.arange(len(index.hidden)) >= first)
    if not shown.any():
        return float(np.nanmin(times))
    earliest = float(np.nanmin(times[shown]))
    told = not (index.picture.guessed or np.isnan(index.picture.stamps).any())
    if told and times[first] <= earliest:
        return earliest
    window = (first, first + 2 + MOST_LEADING)
    packets = np.array([one.packet for one in decode_pictures(path, index.choice.picture, [window])], np.int64)
    if not packets.size:
        return earliest
    return float(times[packets[0] if told else min(first_place(packets), len(times) - 1)])


def window_of(path: Path, scan: Scan, frames: Int64Array) -> tuple[int, int]:
    """Return the packets that some pictures of a source are decoded from; some are decoded to make sure."""
    *nearer, last = scan.windows(frames)
    known, stream = scan.known(frames), scan.index.choice.picture
    return next((window for window in nearer if gives(path, stream, window, known)), last)


def _windows(path: Path, index: PacketIndex, ranges: Sequence[tuple[float, float]]) -> list[tuple[int, int]]:
    """Return the packets to decode for some ranges, apart and in order, each from a key frame on."""
    if not ranges:
        return [(0, len(index.key))]
    times, zero = index.times, first_shown(path, index)
    windows: list[tuple[int, int]] = []
    for start, end in ranges:
        low, high = zero + start - RANGE_MARGIN_SECONDS, zero + end + RANGE_MARGIN_SECONDS
        inside = np.flatnonzero((times >= low) & (times <= high))
        if not inside.size:
            continue
        first, end = int(inside[0]), int(inside[-1]) + 1
        *nearer, last = index.starts_before(first, low)
        windows.append((next((start for start in nearer if _begins(path, index, start, first)), last), end))
    return joined(windows)


def _begins(path: Path, index: PacketIndex, start: int, wanted: int) -> bool:
    """Whether decoding that begins at a packet gives the pictures from another on as they are, or tells of damage.

    FFmpeg's decoder of H.264 gives nothing until its pictures are whole again. Others may begin with anything: theirs
    must be a key frame.
    """
    report = DecodeReport()
    window = (start, wanted + 1)
    picture = next(decode_pictures(path, index.choice.picture, [window], report, index.limits), None)
    if picture is not None and (index.codec in WHOLE_PICTURES or picture.key):
        return True
    # What is damaged is told, and is no reason to look further back.
    return bool(report.lost_packets)


def _scan(
    path: Path,
    seen: _Seen,
    index: PacketIndex,
    report: DecodeReport,
    windows: list[tuple[int, int]],
    max_gap_seconds: float,
    *,
    in_part: bool,
) -> Scan | None:
    packets = np.array(seen.packets, np.int64)
    starts = np.array([first for first, _ in windows], np.int64)
    line = timeline(packets, np.array(seen.presentation), np.array(seen.decoding), index, starts)
    inside, ahead = _around(windows, index)
    lost = [*report.lost_packets, *np.flatnonzero(index.torn & inside)]
    if index.codec in PICTURE_EACH:
        lost += report.silent_packets
    key = np.array(seen.key, bool)
    damaged = leaning_packets(packets, key, lost, index)
    # A file that begins between key frames has lost what came before.
    leading = leaning_packets(packets, key, [-1] if windows[0][0] < index.first_key else [], index)
    whole = ~(damaged | leading)[packets]
    kept = line.kept & whole
    if not kept.any():
        # Every picture leans on one that is lost.
        return None
    rows = np.flatnonzero(kept)
    times = line.times[rows]
    formats = [seen.formats[row] for row in rows]
    breaks = np.zeros(len(rows), bool)
    breaks[1:] |= np.diff(times) > _longest_step(times, index, max_gap_seconds)
    breaks[1:] |= np.diff(index.picture.section[packets[rows]]) != 0
    breaks[1:] |= np.diff(index.edit[packets[rows]]) != 0
    breaks[1:] |= np.array([one != other for one, other in pairwise(formats)], bool)
    breaks[1:] |= np.diff(np.searchsorted(starts, packets[rows], side="right")) != 0
    zero = first_shown(path, index) if in_part else float(times[0])
    absent = inside & ~index.hidden
    absent[packets[whole]] = False
    if in_part and not line.stamped:
        # Pictures that are shown before the key frame of a window are not missed, and cannot be told from others here.
        absent &= damaged
    leading |= ahead | (_withheld(windows, packets, report, index) & ~damaged)
    damaged_count = int((absent & ~leading).sum())
    notes = _notes(
        seen,
        report,
        kept_count=len(rows),
        damaged_count=damaged_count,
        leading_count=0 if in_part else int((absent & leading).sum()),
        double_count=int((whole & ~line.kept).sum()),
    )
    return Scan(
        index=index,
        rows=rows,
        packets=packets[rows],
        times=times - zero,
        starts=starts,
        zero_seconds=zero,
        fingerprints=np.array(seen.fingerprints, np.int64)[rows],
        formats=formats,
        breaks=breaks,
        stamped=line.stamped,
        interlaced=report.interlaced_count > 0,
        damaged_count=damaged_count,
        notes=tuple(notes),
    )


def _around(windows: list[tuple[int, int]], index: PacketIndex) -> tuple[BoolArray, BoolArray]:
    """Say which packets lie in some windows, and which are shown before the key frame at which decoding begins."""
    times, inside, ahead = index.times, np.zeros(len(index.key), bool), np.zeros(len(index.key), bool)
    for first, end in windows:
        inside[first:end] = True
        ahead[first:end] = times[first:end] < times[max(first, index.first_key)]
    return inside, ahead


def _withheld(
    windows: list[tuple[int, int]], packets: Int64Array, report: DecodeReport, index: PacketIndex
) -> BoolArray:
    """Say which packets gave nothing, without an error, because decoding had just begun: before the first picture."""
    withheld = np.zeros(len(index.key), bool)
    withheld[report.silent_packets] = True
    for first, end in windows:
        given = packets[(packets >= first) & (packets < end)]
        withheld[given.min() if given.size else first : end] = False
    return withheld


def _notes(
    seen: _Seen, report: DecodeReport, *, kept_count: int, damaged_count: int, leading_count: int, double_count: int
) -> Iterator[str]:
    if damaged_count:
        yield f"damaged file: {counted(damaged_count, 'undecodable frame')} left out, {kept_count} kept"
    if leading_count:
        yield f"{counted(leading_count, 'frame')} before the first key frame left out: nothing decodes there"
    if double_count:
        yield f"{counted(double_count, 'frame')} left out: another frame has the same time"
    if report.interlaced_count:
        yield f"{counted(report.interlaced_count, 'interlaced frame')}: deinterlaced with bwdif"
    for format_ in dict.fromkeys(seen.formats):
        yield from format_.notes


def read_pictures(path: Path, scan: Scan, frames: Sequence[int]) -> list[Frame]:
    """Decode some pictures of a source, RGB (H, W, 3) uint8, in order of time; only what is needed is decoded.

    Args:
        path: The file.
        scan: Of the file.
        frames: Numbers of pictures of the scan, rising.
    """
    wanted = {int(scan.packets[frame]) for frame in frames}
    numbers = [np.array([frame], np.int64) for frame in frames]
    found = _read(path, scan, wanted, [scan.windows(number)[0] for number in numbers])
    shown = [known for known, _ in found]
    if shown == [scan.known(number) for number in numbers]:
        return [image for _, image in found]
    # Decoding did not begin at a key frame.
    return [image for _, image in _read(path, scan, wanted, [scan.windows(number)[-1] for number in numbers])]


def _read(
    path: Path, scan: Scan, wanted: Collection[int], windows: Iterable[tuple[int, int]]
) -> list[tuple[tuple[int, int | None], Frame]]:
    """Decode the pictures of some packets, each with what is known of it."""
    convert = RgbConverter()
    return [
        (
            (picture.packet, None if scan.interlaced else fingerprint(picture.frame)),
            convert(picture.frame, picture.format),
        )
        for picture in decode_pictures(path, scan.index.choice.picture, joined(windows))
        if picture.packet in wanted
    ]
