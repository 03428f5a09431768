"""Rates of videos as readers count them: what is a rate of its own, and what is rounding."""

from collections.abc import Generator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from talkmill.layouts.checks.media import MovieFacts, check_movie, sound_of
from talkmill.layouts.layout import Finding
from tests.media import record


def checked(path: Path, rate: int | None = 25) -> tuple[list[str], MovieFacts]:
    """What is found of a video, and what it holds."""
    found: list[str] = []

    def collect() -> Generator[Finding, None, MovieFacts | None]:
        return (yield from check_movie(path.parent, path.name, None if rate is None else Fraction(rate)))

    walk = collect()
    while True:
        try:
            found.append(next(walk).what)
        except StopIteration as ended:
            assert ended.value is not None
            return found, ended.value


def test_stamps_that_are_rounded_keep_their_rate(tmp_path: Path) -> None:
    """Frame 99 of 25.0001 a second lies 0.0004 of a frame from where 25 a second put it."""
    times = [number / 25.0001 for number in range(100)]
    found, facts = checked(record(tmp_path / "a.mp4", times, tick=Fraction(1, 1_000_000)))
    assert facts.rate != 25
    assert found == []


def test_how_long_the_last_frame_lasts_is_no_matter() -> None:
    """The average of the file counts it: nine frames of 40 ms and one of 8 ms are 27.2 a second."""
    facts = MovieFacts(10, 96, 64, Fraction(10_000, 368), 25.0, None)
    assert facts.keeps(25) and not facts.keeps(27)


@pytest.mark.parametrize(("rate", "shown"), [(24.999, "24.999"), (25.002, "25.002"), (30, "30")])
def test_a_rate_that_parts_from_the_wanted_one_is_shown_as_another(tmp_path: Path, rate: float, shown: str) -> None:
    times = [number / rate for number in range(2000 if rate < 26 else 50)]
    found, facts = checked(record(tmp_path / "a.mp4", times, tick=Fraction(1, 1_000_000)))
    assert not facts.keeps(25)
    assert [text[: len(shown) + 4] for text in found] == [f"has {shown}"]
    assert found[0].endswith(" frames a second; 25 are expected")


@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "aac", "flac"])
@pytest.mark.parametrize(("level", "silent"), [(0.0, True), (1e-5, True), (0.05, False)])
def test_sound_that_nobody_hears_is_told_in_every_form(tmp_path: Path, codec: str, level: float, silent: bool) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=16_000)
        stream.codec_context.layout = "mono"
        samples = (level * np.sin(np.arange(16_000) / 8)).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16_000, 0
        resampler = av.AudioResampler(stream.codec_context.format.name, "mono", 16_000, 1024)
        for piece in (*resampler.resample(frame), *resampler.resample(None), None):
            container.mux(stream.encode(piece))
    seconds, found = sound_of(path)
    assert seconds == pytest.approx(1, abs=0.1)
    assert found is silent
