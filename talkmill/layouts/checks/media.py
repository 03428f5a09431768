"""What readers of many layouts assert of a video, of sound and of a picture, said as findings."""

import math
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from talkmill.layouts.checks.files import WRITE_AGAIN, Checked, find
from talkmill.layouts.layout import Finding
from talkmill.sound.audio import SAMPLE_RATE, SILENT_RMS
from talkmill.video.container import UnreadableVideoError, open_media

WRITE_SPEECH = "write it again as 16 kHz, mono, 16 bit PCM"
SILENT = ("is silent: the trainer would learn lips that move without sound", "leave the clip out, or give it its sound")
ENCODE_AGAIN = "encode it again as H.264 at a constant rate"
# decord 0.6.0, with which nearly every trainer reads, was given each codec: it decodes H.264, HEVC, MPEG-4, VP8, VP9
# and MJPEG, also with 10 bits and 4:4:4, and fails on AV1; VVC is younger than its FFmpeg.
UNKNOWN_TO_DECORD = ("av1", "vvc")
# Frames of a file of constant rate lie this close to their places, in frames; time stamps are rounded.
RATE_TOLERANCE = 0.05
# What a program that writes into a pipe says of the bytes that are to come; libsndfile, by which readers take a WAV,
# reads to the end then (libsndfile, src/wav.c), and also where it was not closed: no data, in a file of 8 bytes.
OPEN_END, NOT_CLOSED = 0xFFFFFFFF, (0, 8)


@dataclass(frozen=True, slots=True)
class MovieFacts:
    """What a checked video holds.

    Attributes:
        frame_count: Frames that decode.
        width: Of a frame, in pixels.
        height: Of a frame, in pixels.
        rate: Frames a second as the file says, over all its frames: what decord calls the average.
        measured_rate: Frames a second between its first frame and its last.
        sound_seconds: Length of its sound; None without one.
        silent: Whether it has sound in which nothing is heard.
    """

    frame_count: int
    width: int
    height: int
    rate: Fraction
    measured_rate: float
    sound_seconds: float | None
    silent: bool = False

    def keeps(self, rate: float) -> bool:
        """Say whether every frame lies where a reader puts it that takes the video to have a rate.

        Args:
            rate: Frames a second.
        """
        return _keeps(self.frame_count, self.measured_rate, rate)


def check_movie(folder: Path, name: str, rate: Fraction | None) -> Checked[MovieFacts]:
    """Check a video as decord reads it; return what it holds, where it can be read.

    Args:
        folder: Of the layout.
        name: Path of the video in it.
        rate: Frames a second that the trainer takes for granted; None for any.
    """
    path = yield from find(folder, name, mend="leave it out of the lists, or write it")
    if path is None:
        return None
    try:
        return (yield from _movie(path, name, rate))
    except av.FFmpegError:
        yield Finding(name, "cannot be decoded to its end: it is damaged or cut short", WRITE_AGAIN)
    except (UnreadableVideoError, OSError) as error:
        yield Finding(name, f"cannot be read as a video: {error}", WRITE_AGAIN)
    return None


def _keeps(frame_count: int, measured_rate: float, rate: float) -> bool:
    return (frame_count - 1) * abs(rate / measured_rate - 1) <= RATE_TOLERANCE if measured_rate else False


def shown_rate(rate: float) -> str:
    """Return a rate so that it can be told from every other that does not keep it."""
    return f"{rate:.8g}"


def _movie(path: Path, name: str, rate: Fraction | None) -> Checked[MovieFacts]:
    with open_media(path) as container:
        if not container.streams.video:
            yield Finding(name, "has no picture", WRITE_AGAIN)
            return None
        stream = container.streams.video[0]
        codec = stream.codec_context.codec.canonical_name
        if codec in UNKNOWN_TO_DECORD:
            yield Finding(name, f"is {codec}, which decord cannot decode", ENCODE_AGAIN)
        packets = [packet for packet in container.demux(stream) if packet.size]
        if not packets:
            yield Finding(name, "has no picture", WRITE_AGAIN)
            return None
        if not packets[0].is_keyframe:
            yield Finding(name, "begins with a picture that is no key frame", ENCODE_AGAIN)
        stamps = np.sort([float(packet.pts * packet.time_base) for packet in packets if packet.pts is not None])
        average = stream.average_rate or Fraction(0)
        lasts = np.ptp(stamps) if len(stamps) else 0.0
        # What the file says ends with its last frame, which may last for any time.
        measured = float((len(stamps) - 1) / lasts) if lasts else float(average)
        gaps = np.diff(stamps) * measured
        if len(gaps) and np.abs(gaps - 1).max() > RATE_TOLERANCE:
            yield Finding(name, "has frames at a variable rate", ENCODE_AGAIN)
        if rate is not None and not _keeps(len(packets), measured, float(rate)):
            yield Finding(
                name,
                f"has {shown_rate(measured)} frames a second; {shown_rate(float(rate))} are expected",
                ENCODE_AGAIN,
            )
    with open_media(path) as container:
        count, size = 0, (0, 0)
        for frame in container.decode(container.streams.video[0]):
            # decord, as every player, turns what is said to lie on its side.
            shown = (frame.height, frame.width) if frame.rotation % 180 else (frame.width, frame.height)
            count, size = count + 1, size if count else shown
    if count != len(packets):
        yield Finding(name, f"holds {len(packets)} coded pictures, and {count} decode", ENCODE_AGAIN)
    seconds, silent = sound_of(path)
    return MovieFacts(count, *size, average, measured, seconds, silent) if count else None


