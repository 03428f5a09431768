from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from talkmill.video.container import NoFrameError, UnreadableVideoError, describe, open_video
from talkmill.video.decode import read_grey_frames, read_video
from talkmill.video.encode import alpha_writer, file_writer, lossless_writer
from tests.media import WIDTH, record, scan_of, spoil

COLOURS = np.array([[200, 30, 40], [30, 180, 60], [40, 50, 190], [128, 128, 128], [230, 230, 230], [20, 20, 20]])


def patches(height: int, width: int) -> np.ndarray:
    return np.repeat(np.repeat(COLOURS[None], height, 0), width // len(COLOURS), 1).astype(np.uint8)


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html><html></html>", b"not a video at all" * 100])
def test_what_is_no_video_says_what_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.mp4"
    path.write_bytes(content)
    with pytest.raises(UnreadableVideoError, match=r"^the file (is empty|is not a video: it holds)"):
        describe(path)


def test_a_video_whose_first_frame_is_damaged_is_described_by_the_next(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", [0, 1, 2], options={"preset": "ultrafast", "g": "1"})
    assert describe(spoil(path, 0)).width == WIDTH
    with pytest.raises(NoFrameError, match="no frame decodes"):
        describe(spoil(path, 1, 2))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/etc/passwd\n#EXT-X-ENDLIST\n"),
        ("list.mp4", "ffconcat version 1.0\nfile '/etc/passwd'\n"),
    ],
)
def test_a_playlist_is_not_opened(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(UnreadableVideoError, match="a playlist, which could name other files"):
        open_video(path)


def test_a_format_that_is_not_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("gif", rate=10, width=32, height=32, pix_fmt="rgb8")
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24").reformat(format="rgb8")
        container.mux(stream.encode(frame) + stream.encode(None))
    with pytest.raises(UnreadableVideoError, match=r"GIF89a.*no format that is read"):
        open_video(path)


def test_a_video_whose_index_was_cut_off_says_so(tmp_path: Path) -> None:
    """A download that ended early, a camera whose battery did: the index of .mp4 is written last."""
    whole = record(tmp_path / "a.mp4", np.arange(10) / 25).read_bytes()
    path = tmp_path / "b.mp4"
    path.write_bytes(whole[: whole.index(b"moov") - 4])
    with pytest.raises(UnreadableVideoError, match=r"has no index \(moov\)"):
        open_video(path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadableVideoError, match=r"has no index \(moov\)"):
        open_video(path)
    # An index that is spoilt is none that is missing.
    path.write_bytes(whole.replace(b"trak", b"free"))
    with pytest.raises(UnreadableVideoError, match=r"no video stream|bytes that begin"):
        open_video(path)


def test_sound_alone_is_not_a_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1600), np.int16), format="s16", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
    with pytest.raises(UnreadableVideoError, match="no video stream"):
        describe(path)


@pytest.mark.parametrize(
    ("codec", "pixel_format"), [("mpeg4", "yuv420p"), ("libx265", "yuv420p10le"), ("libx264", "yuv444p")]
)
def test_colours_survive_any_pixel_format(make_video: Callable[..., Path], codec: str, pixel_format: str) -> None:
    image = patches(96, 96)
    path = make_video("clip.mkv", [image] * 3, codec, pixel_format)
    decoded = next(iter(read_video(path)))
    middles = decoded[48, 8::16].astype(int)
    assert np.abs(middles - COLOURS).max() <= 6


@pytest.mark.parametrize("height", [480, 720])
def test_a_file_keeps_colours(tmp_path: Path, height: int) -> None:
    path = tmp_path / "clip.mp4"
    with file_writer(path, Fraction(25)) as writer:
        for _ in range(3):
            writer.write(patches(height, 960))
    decoded = next(iter(read_video(path)))
    assert np.abs(decoded[height // 2, 80::160].astype(int) - COLOURS).max() <= 3


def test_lossless_is_lossless(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    colour, grey = random.integers(0, 256, (3, 33, 47, 3), np.uint8), random.integers(0, 256, (3, 33, 47), np.uint8)
    with lossless_writer(tmp_path / "a.mkv", Fraction(25)) as writer:
        for image in colour:
            writer.write(image)
    with alpha_writer(tmp_path / "b.mkv", Fraction(25)) as writer:
        for image in grey:
            writer.write(image)
    assert np.array_equal(np.stack(list(read_video(tmp_path / "a.mkv"))), colour)
    assert np.array_equal(np.stack(list(read_grey_frames(tmp_path / "b.mkv"))), grey)


def test_a_frame_of_another_size_is_refused(tmp_path: Path) -> None:
    with lossless_writer(tmp_path / "a.mkv", Fraction(25)) as writer:
        writer.write(np.zeros((8, 8, 3), np.uint8))
        with pytest.raises(ValueError, match="the first had"):
            writer.write(np.zeros((8, 10, 3), np.uint8))


def test_a_damaged_file_gives_what_decodes(
    make_video: Callable[..., Path], noise_frames: Callable[..., list[np.ndarray]], tmp_path: Path
) -> None:
    path = make_video("whole.mkv", noise_frames(50))
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    scan = scan_of(cut)
    assert 5 < len(scan.times) < 50


def test_times_are_those_of_the_container(
    make_video: Callable[..., Path], noise_frames: Callable[..., list[np.ndarray]]
) -> None:
    times = [0, 1, 2, 5, 6, 10]
    path = make_video("vfr.mkv", noise_frames(6), rate=25, times=times)
    assert np.allclose(scan_of(path).times, np.array(times) / 25, atol=1e-3)


def test_rotation_metadata_is_applied(
    make_video: Callable[..., Path], noise_frames: Callable[..., list[np.ndarray]]
) -> None:
    path = make_video("turned.mp4", noise_frames(3))
    upright = next(iter(read_video(path)))
    content = bytearray(path.read_bytes())
    # The display matrix of the track header: identity to a quarter turn.
    track = content.index(b"tkhd")
    matrix = content.index((0x10000).to_bytes(4, "big") + bytes(12) + (0x10000).to_bytes(4, "big"), track)
    quarter = [0, 0x10000, 0, -0x10000 & 0xFFFFFFFF, 0, 0, 0, 0, 0x40000000]
    content[matrix : matrix + 36] = b"".join(value.to_bytes(4, "big") for value in quarter)
    path.write_bytes(content)
    assert (describe(path).width, describe(path).height) == (upright.shape[0], upright.shape[1])
    turned = next(iter(read_video(path)))
    assert turned.shape == (upright.shape[1], upright.shape[0], 3)
    # A quarter turn clockwise, as players show it.
    assert np.abs(turned.astype(int) - np.rot90(upright, -1)).mean() < 2


@pytest.mark.parametrize("writer", [file_writer, lossless_writer])
def test_the_same_frames_are_the_same_file(tmp_path: Path, writer: Callable[..., object]) -> None:
    contents = []
    for name in ("a", "b"):
        path = tmp_path / f"{name}.mkv"
        with writer(path, Fraction(25)) as video:
            for level in range(5):
                video.write(np.full((64, 64, 3), level * 40, np.uint8))
        contents.append(path.read_bytes())
    assert contents[0] == contents[1]
