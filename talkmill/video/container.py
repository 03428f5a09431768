"""Opening a media file safely, and choosing its picture and its sound.

The only place that opens a file with a demuxer: local files only, formats from a list, no playlists.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from talkmill.text import counted
from talkmill.video.limits import DEFAULT_LIMITS, VideoLimits
from talkmill.video.picture import container_aspect, picture_format

# Names of FFmpeg's demuxers of single files. Playlists and scripts (hls, concat, ...) could name other files.
ALLOWED_FORMATS = frozenset(
    [
        "mov",
        "mp4",
        "m4a",
        "3gp",
        "3g2",
        "mj2",
        "matroska",
        "webm",
        "avi",
        "flv",
        "mpeg",
        "mpegts",
        "mpegvideo",
        "m4v",
        "mxf",
        "dv",
        "asf",
        "ogg",
        "h264",
        "hevc",
        "ivf",
        "obu",
        "nut",
        "wav",
        "mp3",
        "flac",
        "aac",
        "yuv4mpegpipe",
    ]
)
# Bytes that tell what a file is, and what playlists begin with.
HEAD_BYTES, PLAYLISTS = 64, (b"#EXTM3U", b"ffconcat")
# Boxes of a file that are looked at for its index: a whole file has four, one that was sent in pieces two a piece.
MOST_BOXES = 100_000
# More streams than any camera or broadcast writes.
MOST_STREAMS = 64
# Bits of AVStream.disposition (libavformat/avformat.h).
DEFAULT, COMMENT, HEARING_IMPAIRED, VISUAL_IMPAIRED, COVER, TIMED_THUMBNAILS = 0x1, 0x8, 0x80, 0x100, 0x400, 0x800
NO_PICTURE, NOT_THE_VOICE = COVER | TIMED_THUMBNAILS, COMMENT | HEARING_IMPAIRED | VISUAL_IMPAIRED

StreamT = TypeVar("StreamT", VideoStream, AudioStream)


class UnreadableVideoError(ValueError):
    """The file is not a video that can be read; the message says what was found, without the file's name."""


class NoFrameError(UnreadableVideoError):
    """The file is a video, but no frame of it can be decoded."""


@dataclass(frozen=True, slots=True)
class StreamChoice:
    """Which picture and which sound of a file are read.

    Attributes:
        picture: Index of the picture's stream in the container.
        sound: Index of the sound's stream; None where there is none.
        notes: What the user should know of the choice.
    """

    picture: int
    sound: int | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VideoDescription:
    """What a file says of its picture, and what its first frame that decodes looks like.

    Attributes:
        width: Width in pixels of the upright frame of square pixels.
        height: Height in pixels, likewise.
        average_rate: Frames a second as the header says, or None.
        frame_count: Frames as the header says; 0 where it says nothing.
        duration_seconds: Duration as the header says, or None.
        codec: Codec name.
        pixel_format: Pixel format name.
        has_audio: Whether there is sound that can be decoded.
        format_name: Container format.
    """

    width: int
    height: int
    average_rate: Fraction | None
    frame_count: int
    duration_seconds: float | None
    codec: str
    pixel_format: str
    has_audio: bool
    format_name: str


