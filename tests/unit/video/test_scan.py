"""One pass over a source: which pictures there are, when each is shown, and what the user is told."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from talkmill.video.clip import read_clip
from talkmill.video.packets import index_packets
from talkmill.video.resample import FrameSchedule
from talkmill.video.scan import Scan, first_shown, read_pictures, scan_source, shown_seconds, window_of
from tests.media import RATE, Recording, edit, numbered, numbers_of, record, scan_of, spoil, table_of

COUNT = 60
TIMES = np.arange(COUNT) / RATE
GROUPS = {"crf": "12", "preset": "ultrafast", "bf": "0", "g": "20", "sc_threshold": "0"}
REORDERED = GROUPS | {"bf": "3", "b_strategy": "0"}


def numbers(path: Path, scan: Scan) -> list[int]:
    """The numbers of the pictures of a scan that holds one format."""
    return numbers_of(read_clip(path, table_of(scan)))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {"options": REORDERED}),
        ("a.mkv", {"options": REORDERED}),
        ("a.ts", {"options": REORDERED, "form": "mpegts"}),
        ("a.avi", {"options": REORDERED, "tick": Fraction(1, RATE)}),
        ("b.avi", {"codec": "mpeg4", "options": {"bf": "2", "qmax": "2"}, "tick": Fraction(1, RATE)}),
        ("a.h264", {"options": REORDERED, "form": "h264"}),
        ("a.mpg", {"codec": "mpeg2video", "form": "mpeg", "options": {"b": "4M", "bf": "2"}, "tick": Fraction(1, RATE)}),
    ],
)  # fmt: skip
def test_pictures_come_in_their_order_at_their_times(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    path = record(tmp_path / name, TIMES, **options)
    scan = scan_of(path)
    assert numbers(path, scan) == list(range(COUNT))
    assert scan.times == pytest.approx(TIMES, abs=2e-3)
    assert not scan.breaks.any()
    assert scan.notes == ()
    assert scan.packets.tolist() != list(range(COUNT)) or "mpeg" in name
    assert len(np.unique(scan.packets)) == COUNT


def test_a_damaged_picture_and_those_that_lean_on_it_are_left_out(tmp_path: Path) -> None:
    path = spoil(record(tmp_path / "a.mp4", TIMES, options=GROUPS), 25)
    scan = scan_of(path, max_gap_seconds=0.4)
    left_out = set(range(25, 40))
    assert numbers(path, scan) == [number for number in range(COUNT) if number not in left_out]
    assert scan.notes == ("damaged file: 15 undecodable frames left out, 45 kept",)
    # 0.6 s without a picture.
    assert np.flatnonzero(scan.breaks).tolist() == [25]
    assert scan.times[25] - scan.times[24] == pytest.approx(16 / RATE, abs=1e-6)


def test_damage_in_two_places(tmp_path: Path) -> None:
    path = spoil(record(tmp_path / "a.mp4", TIMES, options=GROUPS), 18, 19, 57)
    scan = scan_of(path)
    assert numbers(path, scan) == [*range(18), *range(20, 57)]
    assert scan.notes == ("damaged file: 5 undecodable frames left out, 55 kept",)


DAMAGED: dict[str, tuple[str, bool, dict[str, Any]]] = {
    "h264": ("a.mp4", False, {"options": GROUPS | {"g": "12"}}),
    "open gop": ("a.mkv", False, {"options": REORDERED | {"g": "12", "x264-params": "open-gop=1"}}),
    "hevc": ("a.mp4", True, {"codec": "libx265", "options": {"preset": "ultrafast", "x265-params": "keyint=12:min-keyint=12:bframes=3:log-level=none"}}),
    "mpeg4": ("a.mkv", True, {"codec": "mpeg4", "options": {"bf": "2", "qmax": "2", "g": "12"}, "tick": Fraction(1, RATE)}),
    "mpeg2": ("a.mkv", False, {"codec": "mpeg2video", "options": {"b": "4M", "bf": "2", "g": "12"}, "tick": Fraction(1, RATE)}),
    "vp9": ("a.webm", True, {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8", "b": "2M", "g": "12"}, "tick": Fraction(1, 1000)}),
}  # fmt: skip


def pictures(path: Path, scan: Scan) -> dict[int, np.ndarray]:
    """The pictures of a scan by their packets."""
    return dict(zip(scan.packets.tolist(), read_clip(path, table_of(scan)), strict=True))


@pytest.mark.parametrize("name", DAMAGED)
def test_no_damaged_picture_is_kept(name: str, tmp_path: Path) -> None:
    """Whether the decoder gives up, or hides the damage and says so: in the first key frame, another, or a frame between."""
    file, whole, options = DAMAGED[name]
    path = record(tmp_path / file, TIMES, **options)
    clean, right, keys = path.read_bytes(), pictures(path, scan_of(path)), np.flatnonzero(index_packets(path).key)
    for packet in (int(keys[0]), int(keys[2]), int(keys[3]) + 1):
        path.write_bytes(clean)
        scan = scan_of(spoil(path, packet, whole=whole or packet not in keys))
        found = pictures(path, scan)
        # After damage the threads of FFmpeg's H.264 decoder may be off by a level or two in whole pictures.
        assert max(np.abs(image.astype(int) - right[number]).max() for number, image in found.items()) < 5
        assert packet not in found
        # Nothing but the group is left out, with what leans on it from behind the next key frame.
        assert COUNT - 15 <= len(found) < COUNT
        assert f"{COUNT - len(found)} undecodable frame" in scan.notes[0]
        assert scan.notes[0].endswith(f"left out, {len(found)} kept")
        assert len(scan.notes) == 1


def test_a_damaged_key_frame_reaches_what_an_edit_list_shows(tmp_path: Path) -> None:
    path = trimmed(record(tmp_path / "a.mp4", TIMES, options=GROUPS | {"g": "30"}), 0.6)
    clean = scan_of(path)
    assert clean.packets[0] == 15
    scan = scan_of(spoil(path, 0, whole=False))
    assert numbers(path, scan) == list(range(30, COUNT))
    assert scan.notes == ("damaged file: 15 undecodable frames left out, 30 kept",)


def test_a_range_whose_key_frame_is_damaged_is_left_out(tmp_path: Path) -> None:
    path = spoil(record(tmp_path / "a.mp4", TIMES, options=GROUPS), 20, whole=False)
    scan = scan_of(path, ranges=[(2.0, 2.2)])
    assert numbers(path, scan) == list(range(40, COUNT))
    assert scan.notes == ("damaged file: 20 undecodable frames left out, 20 kept",)


HEVC = {"preset": "ultrafast", "x265-params": "keyint=20:min-keyint=20:bframes=0:log-level=none"}


def test_a_lost_piece_of_a_transport_stream_is_damage(tmp_path: Path) -> None:
    """The decoder of HEVC does not notice; the stream's count of its pieces does."""
    path = record(tmp_path / "a.ts", TIMES, codec="libx265", options=HEVC, form="mpegts")
    with av.open(str(path)) as container:
        places = [packet.pos for packet in container.demux(container.streams.video[0]) if packet.size]
    clean = path.read_bytes()
    for packet in (20, 40):
        lost = places[packet] + 5 * 188
        path.write_bytes(clean[:lost] + clean[lost + 188 :])
        scan = scan_of(path)
        # FFmpeg says it of the packet before.
        left_out = range(packet - 1, packet + 20)
        assert numbers(path, scan) == [number for number in range(COUNT) if number not in left_out]
        assert scan.damaged_count == COUNT - len(scan.times)


