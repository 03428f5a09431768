"""The time axis of a source: when each decoded picture is shown, and where a take ends."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talkmill.arrays import BoolArray, Float64Array, Int64Array

if TYPE_CHECKING:
    from talkmill.video.packets import PacketIndex

# Stamps of presentation and of decoding tell one distance where so many lie so near.
AGREE_SECONDS, AGREE_SHARE = 2e-3, 0.9


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


def timeline(
    packets: Int64Array,
    presentation: Float64Array,
    decoding: Float64Array,
    index: "PacketIndex",
    starts: Sequence[int] | Int64Array = (0,),
) -> Timeline:
    """Give every decoded picture its time.

    Presentation stamps are taken, unless there are none, or the container keeps none (.avi) and those of decoding are
    no worse, or those of decoding rise more steadily; without any, pictures are counted at the header's rate. Source:
    the best-effort stamps of FFmpeg (guess_correct_pts in libavcodec/decode.c), decided here over the whole file.

    Args:
        packets: (M,) number of each picture's packet.
        presentation: (M,) seconds as the container says; NaN where it says none.
        decoding: (M,) likewise.
        index: The file's packets.
        starts: (W,) packets at which decoding began, rising.

    Returns:
        The times.
    """
    offsets = index.offsets[index.picture.section[packets]]
    by_presentation, by_decoding = presentation + offsets, np.full(len(packets), np.nan)
    counted = np.empty(len(packets))
    begun = np.searchsorted(np.asarray(starts), packets, side="right")
    for start in np.unique(begun):
        part = begun == start
        counted[part] = (first_place(packets[part]) + np.arange(part.sum())) / index.rate
        by_decoding[part] = _by_reading(packets[part], decoding[part], index) + offsets[part]
    if not index.picture.guessed:
        by_decoding += _distance(by_presentation, by_decoding)
    faults = _faults(by_presentation) + index.picture.guessed, _faults(by_decoding)
    stamped = not np.isnan(by_presentation).any() and faults[0] <= faults[1]
    others = counted if np.isnan(by_decoding).any() else by_decoding
    times = by_presentation if stamped else others
    latest = np.maximum.accumulate(times)
    kept = np.concatenate([[True], times[1:] > latest[:-1]])
    return Timeline(np.where(kept, times, np.nan), kept, stamped)


def _distance(presentation: Float64Array, decoding: Float64Array) -> float:
    """Return how much later pictures are shown than they are decoded, in seconds; 0 where their stamps do not agree.

    Sound keeps its distance to presentation stamps. Those that are of the order of decoding agree on nothing.
    """
    apart = presentation - decoding
    apart = apart[~np.isnan(apart)]
    if not apart.size:
        return 0.0
    usual = float(np.median(apart))
    return usual if np.mean(np.abs(apart - usual) < AGREE_SECONDS) >= AGREE_SHARE else 0.0


def first_place(packets: Int64Array) -> int:
    """Return the place of a picture among all of the file, by the packets alone.

    Args:
        packets: (M,) of the pictures that decode from a key frame on, in the order of presentation; the first one's
            place is wanted.

    Returns:
        How many are shown before it: those of earlier packets, and of the packets right behind the key frame that gave
        nothing, as they lean on what came before it.
    """
    first = np.sort(packets)[:2]
    return int(first[1]) - 1 if len(first) > 1 else int(first[0])


def _by_reading(packets: Int64Array, decoding: Float64Array, index: "PacketIndex") -> Float64Array:
    """Return when pictures are shown by stamps of decoding, each of which is that of the packet which was then read.

    The first picture comes when some more packets have been read: all are shown so much earlier. The last ones come
    when nothing is read any more; they have the stamps of what would have been.
    """
    known = np.flatnonzero(~np.isnan(decoding))
    if not known.size or known[0]:
        return decoding
    own = index.picture.decoding
    first, end = int(packets.min()), int(packets.max()) + 1
    step = float(np.nanmedian(np.diff(own))) if len(own) > 1 else 1 / index.rate

    def read(stamp: float) -> int:
        return first + int(np.nanargmin(np.abs(own[first:end] - stamp)))

    def stamp(packet: int) -> float:
        inside = packet < len(own) and not np.isnan(own[packet])
        return float(own[packet]) if inside else float(np.nanmax(own)) + (packet - len(own) + 1) * step

    stamps, last = decoding.copy(), int(known[-1])
    for row in range(last + 1, len(stamps)):
        stamps[row] = stamp(read(decoding[last]) + row - last)
    ahead = max(read(decoding[0]) - first_place(packets), 0)
    return stamps - (stamp(index.first_key + ahead) - stamp(index.first_key))


def _faults(times: Float64Array) -> float:
    """Count the stamps that are missing or do not rise."""
    return float(np.isnan(times).sum() + np.count_nonzero(np.diff(times) <= 0)) if len(times) else np.inf


def leaning_packets(packets: Int64Array, key: BoolArray, lost: Sequence[int], index: "PacketIndex") -> BoolArray:
    """Find the packets whose pictures are lost, or lean on a lost one.

    Args:
        packets: (M,) number of each decoded picture's packet, in the order of presentation.
        key: (M,) whether the picture leans on no other, as its decoder says.
        lost: Packets that gave no picture, or a damaged one; -1 for what came before the first.
        index: The file's packets.

    Returns:
        (P,) true for a lost packet and all up to the next key frame that decodes. What is decoded after that key frame
        but shown before it leans on what was before, too. What H.264 marks and is none begins to make the picture new,
        part by part (intra refresh): it is whole at the next mark.
    """
    leaning = np.zeros(len(index.key), bool)
    keys = np.flatnonzero(index.key[packets])
    for packet in lost:
        after = keys[packets[keys] > packet]
        again = np.arange(len(after)) > 0
        after = after[key[after] | (again & (index.codec == "h264"))]
        shown_before = packets[: after[0]] if after.size else packets
        leaning[shown_before[shown_before > packet]] = True
        leaning[max(packet, 0) : packets[after[0]] if after.size else None] = True
    return leaning
