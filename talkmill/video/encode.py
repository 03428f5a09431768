"""Writing video: files for people and trainers, and lossless grey intermediates."""

from fractions import Fraction
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from talkmill.arrays import Frame
from talkmill.video.encoders import Encoder

# Nearly lossless, and decoded by everything: trainers read files with decord, OpenCV and FFmpeg.
H264_OPTIONS = {"crf": "10", "preset": "veryfast"}
# No picture waits for a later one and a second is no longer without a key frame: readers seek by frame number.
MOVIE_OPTIONS = {"bf": "0", "g": "25"}
NVENC_OPTIONS = {"preset": "p4", "rc": "vbr", "cq": "14", "b": "0"}
MPEG4_OPTIONS = {"qmin": "2", "qmax": "2"}
AAC_BITS, AAC_FRAME = 128_000, 1024
SMALLEST_CLIP_SIDE = 64
# Y'CbCr is written by the matrix of BT.601 in limited range, whatever the size, and the file says so. Decoders that
# read tags are told; those that read none (OpenCV 4, FFmpeg where a codec carries none) take this matrix.
# Source: ITU-R BT.601-7, 2.5; the value of the tag: ITU-T H.273, MatrixCoefficients 6.
PLANAR_FORMAT = "yuv420p"
MATRIX_TAG = 6


class VideoWriter:
    """Writes frames of one size to one file; a context manager. The frames are RGB or, for alpha, grey."""

    def __init__(
        self,
        path: Path,
        codec: str,
        pixel_format: str,
        rate: Fraction,
        options: dict[str, str],
        sound: "Soundtrack | None" = None,
        container_options: dict[str, str] | None = None,
    ) -> None:
        # Without bitexact, Matroska writes a random id: the same frames would give another artifact each time.
        self._container = av.open(str(path), "w", container_options={"fflags": "+bitexact"} | (container_options or {}))
        self._stream = self._container.add_stream(codec, rate=rate, options=options)
        self._sound = sound
        if sound is not None:
            sound.open(self._container)
        self._stream.pix_fmt = pixel_format
        self._source_format = "gray" if pixel_format.startswith("gray") else "rgb24"
        self._pixel_format = pixel_format
        self._rate = rate
        self._size: tuple[int, ...] | None = None
        self.frame_count = 0

    def write(self, image: Frame) -> None:
        """Append a frame.

        Args:
            image: (H, W, 3) uint8 RGB or (H, W) uint8 grey; every frame has the size of the first.

        Raises:
            ValueError: The frame has another size than the first.
        """
        if self._size is None:
            self._size = image.shape
            self._stream.height, self._stream.width = image.shape[:2]
            if self._pixel_format == PLANAR_FORMAT:
                context = self._stream.codec_context
                context.colorspace = MATRIX_TAG
                context.color_range = int(ColorRange.MPEG)
                # .mp4 has room for a matrix only beside these two; they are those of sRGB and of HD video.
                context.color_primaries = int(ColorPrimaries.BT709)
                context.color_trc = int(ColorTrc.BT709)
        if image.shape != self._size:
            raise ValueError(f"frame {self.frame_count} has shape {image.shape}, the first had {self._size}")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format=self._source_format)
        if self._pixel_format == PLANAR_FORMAT:
            frame = frame.reformat(
                format=PLANAR_FORMAT,
                dst_colorspace=Colorspace.ITU601,
                src_color_range=ColorRange.JPEG,
                dst_color_range=ColorRange.MPEG,
            )
        frame.pts, frame.time_base = self.frame_count, 1 / self._rate
        self._container.mux(self._stream.encode(frame))
        self.frame_count += 1
        if self._sound is not None:
            self._sound.write(self._container, self.frame_count / self._rate)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None and self.frame_count:
                self._container.mux(self._stream.encode())
                if self._sound is not None:
                    self._sound.close(self._container)
        finally:
            self._container.close()


def file_writer(path: Path, rate: Fraction) -> VideoWriter:
    """Open a colour file (.mp4, H.264, 4:2:0) for frames with even sides of at least 64 pixels.

    Where the installed PyAV has no x264 it is MPEG-4 part 2; see `compatible_writer`.
    """
    if "libx264" not in av.codecs_available:
        return compatible_writer(path, rate)
    return VideoWriter(path, "libx264", PLANAR_FORMAT, rate, H264_OPTIONS)