def test_joined_pieces_of_a_transport_stream_are_no_damage(tmp_path: Path) -> None:
    """Each has a count of its own."""
    path = tmp_path / "a.ts"
    pieces = [
        record(path, TIMES[:29] + 10 + 29 * n / RATE, first=29 * n, options=REORDERED, form="mpegts").read_bytes()
        for n in range(2)
    ]
    path.write_bytes(b"".join(pieces))
    scan = scan_of(path)
    assert numbers(path, scan) == list(range(58))
    assert scan.damaged_count == 0


def test_a_hole_in_time_is_a_break_where_it_is_longer_than_wanted(tmp_path: Path) -> None:
    times = TIMES + np.where(np.arange(COUNT) >= 40, 3.0, np.where(np.arange(COUNT) >= 20, 0.3, 0))
    path = record(tmp_path / "a.mp4", times)
    for longest, breaks in ((0.1, [20, 40]), (0.4, [40]), (4.0, [])):
        scan = scan_of(path, max_gap_seconds=longest)
        assert np.flatnonzero(scan.breaks).tolist() == breaks
        assert scan.times == pytest.approx(times, abs=1e-6)


def test_a_picture_that_is_held_for_long_makes_no_hole_elsewhere_shorter(tmp_path: Path) -> None:
    """A header's average rate says little of how far apart frames are."""
    times = np.concatenate([np.arange(30) / RATE, 2.5 + np.arange(20) / RATE, 130 + np.arange(10) / RATE])
    path = record(tmp_path / "a.mp4", times, options=GROUPS)
    assert index_packets(path).rate < 1
    assert np.flatnonzero(scan_of(path, max_gap_seconds=0.4).breaks).tolist() == [30, 50]


