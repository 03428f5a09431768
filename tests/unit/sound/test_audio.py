import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkmill.sound.audio import SAMPLE_RATE, cut_audio, read_audio, write_wav


def write_source(path: Path, samples: np.ndarray, rate: int) -> None:
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width = video.height = 32
        sound = container.add_stream("pcm_s16le", rate=rate, layout="stereo")
        container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
        container.mux(video.encode())
        for begin in range(0, len(samples), 1000):
            part = np.repeat(samples[begin : begin + 1000], 2)[None]
            frame = av.AudioFrame.from_ndarray(part, format="s16", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = rate, begin, Fraction(1, rate)
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_a_click_stays_where_it_is(tmp_path: Path, rate: int) -> None:
    samples = np.zeros(2 * rate, np.int16)
    samples[rate : rate + rate // 100] = 20_000
    write_source(tmp_path / "a.mkv", samples, rate)
    found = read_audio(tmp_path / "a.mkv")
    assert found is not None
    loud = np.flatnonzero(np.abs(found[0].astype(int)) > 10_000)
    assert abs(loud[0] / SAMPLE_RATE + found[1] - 1.0) < 0.002


def test_no_sound_is_none(tmp_path: Path) -> None:
    path = tmp_path / "silent.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width = video.height = 32
        container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
        container.mux(video.encode())
    assert read_audio(path) is None


@given(
    st.integers(0, 50_000),
    st.floats(-1, 1),
    st.floats(-1, 3),
    st.integers(1, 200),
    st.sampled_from([Fraction(25), Fraction(30), Fraction(30000, 1001)]),
)
def test_a_cut_is_as_long_as_its_frames(count: int, first: float, start: float, frames: int, rate: Fraction) -> None:
    samples = np.arange(count, dtype=np.int64).astype(np.int16)
    cut, padded = cut_audio(samples, first, start, frames, rate)
    assert len(cut) == round(frames / rate * SAMPLE_RATE)
    assert 0 <= padded <= len(cut)


def test_a_cut_begins_at_its_frame() -> None:
    samples = np.arange(16_000, dtype=np.int16)
    cut, padded = cut_audio(samples, 0.25, 0.5, 5, Fraction(25))
    assert cut[0] == 4000
    assert padded == 0
    cut, padded = cut_audio(samples, 0.5, 0.25, 25, Fraction(25))
    assert cut[3999] == 0
    assert cut[4001] == 1
    assert padded == 4000


def test_the_wav_is_sixteen_kilohertz_mono(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", np.arange(640, dtype=np.int16))
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth(), file.getnframes()) == (16_000, 1, 2, 640)
