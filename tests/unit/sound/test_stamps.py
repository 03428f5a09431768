"""Sound stands where its stamps say: drifts, gaps, overlaps, changes of layout and damage are followed or told."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from talkmill.sound.audio import SAMPLE_RATE, Sound, SoundCut, read_sound
from talkmill.video.packets import index_packets
from tests.media import RATE, Recording, numbered

KILO = 48_000
TONE_SECONDS = 0.06


def tones(seconds: float, first: float = 0.0, rate: int = KILO) -> np.ndarray:
    """At every half second k a tone of 500 + 100 k Hz."""
    sound, time = np.zeros(round(seconds * rate)), np.arange(round(TONE_SECONDS * rate)) / rate
    for half in range(int(first * 2) + 1, int((first + seconds) * 2) + 1):
        part = sound[round((half / 2 - first) * rate) :][: time.size]
        part += (0.6 * np.sin(2 * np.pi * (500 + 100 * half) * time))[: part.size]
    return sound


def loud_parts(cut: SoundCut) -> list[tuple[int, int]]:
    """First sample and the sample after the last of each tone that is not cut short."""
    loud = np.convolve(np.abs(cut.samples.astype(float)), np.ones(80) / 80, "same") > 1500
    edges = np.flatnonzero(np.diff(np.concatenate([[0], loud.astype(int), [0]])))
    return [(int(one), int(other)) for one, other in zip(edges[::2], edges[1::2], strict=True) if other - one > 500]


def onsets(cut: SoundCut) -> list[float]:
    """Seconds at which tones begin."""
    return [begin / SAMPLE_RATE for begin, _ in loud_parts(cut)]


def heard(cut: SoundCut) -> dict[int, float]:
    """Half second that a tone names, to the seconds at which it begins."""
    found = {}
    for begin, end in loud_parts(cut):
        part = cut.samples[begin + 100 : end - 100].astype(float)
        spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)), 1 << 15))
        found[round((spectrum.argmax() * SAMPLE_RATE / (1 << 15) - 500) / 100)] = begin / SAMPLE_RATE
    return found


class Tape(Recording):
    """A recording whose samples carry stamps of the test's choice."""

    def stamped(self, samples: np.ndarray, stamps: np.ndarray) -> None:
        """Add blocks of 960 samples of 48 kHz, each at its own time."""
        levels = np.rint(32767 * samples[: len(stamps) * 960]).astype(np.int16)
        for block, time in zip(levels.reshape(-1, 960), stamps, strict=True):
            frame = av.AudioFrame.from_ndarray(np.repeat(block, 2)[None], format="s16", layout="stereo")
            frame.sample_rate, frame.time_base, frame.pts = KILO, Fraction(1, KILO), round(time * KILO)
            self._packets += self._sound.encode(frame)


def blocks(seconds: float) -> np.ndarray:
    """The times of blocks of 20 ms."""
    return np.arange(round(seconds * 50)) / 50


def taped(path: Path, samples: np.ndarray, stamps: np.ndarray) -> Path:
    with Tape(path, sound_codec="pcm_s16le") as tape:
        tape.picture(numbered(0), 0.0)
        tape.stamped(samples, stamps)
    return path


def recorded(path: Path, samples: np.ndarray, seconds: float = 0.0, gains: Any = None, **options: Any) -> Path:
    with Recording(path, **({"sound_codec": "aac"} | options)) as recording:
        for number in range(5):
            recording.picture(numbered(number), number / RATE)
        recording.sound(samples, seconds, gains)
    return path


def sound_of(path: Path, windows: list[tuple[float, float]] | None = None) -> Sound:
    sound = read_sound(path, index_packets(path), path.with_suffix(".parts" if windows else ".whole"), windows)
    assert sound is not None
    return sound


def cut(path: Path, seconds: float, start: float = 0.0) -> SoundCut:
    return sound_of(path).cut(start, round(seconds * RATE), Fraction(RATE))