def test_one_missing_frame_of_a_slow_video_is_no_hole(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mkv", np.arange(12) / 2, rate=2)
    assert not scan_of(path, max_gap_seconds=0.4).breaks.any()


def test_another_clock_is_a_break_without_a_hole(tmp_path: Path) -> None:
    pieces = []
    for number, clock in enumerate((10.0, 3.0)):
        piece = record(tmp_path / "piece.ts", TIMES[:30] + clock, first=30 * number, form="mpegts", options=GROUPS)
        pieces.append(piece.read_bytes())
    path = tmp_path / "a.ts"
    path.write_bytes(b"".join(pieces))
    scan = scan_of(path)
    assert numbers(path, scan) == list(range(COUNT))
    assert scan.times == pytest.approx(TIMES, abs=1e-4)
    assert np.flatnonzero(scan.breaks).tolist() == [30]


def growing(path: Path) -> Path:
    """A call recording whose picture grows: VP8 changes its size at a key frame."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        number = 0
        for width, height, count in ((48, 32, 10), (96, 64, 20)):
            encoder: Any = av.CodecContext.create("libvpx", "w")
            encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
            encoder.framerate, encoder.time_base = Fraction(RATE), Fraction(1, RATE)
            encoder.options = {"deadline": "realtime", "cpu-used": "8", "b": "2M"}
            packets = []
            for _ in range(count):
                frame = av.VideoFrame.from_ndarray(numbered(number, width, height), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, RATE)
                packets += encoder.encode(frame.reformat(format="yuv420p"))
                number += 1
            for packet in packets + encoder.encode(None):
                packet.stream = stream
                container.mux(packet)
    return path


def test_another_size_is_a_break_and_both_parts_are_read(tmp_path: Path) -> None:
    path = growing(tmp_path / "a.webm")
    scan = scan_of(path)
    assert np.flatnonzero(scan.breaks).tolist() == [10]
    assert [(one.width, one.height) for one in (scan.formats[9], scan.formats[10])] == [(48, 32), (96, 64)]
    parts = [list(read_clip(path, table_of(scan, list(frames)))) for frames in (range(10), range(10, 30))]
    assert [image.shape for image in (parts[0][0], parts[1][0])] == [(32, 48, 3), (64, 96, 3)]
    assert numbers_of(parts[1]) == list(range(10, 30))


class Counting:
    """Counts the pictures that are decoded, and the reports of progress."""

    def __init__(self) -> None:
        self.prepared = 0
        self.reports: list[tuple[int, int]] = []

    def scan(self, path: Path, *ranges: tuple[float, float], max_gap_seconds: float = 0.4) -> Scan | None:
        def prepare(picture: object) -> None:
            self.prepared += 1

        def visit(_: None, done: int, total: int) -> None:
            self.reports.append((done, total))

        return scan_source(path, index_packets(path), ranges, max_gap_seconds, prepare, visit)


def long_recording(folder: Path) -> Path:
    """A recorder's .ts of 8 s whose clock stands at 40 s, with a key frame every 0.8 s."""
    return record(folder / "a.ts", np.arange(200) / RATE + 40, options=REORDERED, form="mpegts")


def test_a_range_counts_from_the_first_frame_and_only_what_it_needs_is_decoded(tmp_path: Path) -> None:
    path, counting = long_recording(tmp_path), Counting()
    scan = counting.scan(path, (3.0, 4.0))
    assert scan is not None
    wanted = np.flatnonzero((scan.times >= 3.0 - 1e-6) & (scan.times < 4.0 - 1e-6))
    assert numbers_of(read_clip(path, table_of(scan, list(wanted)))) == list(range(75, 100))
    assert scan.times[wanted] == pytest.approx(np.arange(75, 100) / RATE, abs=1e-4)
    # A second on each side, and up to a group before.
    assert 75 <= counting.prepared <= 75 + 20 + 5
    assert counting.reports[-1] == (counting.prepared, counting.prepared)
    assert scan.zero_seconds == pytest.approx(scan_of(path).zero_seconds, abs=1e-4)
    assert scan.notes == ()


def test_two_ranges_are_decoded_apart_and_do_not_touch(tmp_path: Path) -> None:
    path, counting = long_recording(tmp_path), Counting()
    scan = counting.scan(path, (6.0, 6.2), (0.0, 0.4), max_gap_seconds=100)
    assert scan is not None
    assert counting.prepared < 140
    found = numbers(path, scan)
    assert found == sorted(found)
    assert {*range(10), *range(150, 155)} <= set(found)
    (edge,) = np.flatnonzero(scan.breaks)
    assert found[edge] - found[edge - 1] > 1


def test_ranges_that_overlap_are_decoded_once(tmp_path: Path) -> None:
    path, counting = long_recording(tmp_path), Counting()
    scan = counting.scan(path, (0.0, 2.0), (1.0, 3.0))
    assert scan is not None
    assert counting.prepared == len(scan.times)
    found = numbers(path, scan)
    assert found == list(range(len(found)))
    assert len(found) >= 75
    assert not scan.breaks.any()


X265 = {"preset": "ultrafast"}
X265_OPEN = "keyint=20:min-keyint=20:bframes=3:open-gop=1:scenecut=0:log-level=none"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.h264", {"options": REORDERED, "form": "h264"}),
        ("b.h264", {"options": REORDERED | {"x264-params": "open-gop=1"}, "form": "h264"}),
        ("a.hevc", {"codec": "libx265", "options": X265 | {"x265-params": X265_OPEN}, "form": "hevc"}),
        ("a.m4v", {"codec": "mpeg4", "options": {"bf": "2", "qmax": "2", "g": "20"}, "form": "m4v", "tick": Fraction(1, RATE)}),
        ("a.avi", {"options": REORDERED, "tick": Fraction(1, RATE)}),
        ("b.avi", {"options": REORDERED | {"x264-params": "open-gop=1"}, "tick": Fraction(1, RATE)}),
        ("c.avi", {"codec": "mpeg4", "options": {"bf": "2", "qmax": "2", "g": "20"}, "tick": Fraction(1, RATE)}),
    ],
)  # fmt: skip
def test_a_range_without_stamps_of_presentation_is_where_it_is_in_the_whole(
    name: str, options: dict[str, Any], tmp_path: Path
) -> None:
    path = record(tmp_path / name, np.arange(200) / RATE, **options)
    whole = scan_of(path)
    for start in (0.0, 2.2, 4.0, 6.0):
        scan = scan_of(path, ranges=[(start, start + 1.0)])
        wanted = np.flatnonzero((scan.times >= start - 1e-6) & (scan.times < start + 1.0 - 1e-6))
        first = round(start * RATE)
        assert numbers_of(read_clip(path, table_of(scan, list(wanted)))) == list(range(first, first + RATE))
        assert scan.times[wanted] == pytest.approx(whole.times[first : first + RATE], abs=1e-6)
        assert scan.zero_seconds == pytest.approx(whole.zero_seconds, abs=1e-6)