def open_media(path: Path, limits: VideoLimits = DEFAULT_LIMITS) -> InputContainer:
    """Open a local media file for reading.

    Formats, protocols, streams and pixels are bounded before anything of it is probed.

    Args:
        path: The file.
        limits: How large its frames may be.

    Returns:
        The open container.

    Raises:
        UnreadableVideoError: Not media, or a format that is not on the list.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        raise UnreadableVideoError("the file is empty")
    options = {
        "protocol_whitelist": "file",
        "format_whitelist": ",".join(sorted(ALLOWED_FORMATS)),
        "max_streams": str(MOST_STREAMS),
        "max_pixels": str(limits.max_pixels),
    }
    try:
        container: InputContainer = av.open(str(path.resolve()), options=options)
    except (av.FFmpegError, ValueError) as error:
        raise UnreadableVideoError(_not_media(path, head, error)) from error
    return container


def _not_media(path: Path, head: bytes, error: Exception) -> str:
    """Say what a file is that is not opened."""
    if head[4:8] == b"ftyp" and not _has_index(path):
        return "the video has no index (moov): the end of the file is missing, or its recording was never ended"
    if head.lstrip().startswith(PLAYLISTS):
        return "the file is not a video: it holds a playlist, which could name other files; give the playlist's address"
    kind = "an HTML page" if head.lstrip()[:1] == b"<" else f"bytes that begin with {head[:8]!r}"
    # What FFmpeg says of a format that is not on the list tells nobody anything.
    reason = "no format that is read" if isinstance(error, av.ArgumentError) else _reason(error)
    return f"the file is not a video: it holds {kind} ({reason})"


def _has_index(path: Path) -> bool:
    """Say whether a file of ISO base media has a moov box, as far as it is looked at. Source: ISO/IEC 14496-12, 4.2."""
    end, place = path.stat().st_size, 0
    with path.open("rb") as file:
        for _ in range(MOST_BOXES):
            if place >= end:
                return False
            file.seek(place)
            header = file.read(16)
            size = int.from_bytes(header[:4])
            size = int.from_bytes(header[8:]) if size == 1 else size or end
            if header[4:8] == b"moov":
                return True
            place += max(size, 8)
    return True


def open_video(path: Path, limits: VideoLimits = DEFAULT_LIMITS) -> InputContainer:
    """Open a local file that has a picture; see `open_media`.

    Raises:
        UnreadableVideoError: It has none, or is no media.
    """
    container = open_media(path, limits)
    if not container.streams.video:
        container.close()
        raise UnreadableVideoError("the file has no video stream")
    return container


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def decodes(stream: Any) -> bool:
    """Say whether there is a decoder for a stream."""
    return stream.codec_context is not None


def choose_streams(
    container: InputContainer, video_stream: int | None = None, audio_stream: int | None = None
) -> StreamChoice:
    """Choose the picture and the sound of a file.

    The picture is never a cover or a thumbnail; the one that is marked as default goes before the others, then the
    largest, then the first. The sound is one that can be decoded; a track for the blind or a commentary goes last, the
    default before the others, then the first.

    Args:
        container: The open file.
        video_stream: Number of the wanted picture among the file's pictures, from 0; None to choose.
        audio_stream: Number of the wanted sound among the file's sounds, from 0; None to choose.

    Returns:
        The choice.

    Raises:
        UnreadableVideoError: There is no picture, or not the wanted one.
        NoFrameError: There is no decoder for it.
    """
    pictures, sounds = list(container.streams.video), list(container.streams.audio)
    notes: list[str] = []
    if video_stream is not None:
        picture = _wanted(pictures, video_stream, "picture")
    else:
        moving = [stream for stream in pictures if not stream.disposition & NO_PICTURE]
        if not moving:
            what = "nothing but a cover picture" if pictures else "no video stream"
            raise UnreadableVideoError(f"the file has {what}")
        picture = max([stream for stream in moving if decodes(stream)] or moving, key=_picture_rank)
        if len(moving) > 1:
            notes.append(_chosen(picture, moving, pictures, "picture", "video_stream"))
    if not decodes(picture):
        raise NoFrameError(f"no decoder for the picture ({_codec(picture)}) is there")
    sound = None
    if audio_stream is not None:
        sound = _wanted(sounds, audio_stream, "sound")
    elif sounds:
        own = of_programme(picture, pictures, sounds) if container.format.name == "mpegts" else sounds
        sound = max([stream for stream in own if decodes(stream)] or own, key=_sound_rank, default=None)
        if sound is None:
            notes.append(
                f"{counted(len(sounds), 'sound')} of other programmes: none is read; `audio_stream` chooses one"
            )
        elif len(sounds) > 1:
            notes.append(_chosen(sound, sounds, sounds, "sound", "audio_stream"))
    if sound is not None and not decodes(sound):
        notes.append(f"no decoder for the sound ({_codec(sound)}) is there")
        sound = None
    return StreamChoice(picture.index, None if sound is None else sound.index, tuple(notes))


def of_programme(
    picture: VideoStream, pictures: Sequence[VideoStream], sounds: Sequence[AudioStream]
) -> Sequence[AudioStream]:
    """Return the sounds that belong to a picture of a transport stream, which may carry several programmes.

    PyAV does not tell programmes, but the streams of one follow each other: its picture first, in all but a few files.
    Where all pictures come before all sounds, they are of one programme.
    """
    indices, heard = [stream.index for stream in pictures], [stream.index for stream in sounds]
    if max(indices) < min(heard) or max(heard) < min(indices):
        return sounds
    if min(heard) < min(indices):
        before = max((index for index in indices if index < picture.index), default=-1)
        return [stream for stream in sounds if before < stream.index < picture.index]
    after = min((index for index in indices if index > picture.index), default=np.inf)
    return [stream for stream in sounds if picture.index < stream.index < after]


def _wanted(streams: Sequence[StreamT], number: int, kind: str) -> StreamT:
    if not 0 <= number < len(streams):
        raise UnreadableVideoError(f"the file has {counted(len(streams), kind)}; number {number} was asked for")
    return streams[number]


def _codec(stream: Any) -> str:
    context = stream.codec_context
    return context.name if context is not None else "unknown"


def _picture_rank(stream: VideoStream) -> tuple[bool, int, int]:
    context = stream.codec_context
    return bool(stream.disposition & DEFAULT), context.width * context.height if context else 0, -stream.index


def _sound_rank(stream: AudioStream) -> tuple[bool, bool, int]:
    return not stream.disposition & NOT_THE_VOICE, bool(stream.disposition & DEFAULT), -stream.index


def _chosen(chosen: Any, among: Sequence[Any], numbered: Sequence[Any], kind: str, parameter: str) -> str:
    number = next(number for number, stream in enumerate(numbered) if stream.index == chosen.index)
    return f"{counted(len(among), kind)}: number {number} is read ({_codec(chosen)}); `{parameter}` chooses another"


def describe(path: Path, limits: VideoLimits = DEFAULT_LIMITS) -> VideoDescription:
    """Say what a file holds, from its headers and the first frame that decodes.

    Args:
        path: The file.
        limits: How large it may be.

    Returns:
        Its description.

    Raises:
        UnreadableVideoError: Not a video, or no frame of it decodes.
        VideoLimitError: It is larger.
    """
    with open_video(path, limits) as container:
        choice = choose_streams(container)
        stream: Any = container.streams[choice.picture]
        duration = float(container.duration / av.time_base) if container.duration else None
        limits.check_size(stream.codec_context.width, stream.codec_context.height)
        limits.check_length(stream.frames, duration or 0)
        aspect = container_aspect(stream)
        first = _first_frame(container, stream)
        width, height = picture_format(first, stream, aspect).upright_size
        return VideoDescription(
            width=width,
            height=height,
            average_rate=stream.average_rate,
            frame_count=stream.frames,
            duration_seconds=duration,
            codec=stream.codec_context.name,
            pixel_format=first.format.name,
            has_audio=choice.sound is not None,
            format_name=container.format.name,
        )


def _first_frame(container: InputContainer, stream: VideoStream) -> av.VideoFrame:
    reason = "the file holds no frames"
    for packet in container.demux(stream):
        try:
            for frame in packet.decode():
                return frame
        except av.FFmpegError as error:
            reason = f"no frame decodes ({_reason(error)})"
    raise NoFrameError(reason)
