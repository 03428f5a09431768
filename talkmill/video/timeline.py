"""The time axis of a source: when each decoded picture is shown, and where a take ends."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talkmill.arrays import BoolArray, Float64Array, Int64Array

if TYPE_CHECKING:
    from talkmill.video.packets import PacketIndex


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


def leaning_packets(packets: Int64Array, lost: Sequence[int], index: "PacketIndex") -> BoolArray:
    """Find the packets whose pictures are lost, or lean on a lost one.

    Args:
        packets: (M,) number of each decoded picture's packet, in the order of presentation.
        lost: Packets that gave no picture, or a damaged one; -1 for what came before the first.
        index: The file's packets.

    Returns:
        (P,) true for a lost packet and all up to the next key frame that decodes. What is decoded after that key frame
        but shown before it leans on what was before, too.
    """
    leaning = np.zeros(len(index.key), bool)
    keys = np.flatnonzero(index.key[packets])
    for packet in lost:
        after = keys[packets[keys] > packet]
        shown_before = packets[: after[0]] if after.size else packets
        leaning[shown_before[shown_before > packet]] = True
        leaning[max(packet, 0) : packets[after[0]] if after.size else None] = True
    return leaning