HOLED = np.concatenate([np.arange(50) / RATE, 3 + np.arange(50) / RATE])


@pytest.mark.parametrize(
    "options",
    [
        {"options": REORDERED, "tick": Fraction(1, RATE)},
        {"options": REORDERED},
        {"options": GROUPS, "tick": Fraction(1, RATE)},
        {"codec": "mpeg4", "options": {"bf": "2", "qmax": "2", "g": "20"}, "tick": Fraction(1, RATE)},
        {"codec": "mjpeg", "pixel_format": "yuvj420p", "options": {"qmin": "2", "qmax": "2"}, "tick": Fraction(1, RATE)},
    ],
)  # fmt: skip
def test_a_hole_in_an_avi_is_where_it_is(options: dict[str, Any], tmp_path: Path) -> None:
    """It keeps the order of decoding alone, and none of the last pictures comes with a stamp."""
    path = record(tmp_path / "a.avi", HOLED, **options)
    scan = scan_of(path)
    assert numbers(path, scan) == list(range(100))
    assert scan.times == pytest.approx(HOLED, abs=1e-3)
    assert scan.zero_seconds == pytest.approx(0, abs=1e-3)
    assert np.flatnonzero(scan.breaks).tolist() == [50]
    part = scan_of(path, ranges=[(1.5, 3.5)])
    assert part.times == pytest.approx(
        HOLED[np.searchsorted(HOLED, part.times[0] - 1e-3) :][: len(part.times)], abs=1e-3
    )
    assert part.times[0] < 1.5
    assert part.times[-1] > 3.5