def assert_in_place(found: dict[int, float], halves: Iterable[int], tolerance: float = 0.005) -> None:
    assert sorted(found) == list(halves)
    assert max(abs(seconds - half / 2) for half, seconds in found.items()) < tolerance


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {"sound_codec": "aac"}),
        ("a.mkv", {"sound_codec": "libopus"}),
        ("a.ts", {"sound_codec": "mp2", "form": "mpegts"}),
        ("a.mkv", {"sound_codec": "flac", "layout": "5.1"}),
        ("a.mov", {"sound_codec": "pcm_s16le", "layout": "mono"}),
    ],
)  # fmt: skip
def test_tones_stand_where_they_were_recorded(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    """The delay of each encoder is taken off, by stamps or by the decoder."""
    found = cut(recorded(tmp_path / name, tones(4.2), **options), 4)
    assert_in_place(heard(found), range(1, 8), 0.012)
    assert len(found.samples) == 4 * SAMPLE_RATE
    assert found.audible
    assert found.notes == ()


def test_mp3_in_avi_is_late_by_the_delay_of_its_encoder(tmp_path: Path) -> None:
    """LAME puts 1105 samples before the first, and .avi has no place to say so: half a frame."""
    path = recorded(tmp_path / "a.avi", tones(4.2), sound_codec="libmp3lame", tick=Fraction(1, RATE))
    assert_in_place(heard(cut(path, 4)), range(1, 8), 1105 / KILO + 0.003)


@pytest.mark.parametrize("speed", [1.005, 0.995])
def test_a_clock_that_drifts_is_followed(speed: float, tmp_path: Path) -> None:
    """Samples of 20 s with stamps of 20.1 or 19.9 s. Joined blindly the last would be off by 100 ms."""
    found = cut(taped(tmp_path / "a.mkv", tones(20), blocks(20) * speed), 19.8)
    # Where it is stretched its pitch names nothing: tones are counted.
    late = np.array([begin - (count + 1) / 2 * speed for count, begin in enumerate(onsets(found))])
    assert len(late) == 39
    # A stretch begins once the error is 20 ms, and takes a second.
    assert np.abs(late).max() < 0.035
    assert found.missing_count < 0.1 * SAMPLE_RATE


def test_a_gap_in_the_stamps_is_silence(tmp_path: Path) -> None:
    samples = np.concatenate([tones(2), tones(2, 2.75)])
    stamps = np.where(blocks(4) < 2 - 1e-9, blocks(4), blocks(4) + 0.75)
    found = cut(taped(tmp_path / "a.mkv", samples, stamps), 4.6)
    # Tone 4 at 2 s and tone 5 at 2.5 s lie in the gap.
    assert_in_place({half: at for half, at in heard(found).items() if half != 4}, [1, 2, 3, 6, 7, 8, 9])
    assert not found.samples[round(2.02 * SAMPLE_RATE) : round(2.73 * SAMPLE_RATE)].any()
    assert found.missing_count == pytest.approx(0.75 * SAMPLE_RATE, abs=20)


def test_stamps_that_overlap_do_not_push_what_follows(tmp_path: Path) -> None:
    """A sender that repeats 0.3 s: what comes later stands at its own time."""
    samples = np.concatenate([tones(2), tones(2, 1.7)])
    stamps = np.where(blocks(4) < 2 - 1e-9, blocks(4), blocks(4) - 0.3)
    found = cut(taped(tmp_path / "a.mkv", samples, stamps), 3.6)
    assert_in_place(heard(found), range(1, 8))
    assert found.missing_count == 0


def test_small_errors_of_a_containers_clock_leave_no_marks(tmp_path: Path) -> None:
    """Stamps that are off by some milliseconds, one way and the other, cut nothing."""
    jitter = np.random.default_rng(0).uniform(-0.006, 0.006, 200)
    sine = 0.5 * np.sin(2 * np.pi * 220 * np.arange(4 * KILO) / KILO)
    found = cut(taped(tmp_path / "a.mkv", sine, np.maximum(blocks(4) + jitter, 0)), 3.5, 0.2)
    # A sine has no steps that are steeper than its own slope.
    steepest = 0.5 * 32767 * 2 * np.pi * 220 / SAMPLE_RATE
    assert np.abs(np.diff(found.samples.astype(int))).max() < 1.2 * steepest
    assert found.missing_count == 0


@pytest.mark.parametrize("error", [0.02, 0.04])
def test_stamps_that_err_and_come_back_cut_nothing(error: float, tmp_path: Path) -> None:
    """A browser or a phone stamps sound when it arrives."""
    errors = np.random.default_rng(0).uniform(-error, error, 200)
    stamps = np.sort(np.maximum(blocks(4) + errors, 0))
    sine = 0.5 * np.sin(2 * np.pi * 220 * np.arange(4 * KILO) / KILO)
    found = cut(taped(tmp_path / "sine.mkv", sine, stamps), 3.4, 0.2)
    steepest = 0.5 * 32767 * 2 * np.pi * 220 / SAMPLE_RATE
    assert np.abs(np.diff(found.samples.astype(int))).max() < 1.2 * steepest
    assert found.missing_count == 0
    assert_in_place(heard(cut(taped(tmp_path / "tones.mkv", tones(4), stamps), 3.8)), range(1, 8), error)


def test_a_gap_among_stamps_that_err_is_a_gap(tmp_path: Path) -> None:
    errors = np.random.default_rng(0).uniform(-0.02, 0.02, 200)
    late = np.where(blocks(4) < 2 - 1e-9, 0.0, 0.3)
    found = cut(taped(tmp_path / "a.mkv", tones(4), np.sort(np.maximum(blocks(4) + errors + late, 0))), 4.2)
    places = heard(found)
    assert_in_place({half: at for half, at in places.items() if half < 4}, [1, 2, 3], 0.025)
    assert_in_place({half: at - 0.3 for half, at in places.items() if half > 4}, [5, 6, 7], 0.025)
    assert found.missing_count == pytest.approx(0.3 * SAMPLE_RATE, abs=0.05 * SAMPLE_RATE)


def test_sound_that_begins_late_is_late(tmp_path: Path) -> None:
    found = cut(recorded(tmp_path / "a.mp4", tones(3.3, 0.7), 0.7), 4)
    assert_in_place(heard(found), range(2, 8), 0.012)
    assert found.missing_count == pytest.approx(0.7 * SAMPLE_RATE, abs=0.03 * SAMPLE_RATE)


LEVEL = 0.6 * 32767 / np.sqrt(2)


def level(found: SoundCut) -> float:
    """Loudness of the first tone."""
    begin = round(0.5 * SAMPLE_RATE)
    return float(np.sqrt(np.mean(found.samples[begin + 160 : begin + 800].astype(float) ** 2)))


@pytest.mark.parametrize(
    ("gains", "share", "told"),
    [
        ((1, 1), 1.0, ""),
        ((1, 0), 1.0, "one channel of the sound is silent: the other is taken"),
        ((0, 1), 1.0, "one channel of the sound is silent: the other is taken"),
        ((1, -1), 1.0, "the channels of the sound cancel each other: the louder one is taken"),
        ((1, -0.95), 1.0, "the channels of the sound cancel each other: the louder one is taken"),
        ((1, 0.5), 0.75, ""),
        ((0.4, -1), 0.3, ""),
    ],
)
def test_two_channels_become_one_without_losing_the_voice(
    gains: tuple[float, float], share: float, told: str, tmp_path: Path
) -> None:
    found = cut(recorded(tmp_path / "a.mkv", tones(2), gains=gains, sound_codec="flac"), 2)
    assert level(found) == pytest.approx(share * LEVEL, rel=0.03)
    assert found.notes == ((told,) if told else ())


def test_one_channel_is_as_loud_as_two_alike(tmp_path: Path) -> None:
    peaks = []
    for layout in ("mono", "stereo"):
        path = recorded(tmp_path / f"{layout}.mkv", tones(2), sound_codec="flac", layout=layout)
        peaks.append(int(np.abs(cut(path, 2).samples.astype(int)).max()))
    assert peaks[0] == pytest.approx(peaks[1], rel=0.01)


def test_a_voice_in_the_centre_alone_is_heard(tmp_path: Path) -> None:
    found = cut(recorded(tmp_path / "a.mkv", tones(2), gains=(0, 0, 1, 0, 0, 0), sound_codec="flac", layout="5.1"), 2)
    # FFmpeg's mix leaves headroom for the other channels.
    assert level(found) == pytest.approx(0.707 / (1 + 2 * 0.707) * LEVEL, rel=0.03)
    assert found.notes == ()


def test_silence_is_told(tmp_path: Path) -> None:
    found = cut(recorded(tmp_path / "a.mkv", np.zeros(KILO), sound_codec="flac"), 1)
    assert not found.audible
    # Dither of one bit is silence too.
    dither = np.random.default_rng(0).integers(-1, 2, KILO) / 32768
    assert not cut(recorded(tmp_path / "b.mkv", dither, sound_codec="flac"), 1).audible
    assert cut(recorded(tmp_path / "c.mkv", 40 * dither, sound_codec="flac"), 1).audible


def test_a_layout_that_changes_goes_on(tmp_path: Path) -> None:
    """Broadcast sound that turns from mono to stereo; its stamps go on."""
    content, seconds = b"", 84 * 1152 / KILO
    for index, layout in enumerate(("mono", "stereo")):
        path = tmp_path / "part.ts"
        with Recording(path, form="mpegts", sound_codec="mp2", layout=layout) as recording:
            for number in range(50):
                recording.picture(numbered(50 * index + number), seconds * index + number / RATE)
            recording.sound(tones(seconds, seconds * index), seconds * index)
        content += path.read_bytes()
    (tmp_path / "a.ts").write_bytes(content)
    index = index_packets(tmp_path / "a.ts")
    start = float(index.times[0])
    found = heard(cut(tmp_path / "a.ts", 3.9, start))
    assert_in_place({half: at for half, at in found.items() if half != 4}, [1, 2, 3, 5, 6, 7], 0.02)


def spoil_sound(path: Path, seconds: float) -> Path:
    """Overwrite one packet of sound from a time on."""
    with av.open(str(path)) as container:
        packet = next(
            one for one in container.demux(container.streams.audio[0]) if one.pts * float(one.time_base) >= seconds
        )
        start, size = packet.pos, packet.size
    content = bytearray(path.read_bytes())
    content[start : start + size] = b"\xff" * size
    path.write_bytes(content)
    return path


def test_a_broken_packet_costs_its_own_sound_alone(tmp_path: Path) -> None:
    path = spoil_sound(recorded(tmp_path / "a.mp4", tones(4.2)), 1.2)
    found = cut(path, 4)
    assert_in_place(heard(found), range(1, 8), 0.012)
    # A packet of AAC has 1024 samples of 48 kHz.
    assert 0 < found.missing_count <= 2 * 1024 / KILO * SAMPLE_RATE + 2


def test_parts_are_decoded_as_the_whole_is(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a.mkv", tones(20), sound_codec="flac")
    whole = sound_of(path)
    parts = sound_of(path, [(3.0, 5.0), (12.0, 13.0)])
    for start, frames in ((3.0, 50), (12.0, 25)):
        one, other = (sound.cut(start, frames, Fraction(RATE)) for sound in (whole, parts))
        assert other.missing_count == 0
        assert np.abs(one.samples.astype(int) - other.samples).max() <= 2
    # Three seconds, a margin at each end, and a packet of 4608 samples.
    seconds = sum(run.count for run in parts._runs) / SAMPLE_RATE
    assert seconds < 3 + 4 * 0.5 + 4 * 4608 / KILO
    assert parts.cut(8.0, 25, Fraction(RATE)).missing_count == SAMPLE_RATE


def test_a_source_without_sound_has_silence_as_long_as_its_frames() -> None:
    found = SoundCut.silent(50, Fraction(30000, 1001))
    assert len(found.samples) == found.missing_count == round(50 * 1001 / 30000 * SAMPLE_RATE)
    assert not found.audible
