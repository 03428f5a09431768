import wave
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkmill.sound.audio import SAMPLE_RATE, Run, Sound, read_sound, write_wav
from talkmill.video.packets import index_packets


def write_source(path: Path, samples: np.ndarray, rate: int, packet: int = 1000) -> None:
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width = video.height = 32
        sound = container.add_stream("pcm_s16le", rate=rate, layout="stereo")
        container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
        container.mux(video.encode())
        for begin in range(0, len(samples), packet):
            part = np.repeat(samples[begin : begin + packet], 2)[None]
            frame = av.AudioFrame.from_ndarray(part, format="s16", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = rate, begin, Fraction(1, rate)
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_a_click_stays_where_it_is(tmp_path: Path, rate: int) -> None:
    samples = np.zeros(2 * rate, np.int16)
    samples[rate : rate + rate // 100] = 20_000
    write_source(tmp_path / "a.mkv", samples, rate)
    sound = read_sound(tmp_path / "a.mkv", index_packets(tmp_path / "a.mkv"), tmp_path / "sound.raw")
    assert sound is not None
    loud = np.flatnonzero(np.abs(sound.cut(0.0, 50, Fraction(25)).samples.astype(int)) > 10_000)
    assert abs(loud[0] / SAMPLE_RATE - 1.0) < 0.002


@pytest.mark.parametrize("window", [(3.0, 5.0), (2.6, 3.4), (0.0, 6.0), (5.5, 6.0)])
def test_packets_that_last_for_seconds_are_heard_to_their_end(tmp_path: Path, window: tuple[float, float]) -> None:
    path = tmp_path / "long.mkv"
    samples = (np.arange(6 * 16_000) % 20_000).astype(np.int16)
    write_source(path, samples, 16_000, packet=32_000)
    sound = read_sound(path, index_packets(path), tmp_path / "sound.raw", [window])
    assert sound is not None
    found = sound.cut(window[0], round((window[1] - window[0]) * 25), Fraction(25))
    first = round(window[0] * SAMPLE_RATE)
    assert found.missing_count == 0
    assert found.samples.tolist() == samples[first : first + len(found.samples)].tolist()


def test_no_sound_is_none(tmp_path: Path) -> None:
    path = tmp_path / "silent.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width = video.height = 32
        container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
        container.mux(video.encode())
    assert read_sound(path, index_packets(path), tmp_path / "sound.raw") is None


def sound_of(folder: Path, samples: np.ndarray, first: float) -> Sound:
    """Sound of two equal channels that begins at a time."""
    path = folder / "known.raw"
    path.write_bytes(np.repeat(samples.astype("<i2"), 2).tobytes())
    return Sound(path, [Run(round(first * SAMPLE_RATE), 0, len(samples))])


@given(
    st.integers(0, 50_000),
    st.floats(-1, 1),
    st.floats(-1, 3),
    st.integers(1, 200),
    st.sampled_from([Fraction(25), Fraction(30), Fraction(30000, 1001)]),
)
def test_a_cut_is_as_long_as_its_frames(count: int, first: float, start: float, frames: int, rate: Fraction) -> None:
    with TemporaryDirectory() as folder:
        cut = sound_of(Path(folder), np.arange(count), first).cut(start, frames, rate)
    assert len(cut.samples) == round(frames / rate * SAMPLE_RATE)
    assert 0 <= cut.missing_count <= len(cut.samples)


def test_a_cut_begins_at_its_frame(tmp_path: Path) -> None:
    samples = np.arange(16_000)
    cut = sound_of(tmp_path, samples, 0.25).cut(0.5, 5, Fraction(25))
    assert cut.samples[0] == 4000
    assert cut.missing_count == 0
    cut = sound_of(tmp_path, samples, 0.5).cut(0.25, 25, Fraction(25))
    assert cut.samples[3999] == 0
    assert cut.samples[4001] == 1
    assert cut.missing_count == 4000


def test_the_wav_is_sixteen_kilohertz_mono(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", np.arange(640, dtype=np.int16))
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth(), file.getnframes()) == (16_000, 1, 2, 640)