class Soundtrack:
    """Mono sound that a video's container gets as AAC, in step with its frames."""

    def __init__(self, samples: npt.NDArray[np.int16], sample_rate: int) -> None:
        """Take sound.

        Args:
            samples: (S,) int16.
            sample_rate: Samples a second.
        """
        self._samples, self._rate, self._done = samples, sample_rate, 0

    def open(self, container: av.container.OutputContainer) -> None:
        """Add the stream to a container."""
        self._stream = container.add_stream("aac", rate=self._rate, layout="mono")
        self._stream.bit_rate = AAC_BITS

    def write(self, container: av.container.OutputContainer, seconds: Fraction) -> None:
        """Write what is heard until a time."""
        end = min(int(seconds * self._rate), len(self._samples))
        while self._done < end:
            part = self._samples[self._done : self._done + AAC_FRAME]
            frame = av.AudioFrame.from_ndarray((part.astype(np.float32) / 32768)[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = self._rate, self._done, Fraction(1, self._rate)
            container.mux(self._stream.encode(frame))
            self._done += len(part)

    def close(self, container: av.container.OutputContainer) -> None:
        """Write the rest."""
        self.write(container, Fraction(len(self._samples), self._rate))
        container.mux(self._stream.encode())


def movie_writer(path: Path, rate: Fraction, sound: Soundtrack | None = None, encoder: Encoder = "auto") -> VideoWriter:
    """Open an .mp4 that trainers read: constant rate, yuv420p, sound as AAC, the index first.

    Args:
        path: The .mp4.
        rate: Frames a second.
        sound: As long as the frames that will be written; None for a silent file.
        encoder: `auto` is NVENC where it works, else x264, else MPEG-4 part 2, which decord and OpenCV read too.

    Raises:
        EncoderMissingError: The encoder that was asked for does not work here.
    """
    chosen = encoder if encoder != "auto" else next(name for name in ("nvenc", "x264", "mpeg4") if works(name))
    if not works(chosen):
        raise EncoderMissingError(f"the encoder {chosen} does not work here; `encoder` auto takes one that does")
    codec, options = _ENCODERS[chosen]
    return VideoWriter(path, codec, PLANAR_FORMAT, rate, options, sound, {"movflags": "+faststart"})


class EncoderMissingError(ValueError):
    """An encoder that was asked for does not work here."""


_ENCODERS = {
    "nvenc": ("h264_nvenc", NVENC_OPTIONS | MOVIE_OPTIONS),
    "x264": ("libx264", H264_OPTIONS | MOVIE_OPTIONS),
    "mpeg4": ("mpeg4", MPEG4_OPTIONS | {"g": "25"}),
}


@cache
def works(encoder: Literal["nvenc", "x264", "mpeg4"]) -> bool:
    """Say whether an encoder is installed and opens: NVENC is in builds of FFmpeg that run without a GPU too."""
    codec, options = _ENCODERS[encoder]
    if codec not in av.codecs_available:
        return False
    context = av.CodecContext.create(codec, "w")
    context.width, context.height, context.pix_fmt, context.time_base = 256, 256, PLANAR_FORMAT, Fraction(1, 25)
    context.options = options
    try:
        context.open()
    except (av.FFmpegError, ValueError):
        return False
    return True


def lossless_writer(path: Path, rate: Fraction) -> VideoWriter:
    """Open a lossless RGB video (.mkv, FFV1)."""
    return VideoWriter(path, "ffv1", "bgr0", rate, {"slices": "4", "g": "1"})


def alpha_writer(path: Path, rate: Fraction) -> VideoWriter:
    """Open a lossless grey video (.mkv, FFV1)."""
    return VideoWriter(path, "ffv1", "gray", rate, {"slices": "4", "g": "1"})


def compatible_writer(path: Path, rate: Fraction) -> VideoWriter:
    """Open an .mp4 (MPEG-4 part 2, quantiser 2) that every reader of the reference's tools decodes."""
    return VideoWriter(path, "mpeg4", "yuv420p", rate, MPEG4_OPTIONS)
