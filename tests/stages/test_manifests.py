"""Addresses of HLS and DASH manifests: the video comes whole, whatever type the server sends, and from nowhere else."""

import gc
import http.server
from collections.abc import Iterator
from fractions import Fraction
from ipaddress import ip_network
from pathlib import Path
from typing import ClassVar

import av
import numpy as np
import pytest

from talkmill.stages.contract import StageContext
from talkmill.stages.download.limits import WebLimits
from talkmill.stages.download.messages import DownloadInputs
from talkmill.stages.download.network import AddressPolicy
from talkmill.stages.download.stage import DownloadStage
from talkmill.stages.download.web import GuardedWeb
from talkmill.stages.errors import DownloadRefusedError, FormatMissingError
from talkmill.stages.harness import StageHarness
from talkmill.video.decode import read_video
from tests.media import sound_of
from tests.sites import serving

SECONDS, RATE, SIDE = 4, 25, 64
# yt-dlp leaves the file and the connection of a download that failed to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
ONLY_THIS = AddressPolicy((ip_network("127.0.0.1/32"),))
END = "#EXT-X-ENDLIST\n"


def grey_of(number: int) -> int:
    """Every frame has a grey of its own."""
    return 20 + 2 * number


def write(path: Path, form: str, **options: str) -> None:
    """Write frames of known greys with a tone of 440 Hz as a manifest and its segments of one second."""
    with av.open(str(path), "w", format=form, options=options) as container:
        picture = container.add_stream("libx264", rate=RATE, options={"g": str(RATE), "qp": "10"})
        picture.width = picture.height = SIDE
        picture.pix_fmt = "yuv420p"
        sound = container.add_stream("aac", rate=16000, layout="mono")
        for number in range(SECONDS * RATE):
            frame = av.VideoFrame.from_ndarray(np.full((SIDE, SIDE, 3), grey_of(number), np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(picture.encode(frame))
        wave = (8000 * np.sin(2 * np.pi * 440 * np.arange(SECONDS * 16000) / 16000)).astype(np.int16)[None]
        samples = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
        samples.sample_rate, samples.pts = 16000, 0
        container.mux(sound.encode(samples))
        container.mux(picture.encode())
        container.mux(sound.encode())


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("www")
    whole = {"hls_time": "1", "hls_list_size": "0"}
    write(folder / "ts.m3u8", "hls", **whole, hls_segment_filename=str(folder / "part%d.ts"))
    pieces = {"hls_fmp4_init_filename": "init.mp4", "hls_segment_filename": str(folder / "part%d.m4s")}
    write(folder / "fmp4.m3u8", "hls", **whole, hls_segment_type="fmp4", **pieces)
    write(folder / "dash.mpd", "dash", seg_duration="1")
    master = f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=200000,RESOLUTION={SIDE}x{SIDE}\nts.m3u8\n"
    (folder / "master.m3u8").write_text(master)
    playlist = (folder / "ts.m3u8").read_text()
    assert playlist.endswith(END)
    (folder / "live.m3u8").write_text(playlist.removesuffix(END))
    (folder / "hole.m3u8").write_text(playlist.replace("part2.ts", "none.ts"))
    (folder / "local.m3u8").write_text(playlist.replace("part2.ts", "file:///etc/hostname"))
    (folder / "inside.m3u8").write_text(playlist.replace("part2.ts", "http://127.0.0.2:9/part2.ts"))
    return folder


class Handler(http.server.SimpleHTTPRequestHandler):
    folder: ClassVar[str]
    content_type: ClassVar[str]

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments, directory=self.folder)  # type: ignore[arg-type]

    def guess_type(self, path: object) -> str:
        return self.content_type

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def site(manifests: Path) -> Iterator[tuple[str, type[Handler]]]:
    class Own(Handler):
        folder: ClassVar[str] = str(manifests)
        content_type: ClassVar[str] = "application/octet-stream"

    with serving(Own) as address:
        yield address, Own
    # Here, not in another test, which would be blamed.
    gc.collect()


@pytest.fixture
def context(tmp_path: Path) -> StageContext:
    return StageContext(None, tmp_path, lambda a: tmp_path, lambda d, t, u: None, lambda: False, lambda p, n, m: None)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("ts.m3u8", "application/vnd.apple.mpegurl"),
        ("ts.m3u8", "text/plain"),
        ("ts.m3u8?token=1", "application/octet-stream"),
        ("fmp4.m3u8", "application/octet-stream"),
        ("master.m3u8", "audio/mpegurl"),
        ("dash.mpd", "application/dash+xml"),
        ("dash.mpd", "text/plain"),
    ],
)
def test_a_manifest_gives_the_whole_video(
    name: str, content_type: str, site: tuple[str, type[Handler]], tmp_path: Path
) -> None:
    address, handler = site
    handler.content_type = content_type
    harness = StageHarness(tmp_path)
    outputs = harness.run(DownloadStage(), DownloadInputs(f"{address}/{name}")).outputs
    path = harness.store.fetch(outputs.source)
    greys = [float(image.mean()) for image in read_video(path)]
    assert np.abs(np.array(greys) - [grey_of(number) for number in range(SECONDS * RATE)]).max() < 2
    samples = sound_of(path, tmp_path).astype(float)
    assert len(samples) == pytest.approx(SECONDS * 16000, abs=2 * 1024)
    assert np.argmax(np.abs(np.fft.rfft(samples))) * 16000 / len(samples) == pytest.approx(440, abs=1)
    assert outputs.provenance["uri"] == f"{address}/{name.partition('?')[0]}"


def test_a_live_playlist_is_refused(site: tuple[str, type[Handler]], context: StageContext) -> None:
    with pytest.raises(DownloadRefusedError, match=r"live\.m3u8 is live: it can be had once it has ended"):
        GuardedWeb(ONLY_THIS, WebLimits()).fetch(f"{site[0]}/live.m3u8", 1080, context)


def test_a_segment_that_is_missing_ends_the_download(site: tuple[str, type[Handler]], context: StageContext) -> None:
    """Left out, it would be a hole in the video that nobody is told of."""
    with pytest.raises(FormatMissingError, match="HTTP Error 404"):
        GuardedWeb(ONLY_THIS, WebLimits()).fetch(f"{site[0]}/hole.m3u8", 1080, context)


def test_a_manifest_does_not_lead_to_files_of_this_machine(
    site: tuple[str, type[Handler]], context: StageContext
) -> None:
    with pytest.raises(DownloadRefusedError, match="file:// URLs are disabled") as caught:
        GuardedWeb(ONLY_THIS, WebLimits()).fetch(f"{site[0]}/local.m3u8", 1080, context)
    assert not caught.value.retryable


def test_a_manifest_does_not_lead_to_private_addresses(site: tuple[str, type[Handler]], context: StageContext) -> None:
    with pytest.raises(DownloadRefusedError, match=r"127\.0\.0\.2, which is not a public address"):
        GuardedWeb(ONLY_THIS, WebLimits()).fetch(f"{site[0]}/inside.m3u8", 1080, context)


def test_a_file_that_begins_like_a_tag_is_a_file(site: tuple[str, type[Handler]], context: StageContext) -> None:
    """The first bytes of an .m2ts are a time stamp, which may be those of any text."""
    content = b"<a>" + bytes(range(256)) * 8
    (Path(site[1].folder) / "00001.m2ts").write_bytes(content)
    path, *_ = GuardedWeb(ONLY_THIS, WebLimits()).fetch(f"{site[0]}/00001.m2ts", 1080, context)
    assert path.read_bytes() == content
