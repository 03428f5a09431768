"""Decoding frames one at a time. Frames come out upright and RGB."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from talkmill.arrays import Frame
from talkmill.video.container import open_video, video_stream

# Above this height, video without a colour tag is Rec. 709 (ITU-R BT.709; BT.601 is for standard definition).
STANDARD_DEFINITION_HEIGHT = 576
# What a stream may name, by the numbers of ITU-T H.273: 5 and 6 are one matrix, and so are 9 and 10 near enough.
MATRICES = {int(matrix): matrix for matrix in Colorspace} | {6: Colorspace.ITU601, 10: Colorspace.BT2020}


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """One decoded frame.

    Attributes:
        time_seconds: Presentation time from the start of the container.
        image: RGB, (H, W, 3) uint8, upright.
    """

    time_seconds: float
    image: Frame


class DecodeReport:
    """What went wrong while frames were read; filled while the iterator runs."""

    def __init__(self) -> None:
        self.damage: str | None = None


def read_frames(path: Path, report: DecodeReport | None = None, start_seconds: float = 0.0) -> Iterator[TimedFrame]:
    """Decode a file's video, frame by frame.

    A damaged file gives the frames that decode; the damage is written into the report. Without a report it raises.

    Args:
        path: The file.
        report: Where damage is noted.
        start_seconds: Frames before the last key frame at or before this time are left out.

    Yields:
        Upright RGB frames with times that never go back.

    Raises:
        UnreadableVideoError: The file is not a video.
        av.FFmpegError: The file is damaged and no report was given.
    """
    with open_video(path) as container:
        stream = video_stream(container)
        convert = _RgbConverter()
        rate = float(stream.average_rate or 25)
        last = -np.inf
        if start_seconds > 0 and stream.time_base:
            container.seek(int(start_seconds / stream.time_base), stream=stream)
        try:
            for index, frame in enumerate(container.decode(stream)):
                time = float(frame.time) if frame.time is not None else index / rate
                if time <= last:
                    time = last + 0.5 / rate
                last = time
                yield TimedFrame(time, convert(frame))
        except av.FFmpegError as error:
            if report is None:
                raise
            report.damage = f"decoding stopped after {last:.2f} s: {error.strerror}"


def read_images(path: Path) -> Iterator[Frame]:
    """Decode an artifact of ours: every frame, no times, any damage raises."""
    return (frame.image for frame in read_frames(path))


def read_grey_frames(path: Path) -> Iterator[Frame]:
    """Decode a grey video of ours, such as an alpha matte, to (H, W) uint8 frames without conversion."""
    with open_video(path) as container:
        for frame in container.decode(video_stream(container)):
            yield np.asarray(frame.to_ndarray(format="gray"), np.uint8)


def read_images_at(path: Path, indices: Collection[int], grey: bool = False) -> list[Frame]:
    """Decode some frames of an artifact of ours, without converting the others; FFV1 is not even decoded between them.

    Args:
        path: The file.
        indices: Numbers of the frames.
        grey: Whether it is a grey video.

    Returns:
        The frames in order, RGB (H, W, 3) or grey (H, W), uint8.
    """
    wanted, last = set(indices), max(indices)
    found: list[Frame] = []
    convert = _RgbConverter()
    with open_video(path) as container:
        stream = video_stream(container)
        intra = stream.codec_context.name == "ffv1"
        if intra:
            # Frame threads would hold frames back.
            stream.thread_type = "SLICE"
        packets = (packet for packet in container.demux(stream) if not intra or packet.dts is not None)
        number = 0
        for count, packet in enumerate(packets):
            if intra:
                number = count
            if intra and count not in wanted:
                continue
            for frame in packet.decode():
                if number in wanted:
                    found.append(np.asarray(frame.to_ndarray(format="gray"), np.uint8) if grey else convert(frame))
                number += 1
            if number > last:
                break
    return found


class _RgbConverter:
    """YUV to upright RGB with the colour matrix and range that the stream names."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> Frame:
        image = self._rgb(frame)
        turns = round(frame.rotation / 90) % 4
        return np.ascontiguousarray(np.rot90(image, turns)) if turns else image

    def _rgb(self, frame: av.VideoFrame) -> Frame:
        if frame.format.is_rgb:
            return np.asarray(frame.to_ndarray(format="rgb24"))
        guess = Colorspace.ITU709 if frame.height > STANDARD_DEFINITION_HEIGHT else Colorspace.ITU601
        source = MATRICES.get(int(frame.colorspace), guess)
        full = frame.format.name.startswith("yuvj") or frame.color_range == ColorRange.JPEG
        converted = self._reformatter.reformat(
            frame,
            format="rgb24",
            src_colorspace=source,
            dst_colorspace=source,
            src_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
            interpolation=Interpolation.BICUBIC,
        )
        return np.asarray(converted.to_ndarray())
