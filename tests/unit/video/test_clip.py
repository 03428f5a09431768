"""A clip is coded packets and a table: whoever reads it gets the frames of the source, to the level."""

import errno
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from talkmill.region import Region
from talkmill.video.clip import ClipMismatchError, PacketCopy, copy_packets, fingerprint, read_clip
from talkmill.video.container import open_video
from talkmill.video.frame_table import FrameTable
from talkmill.video.packets import PacketIndex, index_packets
from talkmill.video.resample import FrameSchedule
from talkmill.video.scan import Scan, window_of
from tests.media import RATE, numbered, numbers_of, record, scan_of, table_of, whole_table

COUNT = 60
TIMES = np.arange(COUNT) / RATE
EVERY = Fraction(1, RATE)
# x264 without --tune zerolatency: pictures are coded out of order, and those after a key frame may lean on what is before.
REORDERED = {"crf": "12", "preset": "ultrafast", "bf": "3", "b_strategy": "0", "g": "12", "sc_threshold": "0"}
SOURCES: dict[str, tuple[str, dict[str, Any]]] = {
    "h264": ("a.mp4", {"options": REORDERED}),
    "open gop": ("a.mkv", {"options": REORDERED | {"x264-params": "open-gop=1"}}),
    "ts": ("a.ts", {"options": REORDERED, "form": "mpegts"}),
    "hevc": ("a.mp4", {"codec": "libx265", "options": {"preset": "ultrafast", "x265-params": "keyint=12:min-keyint=12:bframes=3:log-level=none"}}),
    "vp8": ("a.webm", {"codec": "libvpx", "options": {"deadline": "realtime", "cpu-used": "8", "b": "2M", "g": "12"}, "tick": Fraction(1, 1000)}),
    "vp9": ("a.webm", {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8", "b": "2M", "g": "12"}, "tick": Fraction(1, 1000)}),
    "mpeg2": ("a.mpg", {"codec": "mpeg2video", "form": "mpeg", "options": {"b": "4M", "bf": "2", "g": "12"}, "tick": EVERY}),
    "mpeg4": ("a.avi", {"codec": "mpeg4", "options": {"qmin": "2", "qmax": "2", "bf": "2", "g": "12"}, "tick": EVERY}),
    "avi": ("a.avi", {"options": REORDERED, "tick": EVERY}),
    "raw": ("a.h264", {"options": REORDERED | {"x264-params": "open-gop=1"}, "form": "h264"}),
    "flv": ("a.flv", {"codec": "flv", "options": {"b": "3M", "g": "12"}, "tick": EVERY}),
    "motion jpeg": ("a.mov", {"codec": "mjpeg", "pixel_format": "yuvj420p", "options": {"qmin": "2", "qmax": "2"}, "tick": EVERY}),
    "prores": ("a.mov", {"codec": "prores_ks", "pixel_format": "yuv422p10le", "tick": EVERY}),
    "ffv1": ("a.mkv", {"codec": "ffv1", "pixel_format": "bgr0"}),
}  # fmt: skip


def source(folder: Path, name: str) -> Path:
    file, options = SOURCES[name]
    return record(folder / file, TIMES, **options)


def copy_of(
    path: Path, index: PacketIndex, window: tuple[int, int], target: Path, known: tuple[int, int | None]
) -> Path | None:
    (found,) = copy_packets(path, index, [PacketCopy(window, target, known)])
    return found


def copied(path: Path, scan: Scan, frames: np.ndarray, target: Path) -> tuple[Path, FrameTable]:
    """Copy a clip's packets into a file of its own, as the split stage does."""
    for window in scan.windows(frames):
        video = copy_of(path, scan.index, window, target, scan.known(frames))
        if video is not None:
            break
    assert video is not None
    schedule = FrameSchedule(Fraction(RATE), frames, float(scan.times[frames[0]]))
    return video, scan.table(frames, schedule, window, copied=True)


@pytest.mark.parametrize("name", [name for name in SOURCES if name not in ("raw", "flv")])
def test_copied_packets_decode_to_the_frames_of_the_source(name: str, tmp_path: Path) -> None:
    path = source(tmp_path, name)
    scan = scan_of(path)
    # At a key frame, in the middle of a group, and just before a key frame: in an open group such pictures follow it.
    for begin, end in ((0, 10), (24, 36), (17, 40), (30, 60), (22, 40)):
        frames = np.arange(begin, end)
        video, table = copied(path, scan, frames, tmp_path / f"clip_{begin}")
        assert video.stat().st_size < path.stat().st_size or name == "motion jpeg"
        found = list(read_clip(video, table))
        assert numbers_of(found) == list(frames)
        whole = list(read_clip(path, table_of(scan, list(frames))))
        assert all(np.array_equal(one, other) for one, other in zip(found, whole, strict=True))
        assert table.source_indices.tolist() == list(frames)


@pytest.mark.parametrize("name", ["raw", "flv"])
def test_packets_without_stamps_or_a_container_are_not_copied(name: str, tmp_path: Path) -> None:
    """An elementary stream has no stamps; Sorenson's codec is in .flv alone. The source itself is read."""
    path = source(tmp_path, name)
    scan = scan_of(path)
    frames = np.arange(22, 40)
    assert copy_of(path, scan.index, scan.windows(frames)[0], tmp_path / "clip", scan.known(frames)) is None
    assert numbers_of(read_clip(path, table_of(scan, list(frames)))) == list(frames)


def test_the_same_packets_are_the_same_file(tmp_path: Path) -> None:
    path = source(tmp_path, "h264")
    scan = scan_of(path)
    one, _ = copied(path, scan, np.arange(24, 48), tmp_path / "one")
    other, _ = copied(path, scan, np.arange(24, 48), tmp_path / "other")
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("name", ["h264", "ts", "mpeg4"])
def test_clips_of_one_source_are_copied_in_one_reading(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that share packets too, as two people of one shot do; each is what it is alone."""
    path = source(tmp_path, name)
    scan = scan_of(path)
    windows = [scan.windows(np.arange(*part))[0] for part in ((30, 60), (0, 14), (30, 60), (26, 40), (14, 26))]
    alone = []
    for window in windows:
        video = copy_of(path, scan.index, window, tmp_path / "alone", (window[0], None))
        assert video is not None
        alone.append(video.read_bytes())
    opened = []

    def counting(which: Path, *arguments: Any) -> Any:
        opened.append(which)
        return open_video(which, *arguments)

    monkeypatch.setattr("talkmill.video.clip.open_video", counting)
    copies = [
        PacketCopy(window, tmp_path / f"clip_{number}", (window[0], None)) for number, window in enumerate(windows)
    ]
    found = copy_packets(path, scan.index, copies)
    assert opened.count(path) == 1
    assert [video.read_bytes() for video in found if video is not None] == alone


def test_a_copy_that_decodes_to_something_else_is_not_taken(tmp_path: Path) -> None:
    path = source(tmp_path, "h264")
    scan = scan_of(path)
    window, packet = scan.windows(np.arange(24, 48))[0], int(scan.packets[24])
    right = int(scan.fingerprints[24])
    assert copy_of(path, scan.index, window, tmp_path / "clip", (packet, right ^ 1)) is None
    assert not list(tmp_path.glob("clip*"))
    assert copy_of(path, scan.index, window, tmp_path / "clip", (packet, right)) is not None


def test_a_copy_without_the_picture_to_compare_is_not_taken(tmp_path: Path) -> None:
    path = source(tmp_path, "h264")
    scan = scan_of(path)
    window = scan.windows(np.arange(24, 48))[0]
    assert copy_of(path, scan.index, window, tmp_path / "clip", (window[1], 0)) is None
    assert not list(tmp_path.glob("clip*"))


def restarted(path: Path) -> Path:
    """A stream whose encoder was started again, with other options, after 20 of 60 frames."""
    parts = [
        record(
            path,
            TIMES[begin:end],
            first=begin,
            options={"crf": "12", "preset": "ultrafast", "bf": "0", "g": "20"} | more,
            tick=Fraction(1, 1000),
        ).read_bytes()
        for begin, end, more in ((0, 20, {}), (20, 60, {"x264-params": "cabac=1:8x8dct=1:ref=3"}))
    ]
    content, ends = parts[0][:13], b"\x17\x02"
    for part in parts:
        place = 13
        while place < len(part):
            tag = part[place : (place := place + 15 + int.from_bytes(part[place + 1 : place + 4]))]
            # A second description and the end of a sequence are no part of the stream.
            if tag[11:13] != ends and (tag[0] != 18 or part is parts[0]):
                content += tag
    path.write_bytes(content)
    return path


def test_a_header_that_changes_in_the_middle(tmp_path: Path) -> None:
    """A copy has room for one header: packets before the change are copied, those behind are read from the source."""
    path = restarted(tmp_path / "a.flv")
    scan = scan_of(path)
    assert np.flatnonzero(scan.index.new_header).tolist() == [20]
    for begin, end, one_header in ((5, 18, True), (10, 30, False), (22, 30, False), (42, 60, False)):
        frames = np.arange(begin, end)
        window = scan.windows(frames)[0]
        video = copy_of(path, scan.index, window, tmp_path / "clip", scan.known(frames))
        assert (video is not None) == one_header
        assert window_of(path, scan, frames) == window
        assert numbers_of(read_clip(path, table_of(scan, list(frames)))) == list(frames)


def test_hidden_packets_are_not_copied(tmp_path: Path) -> None:
    """A picture that an edit list hides would be shown by the copy."""
    path = source(tmp_path, "h264")
    scan = scan_of(path)
    index = replace(scan.index, hidden=np.arange(COUNT) == 30)
    assert copy_of(path, index, (24, 48), tmp_path / "clip", (24, None)) is None
    assert copy_of(path, index, (36, 48), tmp_path / "clip", (36, None)) is not None


@pytest.mark.parametrize("packet", [COUNT, 200])
def test_a_table_that_asks_for_a_frame_that_is_not_there_is_refused(packet: int, tmp_path: Path) -> None:
    path = source(tmp_path, "h264")
    table = whole_table(path)
    wrong = replace(table, packets=np.append(table.packets[:-1], packet))
    with pytest.raises(ClipMismatchError, match=r"a\.mp4 holds 59 of the 60 frames of its table"):
        list(read_clip(path, wrong))


def test_the_table_of_another_video_is_refused(tmp_path: Path) -> None:
    path, short = source(tmp_path, "h264"), record(tmp_path / "short.mp4", TIMES[:20])
    with pytest.raises(ClipMismatchError, match=r"short\.mp4 holds"):
        list(read_clip(short, whole_table(path)))


def test_a_frame_before_the_window_is_not_decoded(tmp_path: Path) -> None:
    path = source(tmp_path, "h264")
    scan = scan_of(path)
    table = table_of(scan, list(range(24, 36)))
    with pytest.raises(ClipMismatchError):
        list(read_clip(path, replace(table, packets=np.append(0, table.packets[1:]), window=np.array([24, 36]))))


def test_frames_that_repeat_are_given_again(tmp_path: Path) -> None:
    path = source(tmp_path, "h264")
    table = table_of(scan_of(path), [3, 3, 4, 7, 7, 7])
    assert numbers_of(read_clip(path, table)) == [3, 3, 4, 7, 7, 7]
    assert table.repeated.tolist() == [False, True, False, False, True, True]
    assert numbers_of(read_clip(path, table, indices=[1, 3, 5])) == [3, 7, 7]
    assert list(read_clip(path, table, indices=[])) == []


def test_frames_are_read_in_part(tmp_path: Path) -> None:
    path = source(tmp_path, "h264")
    table = table_of(scan_of(path), [5, 6])
    whole = list(read_clip(path, table))
    region = Region(33, 9, 41, 50)
    parts = list(read_clip(path, table, region=region))
    assert all(np.array_equal(part, image[region.slices]) for part, image in zip(parts, whole, strict=True))


def test_a_fingerprint_is_of_the_picture_and_not_of_what_lies_beside_it(tmp_path: Path) -> None:
    def frame(number: int, beside: int) -> av.VideoFrame:
        made = av.VideoFrame.from_ndarray(numbered(number, 90, 64), format="rgb24").reformat(format="yuv420p")
        plane = made.planes[0]
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size).copy()
        assert plane.line_size > 90
        rows[:, 90:] = beside
        plane.update(rows.tobytes())
        return made

    assert fingerprint(frame(1, 0)) == fingerprint(frame(1, 99))
    assert fingerprint(frame(1, 0)) != fingerprint(frame(2, 0))


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = source(tmp_path, "ts")
    scan = scan_of(path)
    table = table_of(scan, list(range(10, 20)))
    table.save(tmp_path / "table.npz")
    found = FrameTable.load(tmp_path / "table.npz")
    assert found.format == table.format == scan.formats[10]
    assert np.array_equal(found.packets, table.packets)
    assert index_packets(path).key[found.window[0]]


def test_a_full_disk_is_no_property_of_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The source would be read in its place without a word."""
    path = record(tmp_path / "a.mp4", [index / RATE for index in range(10)])

    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("av.container.OutputContainer.mux", full)
    with pytest.raises(OSError, match="No space left"):
        copy_of(path, index_packets(path), (0, 10), tmp_path / "copied", (0, None))
    assert not list(tmp_path.glob("copied*"))
