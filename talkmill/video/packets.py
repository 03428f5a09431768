"""The packets of a file, listed without decoding, with their stamps put on one clock."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import av
import numpy as np

from talkmill.arrays import BoolArray, Float64Array, Int64Array
from talkmill.video.container import StreamChoice, choose_streams, open_video
from talkmill.video.limits import DEFAULT_LIMITS, VideoLimitError, VideoLimits

# Decoding stamps never go back in one recording. Where those of picture and sound do so by more than this near one
# another, or those of one stream alone by more than the second, pieces were joined, or the clock was set.
BACK_SECONDS, BACK_ALONE_SECONDS = 0.02, 0.2
# Stamps that go forward by more than this, in picture and sound alike, are a new clock too (FFmpeg takes the same 10 s,
# -dts_delta_threshold).
FORWARD_SECONDS = 10.0
# Where the picture's clock is new, the sound's is so within this many seconds of its own packets.
NEAR_SECONDS = 3.0
# Containers that keep no stamps of presentation.
GUESSED = ("avi",)
# What FFmpeg hands on with the first packet of another header of the codec.
NEW_HEADER: Final = "new_extradata"


@dataclass(frozen=True, slots=True, eq=False)
class StreamPackets:
    """The packets of one stream, in the order of the file. NaN is a stamp that is not there.

    Attributes:
        presentation: (P,) seconds, as the container says.
        decoding: (P,) seconds, as the container says.
        place: (P,) number of the packet among those of both streams.
        section: (P,) which clock the stamps are of.
        guessed: Whether the container keeps no stamps of presentation: they are FFmpeg's guess.
    """

    presentation: Float64Array
    decoding: Float64Array
    place: Int64Array
    section: Int64Array
    guessed: bool = False

    @property
    def stamps(self) -> Float64Array:
        """(P,) seconds: of presentation, or of decoding where these are guessed or missing."""
        return _stamps(self)


@dataclass(frozen=True, slots=True, eq=False)
class PacketIndex:
    """What a file holds, packet by packet.

    Attributes:
        choice: Which streams are read.
        picture: The picture's packets.
        sound: The sound's packets; empty where there is none.
        key: (P,) whether a picture packet can be decoded without those before it.
        hidden: (P,) whether an edit list hides the picture of a packet.
        edit: (P,) which of the parts that an edit list joins a packet is of.
        torn: (P,) whether a part of a packet may be missing, as the container says.
        new_header: (P,) whether the codec's header changes with a packet: an encoder that was started again.
        size_bytes: (P,) of the picture's packets.
        offsets: (S,) seconds that put the stamps of each section on the file's one clock.
        rate: Frames a second as the header says, 25 where it says nothing.
        codec: Codec of the picture.
        header_size: Width and height in pixels as the header says; 0, 0 where it says nothing, or more than is taken.
        limits: How large a picture may be.
    """

    choice: StreamChoice
    picture: StreamPackets
    sound: StreamPackets
    key: BoolArray
    hidden: BoolArray
    edit: Int64Array
    torn: BoolArray
    new_header: BoolArray
    size_bytes: Int64Array
    offsets: Float64Array
    rate: float
    codec: str
    header_size: tuple[int, int]
    limits: VideoLimits

    @property
    def times(self) -> Float64Array:
        """(P,) seconds of the picture's packets on the file's one clock; counted where there are no stamps."""
        times = self._on_one_clock(self.picture)
        return np.where(np.isnan(times), np.arange(len(times)) / self.rate, times)

    @property
    def sound_times(self) -> Float64Array:
        """(P,) seconds of the sound's packets on the file's one clock; NaN where there are no stamps."""
        return self._on_one_clock(self.sound)

    @property
    def first_key(self) -> int:
        """The first packet at which decoding can begin; the first of all where none is marked as such."""
        return int(np.argmax(self.key)) if self.key.size else 0

    def _on_one_clock(self, packets: StreamPackets) -> Float64Array:
        return np.asarray(packets.stamps + self.offsets[packets.section])

    def starts_before(self, packet: int, seconds: float = np.inf, first: int = 0) -> list[int]:
        """Return packets at which decoding may begin so that it gives a picture: the nearest, then ever earlier ones.

        What is called a key frame need not be one: after the recovery point of an intra refresh whole pictures come
        only some packets later, and containers may err.

        Args:
            packet: Number of the picture's packet.
            seconds: When it is shown, on the file's one clock. What is decoded after a key frame but shown before it
                leans on what came before that key frame.
            first: The last of the packets that are returned; none lies before it.

        Returns:
            The last key frame of those up to the packet that is shown no later, the 2nd, the 4th, the 8th last and so
            on, and the first packet.
        """
        span = slice(first, packet + 1)
        keys = first + np.flatnonzero(self.key[span] & (self.times[span] <= seconds))
        starts = [int(keys[-back]) for back in (1 << step for step in range(32)) if back <= keys.size]
        return starts if starts and starts[-1] == first else [*starts, first]


@dataclass(slots=True)
class _Rows:
    presentation: list[float] = field(default_factory=list)
    decoding: list[float] = field(default_factory=list)
    place: list[int] = field(default_factory=list)
    hidden: list[bool] = field(default_factory=list)
    guessed: bool = False

    def add(self, packet: av.Packet, place: int) -> None:
        tick = float(packet.time_base)
        self.presentation.append(np.nan if packet.pts is None else packet.pts * tick)
        self.decoding.append(np.nan if packet.dts is None else packet.dts * tick)
        self.place.append(place)
        self.hidden.append(packet.is_discard)


def index_packets(
    path: Path,
    video_stream: int | None = None,
    audio_stream: int | None = None,
    limits: VideoLimits = DEFAULT_LIMITS,
) -> PacketIndex:
    """List the packets of a file's picture and sound. Nothing is decoded.

    Args:
        path: The file.
        video_stream: See `choose_streams`.
        audio_stream: See `choose_streams`.
        limits: How large it may be.

    Returns:
        The index.

    Raises:
        UnreadableVideoError: Not a video.
        VideoLimitError: It has more pixels or packets than are taken.
    """
    with open_video(path, limits) as container:
        choice = choose_streams(container, video_stream, audio_stream)
        picture = container.streams[choice.picture]
        context = picture.codec_context
        limits.check_size(context.width, context.height)
        streams = [picture] + ([] if choice.sound is None else [container.streams[choice.sound]])
        rows = {stream.index: _Rows() for stream in streams}
        rows[picture.index].guessed = container.format.name in GUESSED
        key, torn, new_header, sizes = [], [], [], []
        place = 0
        for packet in container.demux(streams):
            if not packet.size:
                continue
            rows[packet.stream_index].add(packet, place)
            place += 1
            if packet.stream_index == picture.index:
                key.append(packet.is_keyframe)
                torn.append(packet.is_corrupt)
                new_header.append(packet.has_sidedata(NEW_HEADER))
                sizes.append(packet.size)
                if len(sizes) > limits.max_frames:
                    raise VideoLimitError(f"more than {limits.max_frames} frames")
        rate = float(picture.average_rate or picture.guessed_rate or 25)
        pictures = rows[picture.index]
        sounds = _Rows() if choice.sound is None else rows[choice.sound]
        sections, offsets = _sections(pictures, sounds, 1 / rate)
        return PacketIndex(
            choice=choice,
            picture=_packets(pictures, sections),
            sound=_packets(sounds, sections),
            key=np.array(key, bool),
            hidden=np.array(pictures.hidden, bool),
            edit=_edits(pictures),
            torn=_torn(np.array(torn, bool), np.array(key, bool)),
            new_header=np.array(new_header, bool),
            size_bytes=np.array(sizes, np.int64),
            offsets=offsets,
            rate=rate,
            codec=context.name,
            header_size=(context.width, context.height),
            limits=limits,
        )


def _edits(rows: _Rows) -> Int64Array:
    """Number the parts that an edit list joins: from what it hides behind one, stamps go back to the next."""
    back = np.append(False, np.diff(np.array(rows.decoding)) <= 0)
    return np.cumsum(back & np.append(False, rows.hidden)[: len(back)].astype(bool))


def _torn(flagged: BoolArray, key: BoolArray) -> BoolArray:
    """Find the packets that have lost a part, by the flags of FFmpeg's demuxer.

    FFmpeg flags the packet before the torn one where a parser puts packets together (.ts). Where pieces are joined that
    each count their own, it flags the last but one before the key frame that begins the next: nothing is lost there.
    """
    torn = flagged & ~np.append(key, [False, False])[2:]
    torn[1:] |= torn[:-1].copy()
    return np.asarray(torn)


def _packets(rows: _Rows, sections: dict[int, Int64Array]) -> StreamPackets:
    return StreamPackets(
        np.array(rows.presentation),
        np.array(rows.decoding),
        np.array(rows.place, np.int64),
        sections[id(rows)],
        rows.guessed,
    )


@dataclass(frozen=True, slots=True)
class _Jump:
    """A packet whose decoding stamp does not follow that of the shown packet before, both in seconds."""

    packet: int
    before: float
    after: float

    @property
    def alone(self) -> bool:
        """Whether it is a new clock though the other stream does not say so."""
        return self.after - self.before < -BACK_ALONE_SECONDS


def _sections(picture: _Rows, sound: _Rows, frame_seconds: float) -> tuple[dict[int, Int64Array], Float64Array]:
    """Find where a new clock begins, and what brings each clock's stamps behind those of the clock before.

    Picture and sound of one clock keep their distance, whatever joins them to the clock before.
    """
    edges = _edges(picture, sound)
    pictures = _numbered(len(picture.place), [first for first, _ in edges])
    sounds = _numbered(len(sound.place), [second for _, second in edges])
    offsets = np.zeros(len(edges) + 1)
    parts = [
        (np.where(rows.hidden, np.nan, _stamps(rows)), numbers, step)
        for rows, numbers, step in ((picture, pictures, frame_seconds), (sound, sounds, 0.0))
        if rows.place
    ]
    for section in range(1, len(offsets)):
        moves = []
        for stamps, numbers, step in parts:
            before, after = stamps[numbers == section - 1], stamps[numbers == section]
            if not (np.isnan(before).all() or np.isnan(after).all()):
                moves.append(np.nanmax(before) + step + offsets[section - 1] - np.nanmin(after))
        # The stream that ends last decides, so that nothing overlaps.
        offsets[section] = max(moves, default=0.0)
    return {id(picture): pictures, id(sound): sounds}, offsets


def _numbered(count: int, edges: list[int]) -> Int64Array:
    return np.searchsorted(np.array(edges, np.int64), np.arange(count), side="right").astype(np.int64)


def _stamps(rows: "_Rows | StreamPackets") -> Float64Array:
    presentation, decoding = np.array(rows.presentation), np.array(rows.decoding)
    first, second = (decoding, presentation) if rows.guessed else (presentation, decoding)
    return np.where(np.isnan(first), second, first)


def _jumps(rows: _Rows) -> list[_Jump]:
    """Find the jumps of a stream. Packets that an edit list hides have stamps of what is shown after them."""
    decoding = np.array(rows.decoding)
    known = np.flatnonzero(~np.isnan(decoding) & ~np.array(rows.hidden, bool))
    steps = np.diff(decoding[known])
    places = np.flatnonzero((steps < -BACK_SECONDS) | (steps > FORWARD_SECONDS))
    return [
        _Jump(int(known[place + 1]), float(decoding[known[place]]), float(decoding[known[place + 1]]))
        for place in places
    ]


def _edges(picture: _Rows, sound: _Rows) -> list[tuple[int, int]]:
    """Return the packets of picture and sound at which a new clock begins.

    Jumps of both that lead to about the same time are one new clock. A large step back of one alone is a new clock too:
    what follows it in the file belongs to it. A step forward of one alone is a hole.
    """
    sounds = _jumps(sound)
    edges = []
    for jump in _jumps(picture):
        match = next((other for other in sounds if _one_clock(jump, other)), None)
        if match is not None:
            sounds.remove(match)
            edges.append((jump.packet, match.packet))
        elif jump.alone:
            edges.append((jump.packet, int(np.searchsorted(sound.place, picture.place[jump.packet]))))
    edges += [
        (int(np.searchsorted(picture.place, sound.place[jump.packet])), jump.packet) for jump in sounds if jump.alone
    ]
    return sorted(edges)


def _one_clock(jump: _Jump, other: _Jump) -> bool:
    """Say whether a jump of the picture and one of the sound are one: they leave and arrive at about the same time."""
    return abs(jump.before - other.before) < NEAR_SECONDS and abs(jump.after - other.after) < NEAR_SECONDS
