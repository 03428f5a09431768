"""Reads sound as 16 kHz mono, each sample where its time stamp says, and cuts it to the sample."""

import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, Self

import av
import av.filter
import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float64Array
from talkmill.sound.stamps import Stamped, jumps, steady
from talkmill.video.container import open_media
from talkmill.video.packets import PacketIndex

# What wav2vec, DeepSpeech, SyncNet and HuBERT are fed with.
SAMPLE_RATE = 16_000
# Sound before and after what is wanted that is decoded too: decoders need packets to warm up.
MARGIN_SECONDS = 0.5
# Slower drifts are followed by stretching: FFmpeg's aresample, from this error on, by at most so many samples a second.
FOLLOW = "async=1000:min_comp=0.02:min_hard_comp=0.1:comp_duration=1"
# A mean square below this is silence: 16-bit rounding and dither (-80 dB of full scale).
SILENT_RMS = 3.0
# A channel so much weaker than the other does not carry the voice (-30 dB); halves that cancel leave less than this.
LONE_RATIO, CANCELLED_RATIO = 0.03, 0.1

Samples = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class SoundCut:
    """The sound of a clip.

    Attributes:
        samples: (S,) int16 at 16 kHz, silent where the source has none.
        missing_count: Samples that the source has none for.
        audible: Whether there is more than silence.
        notes: What the user should know.
    """

    samples: Samples
    missing_count: int
    audible: bool
    notes: tuple[str, ...] = ()

    @classmethod
    def silent(cls, frame_count: int, rate: Fraction) -> Self:
        """Return the sound of a clip of a source that has none."""
        length = _length(frame_count, rate)
        return cls(np.zeros(length, np.int16), length, audible=False)


def _length(frame_count: int, rate: Fraction) -> int:
    return round(frame_count / rate * SAMPLE_RATE)


@dataclass(frozen=True, slots=True)
class Run:
    """Sound without a gap, in samples: its place on the clock, in the file, and its length."""

    start: int
    offset: int
    count: int


class Sound:
    """Decoded sound of a source, on disk, in runs that stand where their stamps say."""

    def __init__(self, path: Path, runs: Sequence[Run]) -> None:
        self._path, self._runs = path, tuple(runs)

    def cut(self, start_seconds: float, frame_count: int, rate: Fraction) -> SoundCut:
        """Cut the sound of a clip, exactly as long as its frames.

        Args:
            start_seconds: Time of the clip's first frame on the clock of the packet index.
            frame_count: Frames of the clip.
            rate: Frames a second.

        Returns:
            round(frame_count / rate * 16000) samples.
        """
        length = _length(frame_count, rate)
        begin = round(start_seconds * SAMPLE_RATE)
        channels = np.zeros((length, 2), np.int16)
        known = np.zeros(length, bool)
        data = np.memmap(self._path, np.int16, "r").reshape(-1, 2) if self._path.stat().st_size else channels[:0]
        for run in self._runs:
            first, last = max(run.start, begin), min(run.start + run.count, begin + length)
            if first < last:
                at = run.offset + first - run.start
                channels[first - begin : last - begin] = data[at : at + last - first]
                known[first - begin : last - begin] = True
        samples, notes = _mono(channels)
        audible = bool(_rms(samples) > SILENT_RMS)
        return SoundCut(samples, length - int(known.sum()), audible, notes)


def _mono(channels: Samples) -> tuple[Samples, tuple[str, ...]]:
    """Mix two channels to one, unless the mix would lose the voice."""
    left, right = (channels[:, side].astype(np.float32) for side in (0, 1))
    mixed: npt.NDArray[np.floating] = (left + right) / 2
    loud, quiet = sorted((left, right), key=lambda side: -_rms(side))
    note: tuple[str, ...] = ()
    if _rms(loud) > SILENT_RMS:
        if _rms(quiet) < LONE_RATIO * _rms(loud):
            mixed, note = loud, ("one channel of the sound is silent: the other is taken",)
        elif _rms(mixed) < CANCELLED_RATIO * _rms(loud):
            mixed, note = loud, ("the channels of the sound cancel each other: the louder one is taken",)
    return np.rint(mixed).astype(np.int16), note


def _rms(samples: npt.NDArray[Any]) -> float:
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2))) if samples.size else 0.0


