"""What readers of many layouts assert of a file, said as findings. Nothing that is checked is trusted."""

import wave
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from talkmill.layouts.layout import Finding
from talkmill.video.container import UnreadableVideoError, open_media

ENCODE_AGAIN = "encode it again as H.264 at a constant rate"
# decord 0.6.0, with which nearly every trainer reads, was given each codec: it decodes H.264, HEVC, MPEG-4, VP8, VP9
# and MJPEG, also with 10 bits and 4:4:4, and fails on AV1; VVC is younger than its FFmpeg.
UNKNOWN_TO_DECORD = ("av1", "vvc")
# Frames of a file of constant rate lie this close to their places, in frames.
RATE_TOLERANCE = 0.05


@dataclass(frozen=True, slots=True)
class MovieFacts:
    """What a checked video holds.

    Attributes:
        frame_count: Frames that decode.
        width: Of a frame, in pixels.
        height: Of a frame, in pixels.
        rate: Frames a second.
        sound_seconds: Length of its sound; None without one.
    """

    frame_count: int
    width: int
    height: int
    rate: Fraction
    sound_seconds: float | None


def check_movie(folder: Path, name: str, rate: Fraction | None) -> Iterator[Finding | MovieFacts]:
    """Check a video as decord reads it, and yield what it holds as the last item, where it can be read.

    Args:
        folder: Of the layout.
        name: Path of the video in it.
        rate: Frames a second that the trainer takes for granted; None for any.
    """
    path = folder / name
    if not path.is_file():
        yield Finding(name, "there is no such file", "leave it out of the lists, or write it")
        return
    try:
        facts = yield from _movie(path, name, rate)
    except av.FFmpegError:
        yield Finding(name, "cannot be decoded to its end: it is damaged or cut short", "write it again")
        return
    except (UnreadableVideoError, OSError) as error:
        yield Finding(name, f"cannot be read as a video: {error}", "write it again")
        return
    if facts is not None:
        yield facts


def _movie(path: Path, name: str, rate: Fraction | None) -> Generator[Finding, None, MovieFacts | None]:
    with open_media(path) as container:
        if not container.streams.video:
            yield Finding(name, "has no picture", "write it again")
            return None
        stream = container.streams.video[0]
        codec = stream.codec_context.codec.canonical_name
        if codec in UNKNOWN_TO_DECORD:
            yield Finding(name, f"is {codec}, which decord cannot decode", ENCODE_AGAIN)
        packets = [packet for packet in container.demux(stream) if packet.size]
        if not packets:
            yield Finding(name, "has no picture", "write it again")
            return None
        if not packets[0].is_keyframe:
            yield Finding(name, "begins with a picture that is no key frame", ENCODE_AGAIN)
        stamps = np.sort([float(packet.pts * packet.time_base) for packet in packets if packet.pts is not None])
        average = stream.average_rate or Fraction(0)
        gaps = np.diff(stamps) * float(average)
        if len(gaps) and np.abs(gaps - 1).max() > RATE_TOLERANCE:
            yield Finding(name, "has frames at a variable rate", ENCODE_AGAIN)
        if rate is not None and average != rate:
            yield Finding(name, f"has {float(average):g} frames a second, {float(rate):g} are read", ENCODE_AGAIN)
    with open_media(path) as container:
        count, size = 0, (0, 0)
        for frame in container.decode(container.streams.video[0]):
            count, size = count + 1, size if count else (frame.width, frame.height)
    if count != len(packets):
        yield Finding(name, f"holds {len(packets)} coded pictures, and {count} decode", ENCODE_AGAIN)
    return MovieFacts(count, *size, average, _sound_seconds(path)) if count else None


def _sound_seconds(path: Path) -> float | None:
    with open_media(path) as container:
        if not container.streams.audio:
            return None
        stream = container.streams.audio[0]
        return sum(frame.samples for frame in container.decode(stream)) / stream.rate


@dataclass(frozen=True, slots=True)
class WavFacts:
    """What a checked WAV holds."""

    sample_count: int


def check_wav(folder: Path, name: str, least_samples: int | None = None) -> Iterator[Finding | WavFacts]:
    """Check 16 kHz mono PCM, and yield what it holds as the last item.

    Args:
        folder: Of the layout.
        name: Path of the WAV in it.
        least_samples: What the reader takes from it.
    """
    path, mend = folder / name, "write it again as 16 kHz, mono, 16 bit PCM"
    if not path.is_file():
        yield Finding(name, "there is no such file", "write the sound of the clip there")
        return
    try:
        with wave.open(str(path)) as sound:
            form, count = (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()), sound.getnframes()
            held = len(sound.readframes(count)) // max(1, form[1] * form[2])
    except (wave.Error, EOFError, OSError) as error:
        yield Finding(name, f"is no PCM WAV: {error}", mend)
        return
    if form != (16_000, 1, 2):
        yield Finding(name, f"has {form[0]} Hz, {form[1]} channels of {8 * form[2]} bits", mend)
        return
    if held != count:
        yield Finding(name, f"says {count} samples and holds {held}", mend)
    if least_samples is not None and held < least_samples:
        yield Finding(
            name, f"has {held} samples, {least_samples} are read for its frames", "pad it with silence, or cut frames"
        )
    yield WavFacts(held)


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What a checked picture holds.

    Attributes:
        width: In pixels.
        height: In pixels.
        mode: Pillow's name for its pixels, such as `RGB` or `L`.
    """

    width: int
    height: int
    mode: str


# What Pillow raises of a picture that it does not read.
PICTURE_ERRORS = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


def check_picture(folder: Path, name: str) -> Generator[Finding, None, PictureFacts | None]:
    """Check a picture to its last byte; return what it holds, where it can be read.

    Readers that take OpenCV's word fill what is missing of a picture that was cut short with grey, and say nothing.

    Args:
        folder: Of the layout.
        name: Path of the picture in it.
    """
    if not (folder / name).is_file():
        yield Finding(name, "there is no such picture", "write it")
        return None
    try:
        with Image.open(folder / name) as image:
            image.load()
            return PictureFacts(*image.size, image.mode)
    except PICTURE_ERRORS as error:
        yield Finding(name, f"cannot be read as a picture: {error}", "write it again")
        return None


def findings(checked: Iterable[Finding | object]) -> Iterator[Finding]:
    """Yield what is wrong, and not what a file holds."""
    return (one for one in checked if isinstance(one, Finding))


def check_training(file: str, count: int) -> Iterator[Finding]:
    """Check that a list for training names something.

    Args:
        file: The list.
        count: Of what it names.
    """
    if not count:
        yield Finding(file, "names no clip: there is nothing to train on", "give some clips the split `train`")


def in_folder(folder: Path, line: str, inside: str) -> Generator[Finding, None, str]:
    """Return where a listed file or folder lies, and say where it is another one that is read.

    A list may name the machine that trains, where nothing can be seen from here: what lies in the folder is meant.

    Args:
        folder: Of the layout.
        line: The absolute path that the list names.
        inside: Where it would lie in the folder.
    """
    if not (folder / inside).exists():
        return line
    if Path(line).exists() and not Path(line).samefile(folder / inside):
        yield Finding(
            line, f"is what the lists name and lies outside this folder, which has a {inside} of its own",
            "write the lists for where this folder lies: export again, with --root for another machine",
        )  # fmt: skip
    return inside
