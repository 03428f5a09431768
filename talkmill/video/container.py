"""Opening a video file safely and saying what it holds.

The only place that opens a file with the decoder: local files only, formats from a list, no playlists.
"""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from talkmill.video.limits import DEFAULT_LIMITS, VideoLimits

# Single-file formats. Playlists and scripts (hls, concat, ffmetadata, ...) could name other files.
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
        "asf",
        "ogg",
        "h264",
        "hevc",
        "ivf",
        "nut",
        "mxf",
        "dv",
        "yuv4mpegpipe",
        "wav",
        "mp3",
        "flac",
    ]
)


class UnreadableVideoError(ValueError):
    """The file is not a video that can be read; the message says what was found, without the file's name."""


@dataclass(frozen=True, slots=True)
class VideoDescription:
    """What a container says of its video stream.

    Attributes:
        width: Stored width in pixels, before rotation.
        height: Stored height in pixels, before rotation.
        rotation_degrees: Counter-clockwise rotation that brings the frames upright; a multiple of 90.
        average_rate: Frames a second as the header says, or None.
        frame_count: Frames as the header says; 0 where it says nothing.
        duration_seconds: Duration as the header says, or None.
        codec: Codec name.
        pixel_format: Pixel format name.
        has_audio: Whether there is an audio stream.
        format_name: Container format.
    """

    width: int
    height: int
    rotation_degrees: int
    average_rate: Fraction | None
    frame_count: int
    duration_seconds: float | None
    codec: str
    pixel_format: str
    has_audio: bool
    format_name: str


def open_video(path: Path) -> InputContainer:
    """Open a local video file for reading.

    Args:
        path: The file.

    Returns:
        The open container, with at least one video stream.

    Raises:
        UnreadableVideoError: Not a video, a format that is not allowed, or a file without a video stream.
    """
    with path.open("rb") as file:
        head = file.read(64)
    if not head:
        raise UnreadableVideoError("the file is empty")
    try:
        container: InputContainer = av.open(str(path.resolve()), options={"protocol_whitelist": "file"})
    except (av.FFmpegError, ValueError) as error:
        kind = "an HTML page" if head.lstrip()[:1] == b"<" else f"bytes that begin with {head[:8]!r}"
        raise UnreadableVideoError(f"the file is not a video: it holds {kind} ({_reason(error)})") from error
    try:
        if not ALLOWED_FORMATS.intersection(container.format.name.split(",")):
            raise UnreadableVideoError(f"the file has the format {container.format.name!r}, which is not read")
        if not container.streams.video:
            raise UnreadableVideoError("the file has no video stream")
    except UnreadableVideoError:
        container.close()
        raise
    return container


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def video_stream(container: InputContainer) -> VideoStream:
    """Return the first video stream that is not a cover picture, decoding with frame threads."""
    streams = [stream for stream in container.streams.video if not stream.disposition & 0x400]
    stream = (streams or list(container.streams.video))[0]
    stream.thread_type = "AUTO"
    # A stream may change its size in the middle: the decoder refuses before it takes the memory.
    stream.codec_context.options = {"max_pixels": str(DEFAULT_LIMITS.max_pixels)}
    return stream


def describe(path: Path, limits: VideoLimits = DEFAULT_LIMITS) -> VideoDescription:
    """Say what a file holds, from its headers and its first frame.

    Args:
        path: The file.
        limits: How large it may be.

    Returns:
        Its description.

    Raises:
        UnreadableVideoError: Not a video, or its first frame does not decode.
        VideoLimitError: It is larger.
    """
    with open_video(path) as container:
        stream = video_stream(container)
        duration = float(container.duration / av.time_base) if container.duration else None
        limits.check_size(stream.codec_context.width, stream.codec_context.height)
        limits.check_length(stream.frames, duration or 0)
        try:
            first = next(iter(container.decode(stream)), None)
        except av.FFmpegError as error:
            raise UnreadableVideoError(f"the first frame does not decode ({_reason(error)})") from error
        if first is None:
            raise UnreadableVideoError("the file holds no frames")
        return VideoDescription(
            width=first.width,
            height=first.height,
            rotation_degrees=round(first.rotation / 90) * 90 % 360,
            average_rate=stream.average_rate,
            frame_count=stream.frames,
            duration_seconds=duration,
            codec=stream.codec_context.name,
            pixel_format=first.format.name,
            has_audio=bool(container.streams.audio),
            format_name=container.format.name,
        )
