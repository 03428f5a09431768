"""The time axis of a source: when each decoded picture is shown, and where a take ends."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talkmill.arrays import BoolArray, Float64Array, Int64Array

if TYPE_CHECKING:
    from talkmill.video.packets import PacketIndex

# A decoder with threads reports a damaged packet up to so many packets late.
LATEST_REPORT = 64


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """Times of decoded pictures.

    Attributes:
        times: (M,) seconds on the clock of the packet index; NaN where `kept` is false.
        kept: (M,) whether the picture has a place of its own: its time comes after that of the one before.
        stamped: Whether the times are presentation stamps.
    """

    times: Float64Array
    kept: BoolArray
    stamped: bool


def timeline(packets: Int64Array, presentation: Float64Array, decoding: Float64Array, index: "PacketIndex") -> Timeline:
    """Give every decoded picture its time.

    Presentation stamps are taken, unless decoding stamps rise more steadily (.avi keeps no others) or there are none;
    without any, pictures are counted at the header's rate. Source: the best-effort stamps of FFmpeg (guess_correct_pts
    in libavcodec/decode.c), decided here over the whole file.

    Args:
        packets: (M,) number of each picture's packet.
        presentation: (M,) seconds as the container says; NaN where it says none.
        decoding: (M,) likewise.
        index: The file's packets.

    Returns:
        The times.
    """
    offsets = index.offsets[index.picture.section[packets]]
    by_presentation, by_decoding = presentation + offsets, decoding + offsets
    stamped = not np.isnan(by_presentation).any() and _faults(by_presentation) <= _faults(by_decoding)
    if stamped:
        times = by_presentation
    elif not np.isnan(by_decoding).any():
        # The stamp that comes with a picture is that of the packet which was then read.
        own = index.picture.decoding[packets[0]] + offsets[0]
        times = by_decoding - (by_decoding[0] - own if not np.isnan(own) else 0.0)
    else:
        times = np.arange(len(packets)) / index.rate
    latest = np.maximum.accumulate(times)
    kept = np.concatenate([[True], times[1:] > latest[:-1]])
    return Timeline(np.where(kept, times, np.nan), kept, stamped)


def _faults(times: Float64Array) -> float:
    """Count the stamps that are missing or do not rise."""
    return float(np.isnan(times).sum() + np.count_nonzero(np.diff(times) <= 0)) if len(times) else np.inf


def damaged_pictures(packets: Int64Array, failed: list[int], index: "PacketIndex") -> tuple[BoolArray, int]:
    """Find the pictures that lean on a packet which did not decode.

    Args:
        packets: (M,) number of each decoded picture's packet.
        failed: Packets at which the decoder gave up, or a few later.
        index: The file's packets.

    Returns:
        (M,) whether the picture is damaged: it lies between a lost one and the next key frame; and how many packets
        gave no picture.
    """
    lost = np.ones(len(index.key), bool)
    lost[packets] = False
    lost &= ~index.hidden
    damaged = np.zeros(len(packets), bool)
    count = 0
    keys = np.flatnonzero(index.key)
    seen_from = int(packets.min()) if len(packets) else 0
    for reported in failed:
        end = len(lost) if reported < 0 else reported + 1
        first = max(seen_from, end - LATEST_REPORT)
        for packet in np.flatnonzero(lost[first:end]) + first:
            after = keys[keys > packet]
            next_key = int(after[0]) if after.size else len(lost)
            damaged |= (packets > packet) & (packets < next_key)
            lost[packet] = False
            count += 1
    return damaged, count