def read_sound(
    path: Path, index: PacketIndex, scratch: Path, windows: Sequence[tuple[float, float]] | None = None
) -> Sound | None:
    """Decode the sound of a source, or parts of it.

    A damaged packet leaves a gap; a change of layout or rate goes on; gaps and overlaps of the stamps are gaps and
    overlaps of the sound, unless the stamps err for a moment alone, and a clock that drifts is followed.

    Args:
        path: A video or audio file.
        index: Its packets.
        scratch: File that the decoded sound is kept in while it is cut.
        windows: Start and end of the wanted parts in seconds of the index's clock; None for all.

    Returns:
        The sound; None where the file has none.
    """
    if index.choice.sound is None:
        return None
    runs: list[Run] = []
    with scratch.open("wb") as file:
        writer = _RunWriter(file, runs)
        for frame, time in steady(_frames(path, index, index.choice.sound, windows)):
            writer.add(frame, time)
        writer.end()
    return Sound(scratch, runs)


def _frames(
    path: Path, index: PacketIndex, stream_index: int, windows: Sequence[tuple[float, float]] | None
) -> Iterator[Stamped]:
    """Yield the decoded frames of the wanted packets with their stamps on the index's clock."""
    times = index.sound_times
    wanted = np.ones(len(times), bool)
    if windows is not None:
        wanted[:] = False
        ends = _ends(times)
        for start, end in windows:
            wanted |= (ends >= start - MARGIN_SECONDS) & (times <= end + MARGIN_SECONDS)
        wanted |= np.isnan(times)
    with open_media(path) as container:
        stream = container.streams[stream_index]
        context = stream.codec_context
        number, skipped = -1, False
        offset = 0.0
        for packet in container.demux(stream):
            if packet.size:
                number += 1
                if not wanted[number]:
                    skipped = True
                    continue
                if skipped:
                    context.flush_buffers()
                    skipped = False
                offset = float(index.offsets[index.sound.section[number]])
            try:
                frames = context.decode(packet if packet.size else None)
            except av.FFmpegError:
                # The next packet decodes again; the stamps show the gap.
                continue
            for frame in frames:
                time = None if frame.pts is None else frame.pts * float(frame.time_base) + offset
                yield frame, time


def _ends(times: Float64Array) -> Float64Array:
    """Return when each packet ends at the latest: where the next one begins, (P,); without end where that is unknown.

    Some files hold seconds of sound in one packet.
    """
    following = np.append(times[1:], np.inf)
    return np.where(following >= times, following, np.inf)


class _RunWriter:
    """Resamples frames to two channels of 16 kHz, one run after the other."""

    def __init__(self, file: BinaryIO, runs: list[Run]) -> None:
        self._file, self._runs = file, runs
        self._graph: Any = None
        self._kind: tuple[str, str, int] | None = None
        self._start = 0.0
        self._written = 0
        self._offset = 0
        self._expected: float | None = None

    def add(self, frame: av.AudioFrame, time: float) -> None:
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind != self._kind or self._expected is None or jumps(time, self._expected):
            self.end()
            self._begin(frame, kind, time)
        self._expected = time + frame.samples / frame.sample_rate
        tick = Fraction(1, frame.sample_rate)
        frame.time_base, frame.pts = tick, round((time - self._start) * frame.sample_rate)
        self._graph.push(frame)
        self._pull()

    def _begin(self, frame: av.AudioFrame, kind: tuple[str, str, int], time: float) -> None:
        self._kind, self._start, self._written = kind, time, 0
        self._graph = av.filter.Graph()
        source = self._graph.add_abuffer(
            format=frame.format.name,
            sample_rate=frame.sample_rate,
            layout=frame.layout.name,
            time_base=Fraction(1, frame.sample_rate),
        )
        if frame.layout.nb_channels == 1:
            # Made stereo by a mix, one channel would lose 3 dB.
            doubled = self._graph.add("pan", "stereo|c0=c0|c1=c0")
            source.link_to(doubled)
            source = doubled
        resampled = self._graph.add("aresample", f"{SAMPLE_RATE}:{FOLLOW}")
        shaped = self._graph.add("aformat", f"sample_fmts=s16:channel_layouts=stereo:sample_rates={SAMPLE_RATE}")
        source.link_to(resampled)
        resampled.link_to(shaped)
        shaped.link_to(self._graph.add("abuffersink"))
        self._graph.configure()

    def end(self) -> None:
        """End the run."""
        if self._graph is None:
            return
        self._graph.push(None)
        self._pull()
        self._runs.append(Run(round(self._start * SAMPLE_RATE), self._offset, self._written))
        self._offset += self._written
        self._graph = None

    def _pull(self) -> None:
        while True:
            try:
                frame = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            samples = np.ascontiguousarray(frame.to_ndarray().reshape(-1), "<i2")
            self._file.write(samples.tobytes())
            self._written += samples.size // 2


def write_wav(path: Path, samples: Samples) -> None:
    """Write 16 kHz mono PCM.

    Args:
        path: The .wav file.
        samples: (S,) int16.
    """
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples.astype("<i2").tobytes())
