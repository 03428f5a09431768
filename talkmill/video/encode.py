"""Writing video: a nearly lossless colour clip, and lossless colour and grey intermediates."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from talkmill.arrays import Frame
from talkmill.video.container import open_video, video_stream

# AV1 at CRF 3, preset 9 is better than x264 at CRF 10 (docs/decisions/0002-clip-codec.md); the encoder is BSD-licensed.
# lp and lookahead bound the encoder's threads and memory.
CLIP_OPTIONS = {"crf": "3", "preset": "9", "svtav1-params": "lp=2:lookahead=0:enable-tf=0"}
SMALLEST_CLIP_SIDE = 64
# Y'CbCr is written by the matrix of BT.601 in limited range, whatever the size, and the file says so. Decoders that
# read tags are told; those that read none (OpenCV 4, FFmpeg where a codec carries none) take this matrix.
# Source: ITU-R BT.601-7, 2.5; the value of the tag: ITU-T H.273, MatrixCoefficients 6.
PLANAR_FORMAT = "yuv420p"
MATRIX_TAG = 6


class VideoWriter:
    """Writes frames of one size to one file; a context manager. The frames are RGB or, for alpha, grey."""

    def __init__(self, path: Path, codec: str, pixel_format: str, rate: Fraction, options: dict[str, str]) -> None:
        # Without bitexact, Matroska writes a random id: the same frames would give another artifact each time.
        self._container = av.open(str(path), "w", container_options={"fflags": "+bitexact"})
        self._stream = self._container.add_stream(codec, rate=rate, options=options)
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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None and self.frame_count:
                self._container.mux(self._stream.encode())
        finally:
            self._container.close()


def clip_writer(path: Path, rate: Fraction) -> VideoWriter:
    """Open a colour clip (.mp4, AV1, 4:2:0) for frames with even sides of at least 64 pixels."""
    return VideoWriter(path, "libsvtav1", "yuv420p", rate, CLIP_OPTIONS)


def lossless_writer(path: Path, rate: Fraction) -> VideoWriter:
    """Open a lossless RGB video (.mkv, FFV1)."""
    return VideoWriter(path, "ffv1", "bgr0", rate, {"slices": "4", "g": "1"})


def alpha_writer(path: Path, rate: Fraction) -> VideoWriter:
    """Open a lossless grey video (.mkv, FFV1)."""
    return VideoWriter(path, "ffv1", "gray", rate, {"slices": "4", "g": "1"})


def copy_video(source: Path, target: Path) -> None:
    """Copy the coded video stream into an .mp4 of its own, without decoding.

    Args:
        source: A video file.
        target: The file to write.

    Raises:
        av.FFmpegError: The stream does not fit into the container.
    """
    with open_video(source) as container, av.open(str(target), "w") as output:
        stream = video_stream(container)
        copied = output.add_stream_from_template(stream, opaque=True)
        for packet in container.demux(stream):
            if packet.dts is None:
                continue
            packet.stream = copied
            output.mux(packet)


def same_colours(first: Path, second: Path) -> bool:
    """Say whether two files name the same colour matrix and range: without them equal packets are other pictures."""
    named = []
    for path in (first, second):
        with open_video(path) as container:
            context = video_stream(container).codec_context
            named.append((context.colorspace, context.color_range))
    return named[0] == named[1]


def same_packets(first: Path, second: Path) -> int:
    """Return how many packets of coded video two files share, or 0 where they are not the same, packet by packet."""
    count = 0
    for one, other in zip_longest(_packets(first), _packets(second)):
        if one != other:
            return 0
        count += 1
    return count


def _packets(path: Path) -> Iterator[bytes]:
    with open_video(path) as container:
        for packet in container.demux(video_stream(container)):
            if packet.dts is not None:
                yield bytes(packet)


def compatible_writer(path: Path, rate: Fraction) -> VideoWriter:
    """Open an .mp4 (MPEG-4 part 2, quantiser 2) that every reader of the reference's tools decodes."""
    return VideoWriter(path, "mpeg4", "yuv420p", rate, {"qmin": "2", "qmax": "2"})