def test_a_range_of_what_begins_at_an_open_group_counts_from_the_frame_that_decodes(tmp_path: Path) -> None:
    """Behind the first key frame come pictures that are shown before it and lean on what was cut off."""
    options = X265 | {"x265-params": X265_OPEN}
    path = record(tmp_path / "whole.mkv", np.arange(150) / RATE, codec="libx265", options=options)
    cut = tmp_path / "a.mkv"
    with av.open(str(path)) as container, av.open(str(cut), "w") as out:
        stream = out.add_stream_from_template(container.streams.video[0])
        begun = 0
        for packet in container.demux(container.streams.video[0]):
            begun += packet.is_keyframe
            if packet.size and begun > 1:
                packet.stream = stream
                out.mux(packet)
    whole = scan_of(cut)
    first = numbers(cut, whole)[0]
    assert first_shown(cut, whole.index) - whole.index.times.min() == pytest.approx(3 / RATE, abs=1e-6)
    scan = scan_of(cut, ranges=[(2.0, 3.0)])
    wanted = np.flatnonzero((scan.times >= 2.0 - 1e-6) & (scan.times < 3.0 - 1e-6))
    assert numbers_of(read_clip(cut, table_of(scan, list(wanted)))) == list(range(first + 50, first + 75))
    assert scan.zero_seconds == pytest.approx(whole.zero_seconds, abs=1e-6)


REFRESH = {"crf": "12", "preset": "ultrafast", "bf": "0", "g": "50", "intra-refresh": "1", "x264-params": "scenecut=0"}


def refreshed(path: Path) -> Path:
    """Pictures that are made new column by column: after the first one, what is marked as key frames is none."""
    with Recording(path, options=REFRESH) as recording:
        for number in range(150):
            recording.picture(numbered(number, 800), number / RATE)
    return path


def test_a_range_of_a_recording_without_key_frames_has_its_frames(tmp_path: Path) -> None:
    path = refreshed(tmp_path / "a.mkv")
    assert np.flatnonzero(index_packets(path).key).tolist() == [0, 50, 100]
    # Decoded from the mark at 50, pictures are whole from 99 on.
    scan = scan_of(path, ranges=[(3.0, 4.6)])
    wanted = np.flatnonzero((scan.times >= 3.0 - 1e-6) & (scan.times < 4.6 - 1e-6))
    assert numbers_of(
        read_clip(path, scan.table(wanted, FrameSchedule(Fraction(RATE), wanted, 3.0), window_of(path, scan, wanted)))
    ) == list(range(75, 115))
    assert scan.notes == ()


def test_what_was_not_whole_yet_is_not_damaged(tmp_path: Path) -> None:
    """The range lies behind the second mark: what comes before it need not be whole."""
    path, counting = refreshed(tmp_path / "a.mkv"), Counting()
    scan = counting.scan(path, (5.2, 6.0))
    assert scan is not None
    assert counting.prepared < 60
    assert numbers(path, scan)[-20:] == list(range(130, 150))
    assert scan.notes == ()
    assert scan.damaged_count == 0


def test_damage_lasts_until_pictures_are_made_new(tmp_path: Path) -> None:
    path = refreshed(tmp_path / "a.mkv")
    right = pictures(path, scan_of(path))
    scan = scan_of(spoil(path, 30))
    found = pictures(path, scan)
    assert list(found) == [*range(30), *range(100, 150)]
    assert max(np.abs(image.astype(int) - right[number]).max() for number, image in found.items()) < 5
    assert scan.notes == ("damaged file: 70 undecodable frames left out, 80 kept",)


