"""Which files a folder is searched for, against what FFmpeg says of its demuxers."""

import re
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from talkmill.video.container import ALLOWED_FORMATS, describe
from talkmill.video.decode import read_video
from talkmill.video.suffixes import SUFFIXES, VIDEO_SUFFIXES

# Sound, pictures, subtitles, lists of other files.
NO_VIDEO = {
    ".aac", ".m4a", ".m4b", ".isma", ".mka", ".ogg", ".mp3", ".mp2", ".m2a", ".mpa", ".flac", ".wav", ".wma", ".avif", ".heic",
    ".heif", ".mks", ".ism",
}  # fmt: skip


def test_every_suffix_belongs_to_a_demuxer_that_is_allowed() -> None:
    assert set(SUFFIXES) <= ALLOWED_FORMATS
    assert len(VIDEO_SUFFIXES) == sum(map(len, SUFFIXES.values()))


def test_what_ffmpeg_takes_for_files_of_an_allowed_container_is_searched_for() -> None:
    known = set()
    for name in ALLOWED_FORMATS:
        for mode in ("r", "w"):
            try:
                known |= {f".{suffix}" for suffix in av.ContainerFormat(name, mode).extensions}
            except ValueError:
                continue  # FFmpeg does not write, or only writes, such files
    assert len(known) > 40
    assert known - NO_VIDEO <= VIDEO_SUFFIXES
    assert not NO_VIDEO & VIDEO_SUFFIXES


def test_the_page_on_sources_has_the_same_table() -> None:
    page = (Path(__file__).parents[3] / "docs/sources.md").read_text()
    rows = re.findall(r"^\| (\w+) \| (\.[\w .-]+) \|$", page, re.M)
    assert {demuxer: tuple(suffixes.split()) for demuxer, suffixes in rows} == SUFFIXES


@pytest.mark.parametrize(
    ("suffix", "codec", "form"),
    [
        (".mxf", "mpeg2video", "mxf"),
        (".dv", "dvvideo", "dv"),
        (".y4m", "rawvideo", "yuv4mpegpipe"),
        (".vob", "mpeg2video", "vob"),
        (".asf", "mpeg4", "asf"),
        (".f4v", "libx264", "f4v"),
        (".qt", "mpeg4", "mov"),
        (".3g2", "mpeg4", "3g2"),
        (".m2v", "mpeg2video", "mpeg2video"),
        (".m2ts", "libx264", "mpegts"),
    ],
)
def test_containers_of_cameras_and_broadcasters_are_read(tmp_path: Path, suffix: str, codec: str, form: str) -> None:
    path, greys = tmp_path / f"clip{suffix}", [40, 80, 120, 160, 200]
    width, height = (720, 576) if codec == "dvvideo" else (352, 288)
    with av.open(str(path), "w", format=form) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number, grey in enumerate(greys):
            frame = av.VideoFrame.from_ndarray(np.full((height, width, 3), grey, np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode())
    # PAL DV has pixels of 16:15.
    shown = (768, 576) if codec == "dvvideo" else (width, height)
    assert (describe(path).width, describe(path).height) == shown
    assert [float(image.mean()) for image in read_video(path)] == pytest.approx(greys, abs=4)
