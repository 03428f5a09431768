"""The packets of a file on one clock: joined recordings, clocks that are set, and holes that are none of these."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from talkmill.video.container import of_programme
from talkmill.video.packets import PacketIndex, index_packets
from tests.media import RATE, Recording, edit, numbered, record

SECONDS, COUNT = 2, 2 * RATE


def piece(
    path: Path, clock: float, first: int = 0, sound_late: float = 0.0, sound_seconds: float = SECONDS, **options: str
) -> bytes:
    """A recorder's .ts whose clock stands at some seconds when it begins."""
    with Recording(path, form="mpegts", sound_codec="mp2", **options) as recording:
        for number in range(COUNT):
            recording.picture(numbered(first + number), clock + number / RATE)
        recording.sound(np.zeros(round(sound_seconds * 48_000)), clock + sound_late)
    content = path.read_bytes()
    path.unlink()
    return content


def joined(folder: Path, *pieces: bytes) -> PacketIndex:
    path = folder / "joined.ts"
    path.write_bytes(b"".join(pieces))
    return index_packets(path)


def sound_times(index: PacketIndex) -> np.ndarray:
    return index.sound.presentation + index.offsets[index.sound.section]


# Stamps of .ts count 90 000 a second; a packet of MP2 lasts 24 ms, and its encoder puts 481 samples before the first.
TICK, MP2_SECONDS, MP2_DELAY = 1.5 / 90_000, 1152 / 48_000, 481 / 48_000


@pytest.mark.parametrize("clock", [10.0, 1.4, 0.0, 31.4])
def test_two_recordings_one_after_the_other_are_one_clock(tmp_path: Path, clock: float) -> None:
    """`cat a.ts b.ts`: the clock of the second goes back, by little or by much, or far ahead."""
    index = joined(tmp_path, piece(tmp_path / "a.ts", 10.0), piece(tmp_path / "b.ts", clock, first=COUNT))
    assert len(index.offsets) == 2
    assert np.array_equal(index.picture.section, np.repeat([0, 1], COUNT))
    steps = np.diff(np.sort(index.times))
    assert steps.max() < 1 / RATE + MP2_SECONDS
    assert steps.min() > 1 / RATE - TICK
    # Picture and sound of the second are as far apart as its own stamps say.
    apart = index.picture.presentation[COUNT] - index.sound.presentation[index.sound.section == 1][0]
    assert index.times[COUNT] - sound_times(index)[index.sound.section == 1][0] == pytest.approx(apart, abs=1e-9)


def test_sound_that_begins_late_in_the_second_recording_stays_late(tmp_path: Path) -> None:
    second = piece(tmp_path / "b.ts", 1.4, first=COUNT, sound_late=0.3, sound_seconds=1.0)
    index = joined(tmp_path, piece(tmp_path / "a.ts", 10.0), second)
    pictures, sounds = index.times[index.picture.section == 1], sound_times(index)[index.sound.section == 1]
    assert sounds.min() - pictures.min() == pytest.approx(0.3 - MP2_DELAY, abs=2 * TICK)
    # Nothing of the second stands before the end of the first, in neither stream.
    assert pictures.min() >= index.times[:COUNT].max() + 1 / RATE - TICK
    assert sounds.min() >= sound_times(index)[index.sound.section == 0].max()


def test_the_stream_that_ends_last_decides_where_the_second_recording_begins(tmp_path: Path) -> None:
    index = joined(
        tmp_path, piece(tmp_path / "a.ts", 10.0, sound_seconds=3.0), piece(tmp_path / "b.ts", 1.4, first=COUNT)
    )
    first, second = (sound_times(index)[index.sound.section == section] for section in (0, 1))
    assert second.min() == pytest.approx(first.max(), abs=TICK)
    assert index.times[COUNT] - index.times[COUNT - 1] == pytest.approx(1.0, abs=2 * MP2_SECONDS)


def test_a_picture_that_hangs_while_the_sound_goes_on_is_a_hole(tmp_path: Path) -> None:
    """A step forward of one stream alone is no new clock, however long."""
    with Recording(tmp_path / "a.mkv", sound_codec="libopus") as recording:
        for number in range(COUNT):
            recording.picture(numbered(number), number / RATE + (12 if number >= RATE else 0))
        recording.sound(np.zeros(14 * 48_000))
    index = index_packets(tmp_path / "a.mkv")
    assert len(index.offsets) == 1
    assert index.times[RATE] - index.times[RATE - 1] == pytest.approx(12 + 1 / RATE, abs=2e-3)


def test_sound_that_is_muted_while_the_picture_goes_on_is_a_hole(tmp_path: Path) -> None:
    with Recording(tmp_path / "a.mkv", sound_codec="libopus") as recording:
        for number in range(14 * 5):
            recording.picture(numbered(number), number / 5)
        recording.sound(np.zeros(48_000))
        recording.sound(np.zeros(48_000), 13.0)
    index = index_packets(tmp_path / "a.mkv")
    assert len(index.offsets) == 1
    assert np.diff(sound_times(index)).max() > 11


