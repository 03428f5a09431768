"""Small videos whose frames say their number, and what tests read of them."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import av
import numpy as np

from talkmill.sound.audio import read_sound
from talkmill.video.frame_table import FrameTable
from talkmill.video.packets import index_packets
from talkmill.video.resample import FrameSchedule
from talkmill.video.scan import Scan, scan_source

WIDTH, HEIGHT, RATE = 96, 64, 25
BITS, BAR = 8, 16
X264 = {"crf": "12", "preset": "ultrafast", "tune": "zerolatency"}


def numbered(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """A frame with its number as black and white blocks in its lowest rows, over a picture that moves."""
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    image = np.stack([(columns * 2 + 8 * number) % 200 + 20, rows * 160 // height + 40, 0 * rows + 90], axis=-1)
    for bit in range(BITS):
        image[height - BAR :, bit * width // BITS : (bit + 1) * width // BITS] = 235 if number >> bit & 1 else 20
    return image.astype(np.uint8)


def number_of(image: np.ndarray) -> int:
    """Read the number of a frame."""
    height, width = image.shape[:2]
    row = image[height - BAR + 4 : height - 4].astype(float).mean((0, 2))
    return sum(1 << bit for bit in range(BITS) if row[(2 * bit + 1) * width // (2 * BITS)] > 128)


def numbers_of(images: Iterable[np.ndarray]) -> list[int]:
    """Read the numbers of frames."""
    return [number_of(image) for image in images]


@dataclass
class Recording:
    """A file with a picture and maybe a sound, every stamp chosen by the test; a context manager."""

    path: Path
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    options: dict[str, str] | None = None
    form: str | None = None
    sound_codec: str | None = None
    sound_rate: int = 48_000
    layout: str = "stereo"
    tick: Fraction = Fraction(1, 90_000)
    rate: int = RATE
    prepare: Callable[[Any], None] = lambda context: None
    _packets: list[Any] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._container = av.open(str(self.path), "w", format=self.form)
        options = X264 if self.options is None and self.codec == "libx264" else self.options or {}
        self._picture: Any = self._container.add_stream(self.codec, rate=self.rate, options=options)
        self._picture.pix_fmt, self._picture.codec_context.time_base = self.pixel_format, self.tick
        self._sound: Any = None
        if self.sound_codec is not None:
            self._sound = self._container.add_stream(self.sound_codec, rate=self.sound_rate, layout=self.layout)
        self._begun = False
        return self

    def picture(self, image: np.ndarray | av.VideoFrame, seconds: float) -> None:
        """Add a picture, RGB or a frame, at a time."""
        frame = image if isinstance(image, av.VideoFrame) else av.VideoFrame.from_ndarray(image, format="rgb24")
        if not self._begun:
            self._picture.width, self._picture.height, self._begun = frame.width, frame.height, True
            self.prepare(self._picture.codec_context)
        frame.pts, frame.time_base = round(seconds / self.tick), self.tick
        self._packets += self._picture.encode(frame)

    def sound(self, samples: np.ndarray, seconds: float = 0.0, gains: Sequence[float] | None = None) -> None:
        """Add mono sound in [-1, 1] from a time on, on all channels or on each by a factor."""
        count = self._sound.codec_context.layout.nb_channels
        channels = samples[None] * np.array([1.0] * count if gains is None else gains)[:, None]
        for position in range(0, len(samples), 1024):
            block = np.ascontiguousarray(channels[:, position : position + 1024].astype(np.float32))
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=self.layout)
            frame.sample_rate, frame.time_base = self.sound_rate, Fraction(1, self.sound_rate)
            frame.pts = round(seconds * self.sound_rate) + position
            self._packets += self._sound.encode(frame)

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if kind is None:
            for stream in (self._picture, *([self._sound] if self._sound else [])):
                self._packets += stream.encode(None)
            for packet in sorted(self._packets, key=lambda packet: float(packet.dts * packet.time_base)):
                self._container.mux(packet)
        self._container.close()


def record(path: Path, times: Iterable[float], first: int = 0, **options: Any) -> Path:
    """Write numbered frames at some times, without sound."""
    with Recording(path, **options) as recording:
        for number, time in enumerate(times, start=first):
            recording.picture(numbered(number), time)
    return path


def spoil(path: Path, *packets: int, whole: bool = True) -> Path:
    """Overwrite packets of a file's picture, or the second half of each."""
    with av.open(str(path)) as container:
        found = [bytes(packet) for packet in container.demux(container.streams.video[0]) if packet.size]
    content = bytearray(path.read_bytes())
    for packet in packets:
        size = len(found[packet])
        (begin,) = (place.start() for place in re.finditer(re.escape(found[packet]), content))
        skip = 0 if whole else size // 2
        content[begin + skip : begin + size] = (b"\xff" if whole else b"\0") * (size - skip)
    path.write_bytes(content)
    return path


def scan_of(path: Path, ranges: Sequence[tuple[float, float]] = (), max_gap_seconds: float = 0.4) -> Scan:
    """Scan a file, its pictures not looked at."""
    scan = scan_source(path, index_packets(path), ranges, max_gap_seconds, lambda _: None, lambda *_: None)
    assert scan is not None
    return scan


def table_of(scan: Scan, frames: Sequence[int] | None = None) -> FrameTable:
    """Return the table of a clip of some frames of a source, in their order, read from the source itself."""
    chosen = np.arange(len(scan.times)) if frames is None else np.array(frames, np.int64)
    schedule = FrameSchedule(Fraction(RATE), chosen, float(scan.times[chosen[0]]))
    return scan.table(chosen, schedule, scan.windows(chosen)[-1])


def whole_table(path: Path) -> FrameTable:
    """Return the table of a clip that has every frame of a file."""
    return table_of(scan_of(path))


def sound_of(path: Path, folder: Path) -> np.ndarray:
    """Return the whole sound of a file as the stages cut it: 16 kHz mono from its first sample on."""
    index = index_packets(path)
    sound = read_sound(path, index, folder / "sound.raw")
    assert sound is not None
    seconds = float(np.ptp(index.sound_times))
    return sound.cut(float(np.nanmin(index.sound_times)), round(seconds * 1000), Fraction(1000)).samples


def edit(path: Path, *parts: tuple[float, float]) -> Path:
    """Let the edit list of every stream of a .mp4 show parts: where each begins in the stream, and its length, seconds.

    The file has one edit a stream, and its tables lie behind its media.
    """
    content = bytearray(path.read_bytes())
    scale = int.from_bytes(content[(at := content.index(b"mvhd")) + 16 : at + 20])
    place = 0
    while (place := content.find(b"elst", place + 1)) > 0:
        media = content.index(b"mdhd", place)
        ticks = int.from_bytes(content[media + 16 : media + 20])
        origin = int.from_bytes(content[place + 16 : place + 20])
        entries = [
            round(seconds * scale).to_bytes(4) + (origin + round(start * ticks)).to_bytes(4) + (1 << 16).to_bytes(4)
            for start, seconds in parts
        ]
        more = 12 * (len(parts) - int.from_bytes(content[place + 8 : place + 12]))
        content[place + 8 : place - 4 + int.from_bytes(content[place - 4 : place])] = len(parts).to_bytes(4) + b"".join(
            entries
        )
        for box in (b"elst", b"edts", b"trak", b"moov"):
            begin = content.rindex(box, 0, place + 4) - 4
            size = int.from_bytes(content[begin : begin + 4]) + more
            content[begin : begin + 4] = size.to_bytes(4)
    path.write_bytes(content)
    return path