def sound_of(path: Path) -> tuple[float | None, bool]:
    """Return how long the sound of a file lasts, None where it has none, and whether nothing is heard in it."""
    with open_media(path) as container:
        if not container.streams.audio:
            return None, False
        stream = container.streams.audio[0]
        count, silent = _listen(container.decode(stream))
        return count / stream.rate, silent


def _listen(frames: Iterable[av.AudioFrame]) -> tuple[int, bool]:
    """Return how many samples there are, and whether they are no louder than what the stage `split` calls silence."""
    count, energy, values = 0, 0.0, 0
    for frame in frames:
        samples = frame.to_ndarray()
        # To levels of 16 bits; unsigned samples have their middle at 128.
        middle, full = (128.0, 128.0) if samples.dtype == np.uint8 else (0.0, 1.0)
        if np.issubdtype(samples.dtype, np.signedinteger):
            full = float(np.iinfo(samples.dtype).max) + 1
        energy += float(np.square((samples.astype(np.float64) - middle) / full * 32768).sum())
        count, values = count + frame.samples, values + samples.size
    return count, values > 0 and math.sqrt(energy / values) <= SILENT_RMS


def check_wav(folder: Path, name: str, least_samples: int | None = None) -> Checked[int]:
    """Check 16 kHz mono PCM; return how many samples it holds, where it can be read.

    Args:
        folder: Of the layout.
        name: Path of the WAV in it.
        least_samples: What the reader takes from it.
    """
    path = yield from find(folder, name, mend="write the sound of the clip there")
    if path is None:
        return None
    try:
        with open_media(path) as container:
            kind, streams = container.format.name, container.streams.audio
            codec = streams[0].codec_context.name if streams else "no sound"
            bits = re.fullmatch(r"pcm_[suf](\d+)[lb]?e?", codec)
            if kind != "wav" or bits is None:
                yield Finding(name, f"is no PCM WAV: it is {kind} with {codec}", WRITE_SPEECH)
                return None
            form = (streams[0].rate, streams[0].codec_context.channels, codec)
            held, silent = _listen(container.decode(streams[0]))
            told = _told_bytes(path)
    except (av.FFmpegError, UnreadableVideoError, OSError) as error:
        yield Finding(name, f"is no PCM WAV: {error}", WRITE_SPEECH)
        return None
    if form != (SAMPLE_RATE, 1, "pcm_s16le"):
        numbers = " in floating point" if codec.startswith("pcm_f") else ""
        yield Finding(name, f"has {form[0]} Hz, {form[1]} channels of {bits[1]} bits{numbers}", WRITE_SPEECH)
        return None
    if told is not None and held != told // 2:
        yield Finding(name, f"says {told // 2} samples and holds {held}", WRITE_SPEECH)
    if least_samples is not None and held < least_samples:
        yield Finding(
            name,
            f"has {held} samples; {least_samples} are expected for its frames",
            "pad it with silence, or cut frames",
        )
    if silent:
        yield Finding(name, *SILENT)
    return held


def _told_bytes(path: Path) -> int | None:
    """Return how many bytes of sound the header of a WAV says; None where it leaves that open, or names no sound."""
    with path.open("rb") as file:
        riff = int.from_bytes(file.read(12)[4:8], "little")
        while len(head := file.read(8)) == 8:
            size = int.from_bytes(head[4:], "little")
            if head.startswith(b"data"):
                return None if size == OPEN_END or (size, riff) == NOT_CLOSED else size
            file.seek(size + size % 2, os.SEEK_CUR)
    return None


def check_sound(folder: Path, name: str, frames: MovieFacts | None) -> Checked[float]:
    """Check sound of any form, for a reader that takes what there is; return its seconds, where it can be read.

    Args:
        folder: Of the layout.
        name: Path of the sound in it.
        frames: The video that it belongs to, where there is one that can be read.
    """
    path = yield from find(folder, name, mend="write the sound of the clip there")
    if path is None:
        return None
    try:
        seconds, _ = sound_of(path)
    except (av.FFmpegError, UnreadableVideoError, OSError) as error:
        yield Finding(name, f"cannot be read as sound: {error}", WRITE_AGAIN)
        return None
    if seconds is None:
        yield Finding(name, "has no sound", WRITE_AGAIN)
        return None
    # Frames of 30000/1001 a second do not end with a sample.
    lasts = float(frames.frame_count / frames.rate) - 1 / SAMPLE_RATE if frames is not None and frames.rate else 0.0
    if seconds < lasts:
        yield Finding(
            name, f"has {seconds:.3f} s of sound, its frames last {lasts:.3f} s", "pad it with silence, or cut frames"
        )
    return seconds


# What Pillow raises of a picture that it does not read.
PICTURE_ERRORS = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


def check_picture(folder: Path, name: str, kind: str = "picture", mend: str = "write it") -> Checked[Image.Image]:
    """Check a picture to its last byte; return it, where it can be read.

    Readers that take OpenCV's word fill what is missing of a picture that was cut short with grey, and say nothing.

    Args:
        folder: Of the layout.
        name: Path of the picture in it.
        kind: What it is to a reader, such as `mask`.
        mend: What to do where there is none.
    """
    path = yield from find(folder, name, kind, mend)
    if path is None:
        return None
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except PICTURE_ERRORS as error:
        yield Finding(name, f"cannot be read as a picture: {error}", WRITE_AGAIN)
        return None