def test_a_clock_that_is_set_while_there_is_no_sound(tmp_path: Path) -> None:
    pieces = []
    for number, clock in enumerate((10.0, 3.0)):
        path = record(tmp_path / "p.ts", np.arange(COUNT) / RATE + clock, first=number * COUNT, form="mpegts")
        pieces.append(path.read_bytes())
    index = joined(tmp_path, *pieces)
    assert len(index.offsets) == 2
    assert not len(index.sound.presentation)
    assert np.diff(index.times) == pytest.approx(1 / RATE, abs=TICK)


def test_frames_that_are_coded_out_of_order_are_no_new_clock(tmp_path: Path) -> None:
    path = record(
        tmp_path / "a.ts", np.arange(COUNT) / RATE, form="mpegts", options={"bf": "3", "b_strategy": "0", "g": "25"}
    )
    index = index_packets(path)
    assert (np.diff(index.picture.presentation) < 0).any()
    assert len(index.offsets) == 1


PARTS = {
    "a part is left out": ((0.0, 1.0), (2.4, 1.6)),
    "a part comes twice": ((0.0, 2.0), (0.0, 2.0)),
    "parts change places": ((2.4, 1.2), (0.4, 1.2)),
}


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
def test_parts_that_an_edit_list_joins_are_one_clock(parts: tuple[tuple[float, float], ...], tmp_path: Path) -> None:
    """What is hidden after a part, up to the key frame that the next is decoded from, has stamps of what follows."""
    with Recording(tmp_path / "a.mp4", sound_codec="aac", options={"bf": "2", "g": "25"}) as recording:
        for number in range(2 * COUNT):
            recording.picture(numbered(number), number / RATE)
        recording.sound(np.zeros(4 * 48_000))
    index = index_packets(edit(tmp_path / "a.mp4", *parts))
    assert index.hidden.any()
    assert index.offsets.tolist() == [0.0]
    length = sum(seconds for _, seconds in parts)
    shown = np.sort(index.times[~index.hidden])
    assert shown == pytest.approx(np.arange(round(length * RATE)) / RATE, abs=2e-3)
    assert np.unique(index.edit[~index.hidden]).tolist() == [0, 1]
    assert int((index.edit[~index.hidden] == 0).sum()) == round(parts[0][1] * RATE)


def test_what_one_edit_hides_begins_no_other_part(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", np.arange(2 * COUNT) / RATE, options={"bf": "2", "g": "25"})
    index = index_packets(edit(path, (0.6, 1.8)))
    assert index.hidden.any()
    assert not index.edit.any()


def test_packets_say_where_decoding_can_begin(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", np.arange(30) / RATE, options={"g": "10", "bf": "0", "sc_threshold": "0"})
    index = index_packets(path)
    assert np.flatnonzero(index.key).tolist() == [0, 10, 20]
    assert [index.starts_before(packet)[0] for packet in (0, 9, 10, 29)] == [0, 0, 10, 20]
    assert index.starts_before(29) == [20, 10, 0]
    assert index.starts_before(29, first=5) == [20, 10, 5]
    assert index.starts_before(29, seconds=15 / RATE) == [10, 0]
    many = replace(index, key=np.ones(30, bool))
    assert many.starts_before(29) == [29, 28, 26, 22, 14, 0]
    assert replace(index, key=np.zeros(30, bool)).starts_before(29) == [0]
    assert index.codec == "h264"
    assert index.rate == RATE
    assert index.header_size == (96, 64)
    assert int(index.size_bytes.sum()) < path.stat().st_size


def test_a_file_without_stamps_is_counted(tmp_path: Path) -> None:
    path = record(tmp_path / "a.m4v", np.arange(20) / RATE, codec="mpeg4", form="m4v", tick=1 / Fraction(RATE))
    index = index_packets(path)
    assert index.times == pytest.approx(np.arange(20) / index.rate, abs=1e-9)


@pytest.mark.parametrize(
    ("streams", "picture", "own"),
    [
        ("pspss", 0, [1]),
        ("pspss", 2, [3, 4]),
        ("spsp", 3, [2]),
        ("psp", 2, []),
        ("ppss", 1, [2, 3]),
        ("ps", 0, [1]),
    ],
)
def test_the_sound_is_of_the_programme_of_the_picture(streams: str, picture: int, own: list[int]) -> None:
    """A transport stream may carry several; p is a picture, s a sound."""
    numbered = [(kind, SimpleNamespace(index=index)) for index, kind in enumerate(streams)]
    pictures, sounds = ([stream for kind, stream in numbered if kind == wanted] for wanted in "ps")
    found = of_programme(numbered[picture][1], pictures, sounds)
    assert [stream.index for stream in found] == own