def all_marked(path: Path) -> Path:
    """A container without a list of its key frames, one in 30: every packet is said to be one."""
    options = {"b": "3M", "g": "30"}
    record(path, np.arange(150) / RATE, codec="mpeg4", options=options, tick=Fraction(1, RATE))
    content = path.read_bytes()
    path.write_bytes(content.replace(b"stss", b"free"))
    return path


def test_what_a_container_wrongly_calls_a_key_frame_is_none(tmp_path: Path) -> None:
    path = all_marked(tmp_path / "a.mov")
    assert index_packets(path).key.all()
    clean, part = scan_of(path), scan_of(path, ranges=[(3.0, 4.6)])
    assert set(part.fingerprints.tolist()) < set(clean.fingerprints.tolist())
    frames = np.arange(75, 115)
    first, end = window_of(path, clean, frames)
    assert end == 115
    assert first in (0, 30, 60)
    assert numbers_of(read_pictures(path, clean, [75, 100])) == [75, 100]


def test_a_range_behind_the_end_decodes_nothing(tmp_path: Path) -> None:
    counting = Counting()
    assert counting.scan(long_recording(tmp_path), (60.0, 70.0)) is None
    assert counting.prepared == 0


def test_some_pictures_are_read_as_a_whole_reading_gives_them(tmp_path: Path) -> None:
    path = long_recording(tmp_path)
    scan = scan_of(path)
    assert numbers_of(read_pictures(path, scan, [0, 41, 42, 120, 199])) == [0, 41, 42, 120, 199]


def test_a_capture_that_begins_between_key_frames_begins_with_the_first(tmp_path: Path) -> None:
    path = record(tmp_path / "a.ts", TIMES, options=GROUPS, form="mpegts")
    with av.open(str(path)) as container:
        place = [packet.pos for packet in container.demux(container.streams.video[0]) if packet.size][9]
    content = path.read_bytes()
    # Tables of programs come first; they are kept.
    path.write_bytes(content[: 3 * 188] + content[place // 188 * 188 :])
    scan = scan_of(path)
    found = numbers(path, scan)
    assert found == list(range(20, COUNT))
    assert scan.times[0] == 0
    (note,) = scan.notes
    assert "before the first key frame left out: nothing decodes there" in note
    # A range counts from the same picture.
    assert first_shown(path, scan.index) == pytest.approx(scan.zero_seconds, abs=1e-6)


def trimmed(path: Path, seconds: float) -> Path:
    """Let the edit list of a picture begin later, as phones trim."""
    content = bytearray(path.read_bytes())
    movie = int.from_bytes(content[(at := content.index(b"mvhd")) + 16 : at + 20])
    edits, media = content.index(b"elst"), content.index(b"mdhd")
    scale = int.from_bytes(content[media + 16 : media + 20])
    for entry in range(int.from_bytes(content[edits + 8 : edits + 12])):
        place = edits + 12 + 12 * entry
        length, start = (int.from_bytes(content[place + skip : place + skip + 4], signed=True) for skip in (0, 4))
        if start >= 0:
            length, start = length - round(seconds * movie), start + round(seconds * scale)
            content[place : place + 8] = length.to_bytes(4) + start.to_bytes(4)
    path.write_bytes(content)
    return path


def test_what_an_edit_list_hides_is_not_shown_and_not_missed(tmp_path: Path) -> None:
    path = trimmed(record(tmp_path / "a.mp4", TIMES, options=REORDERED | {"g": "250"}), 0.6)
    scan = scan_of(path)
    assert numbers(path, scan) == list(range(15, COUNT))
    assert scan.times == pytest.approx(np.arange(COUNT - 15) / RATE, abs=2e-3)
    assert scan.notes == ()
    assert first_shown(path, scan.index) == pytest.approx(scan.zero_seconds, abs=1e-3)


def test_parts_that_an_edit_list_joins_are_takes_of_their_own(tmp_path: Path) -> None:
    path = edit(record(tmp_path / "a.mp4", TIMES, options=REORDERED | {"g": "25"}), (0.0, 0.8), (1.2, 0.4))
    scan = scan_of(path)
    assert numbers(path, scan) == [*range(20), *range(30, 40)]
    assert scan.times == pytest.approx(np.arange(30) / RATE, abs=2e-3)
    assert np.flatnonzero(scan.breaks).tolist() == [20]
    assert scan.notes == ()


def test_a_stamp_far_away_makes_no_source_longer(tmp_path: Path) -> None:
    """A camera whose first stamp is 0 and whose others are of its clock; a hole that ends a take is filled with nothing."""
    times = np.concatenate([[0.0], 90_000 + TIMES])
    index = index_packets(record(tmp_path / "a.mkv", times, options=GROUPS))
    assert shown_seconds(index, 0.4) == pytest.approx(0.4 + (COUNT - 1) / RATE, abs=2e-3)
    # Where the hole would be filled it counts.
    assert shown_seconds(index, 1e6) > 90_000
    # Frames that follow slowly leave no holes.
    slow = index_packets(record(tmp_path / "b.mkv", np.arange(20) * 10.0, options=GROUPS))
    assert shown_seconds(slow, 0.4) == pytest.approx(190)


def test_frames_of_one_time_are_one_frame(tmp_path: Path) -> None:
    times = TIMES[:20].copy()
    times[7] = times[6]
    path = record(tmp_path / "a.mkv", times, codec="ffv1", pixel_format="bgr0")
    scan = scan_of(path)
    assert numbers(path, scan) == [number for number in range(20) if number != 7]
    assert scan.notes == ("1 frame left out: another frame has the same time",)


def test_what_is_done_to_the_pictures_is_told_once(tmp_path: Path) -> None:
    def prepare(context: Any) -> None:
        context.sample_aspect_ratio = Fraction(4, 3)

    options = {"crf": "12", "flags": "+ildct+ilme"}
    path = record(tmp_path / "a.mkv", TIMES[:10], options=options, prepare=prepare)
    scan = scan_of(path)
    assert scan.interlaced
    assert list(scan.notes) == [
        "10 interlaced frames: deinterlaced with bwdif",
        "pixels of 4:3 become square: 128x64",
    ]


@pytest.mark.parametrize("slot", range(3))
def test_a_packet_that_shows_another_picture_again_is_told_from_it(slot: int, tmp_path: Path) -> None:
    """A header of VP9 with show_existing_frame is the whole packet: it shows what the decoder keeps in a slot."""
    options = {"deadline": "realtime", "cpu-used": "8", "b": "2M", "g": "20"}
    source = record(tmp_path / "source.webm", TIMES, codec="libvpx-vp9", options=options, tick=Fraction(1, 1000))
    path = tmp_path / "a.webm"
    with av.open(str(source)) as container, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(container.streams.video[0])
        coded = [packet for packet in container.demux(container.streams.video[0]) if packet.size]
        contents = [(bytes(packet), packet.is_keyframe) for packet in coded]
        for place in (COUNT, 41, 15):
            contents.insert(place, (bytes([0x88 + slot]), False))
        for number, (content, key) in enumerate(contents):
            packet = av.Packet(content)
            packet.pts = packet.dts = 40 * number
            packet.time_base, packet.is_keyframe, packet.stream = Fraction(1, 1000), key, stream
            out.mux(packet)
    scan = scan_of(path)
    assert scan.packets.tolist() == list(range(COUNT + 3))
    assert scan.notes == ()
    # FFmpeg by itself, which counts pictures and no packets.
    with av.open(str(path)) as container:
        shown = numbers_of(frame.to_ndarray(format="rgb24") for frame in container.decode(video=0))
    assert numbers(path, scan) == shown
    frames = np.arange(12, COUNT + 3)
    assert numbers_of(read_clip(path, table_of(scan, list(frames)))) == shown[12:]


def test_nothing_that_decodes_is_none(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", TIMES[:5], options=GROUPS)
    assert Counting().scan(spoil(path, *range(5))) is None


def test_pictures_are_fingerprinted(tmp_path: Path) -> None:
    with Recording(tmp_path / "a.mkv", codec="ffv1", pixel_format="bgr0") as recording:
        for index, number in enumerate((1, 2, 2, 3)):
            recording.picture(numbered(number), index / RATE)
    found = scan_of(tmp_path / "a.mkv").fingerprints
    assert found[1] == found[2]
    assert len(set(found)) == 3
