"""A video site that misbehaves, and what `talkmill hdtf download` makes of it."""

import csv
import http.server
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import av
import numpy as np
import pytest

from talkmill.cli.app import app
from talkmill.dataset.lock import FolderBusyError, locked
from talkmill.faces.detection import FaceBoxesDetector
from talkmill.hdtf import download as hdtf_download
from talkmill.hdtf.download import DownloadSettings, PlanDownloader, outcome
from talkmill.hdtf.faces import FaceSampler
from talkmill.hdtf.report import report_rows, totals, write_csv, write_html
from talkmill.inference.onnx_backend import OnnxNetwork
from talkmill.models.repository import ModelRepository
from talkmill.pipeline.plan import CropRegion, PlannedClip, write_plan
from talkmill.stages.download import page as page_module
from talkmill.stages.download.page import PageOptions, fetch_page
from talkmill.stages.errors import CancelledError, FormatMissingError, RateLimitedError
from talkmill.video.container import describe
from talkmill.video.decode import read_video
from tests.fixture_types import Sample
from tests.media import sound_of
from tests.sites import serving

# yt-dlp leaves sockets of broken answers to the collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


class Site(http.server.BaseHTTPRequestHandler):
    """`/watch?v=KIND` is a page with a video; KIND says how it misbehaves."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[Counter[str]]
    ranges: ClassVar[list[str]]
    body: ClassVar[bytes]
    long: ClassVar[bytes]
    brief: ClassVar[bytes]

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        kind = parse_qs(parts.query).get("v", [""])[0] or parts.path.split("/")[-1].split(".")[0]
        key = f"{parts.path.split('/')[1].split('?')[0]} {kind}"
        self.seen[key] += 1
        if parts.path == "/watch":
            getattr(self, f"page_{kind}", self.page)(kind)
        else:
            getattr(self, f"media_{kind}", self.media)(kind)

    def page(self, kind: str) -> None:
        html = f"<html><title>{kind}</title><body><video src='/media/{kind}.mp4'></video></body></html>"
        self.answer(200, html.encode(), {"Content-Type": "text/html"})

    def page_gone(self, kind: str) -> None:
        self.answer(404, b"gone", {"Content-Type": "text/plain"})

    def page_forbidden(self, kind: str) -> None:
        self.answer(403, b"no", {"Content-Type": "text/plain"})

    def page_limited(self, kind: str) -> None:
        self.answer(429, b"slow down", {"Content-Type": "text/plain", "Retry-After": "7"})

    def page_patient(self, kind: str) -> None:
        if self.seen["watch patient"] == 1:
            self.page_limited(kind)
        else:
            self.page(kind)

    def page_loop(self, kind: str) -> None:
        self.answer(302, b"", {"Location": "/watch?v=loop"})

    def page_two(self, kind: str) -> None:
        """Two videos: a long one with its sound, and a short one of another colour and tone."""
        videos = "<video src='/media/long.mp4'></video><p>and</p><video src='/media/brief.mp4'></video>"
        self.answer(
            200, f"<html><title>two</title><body>{videos}</body></html>".encode(), {"Content-Type": "text/html"}
        )

    def media_long(self, kind: str) -> None:
        self.answer(200, self.long, {"Content-Type": "video/mp4"})

    def media_brief(self, kind: str) -> None:
        self.answer(200, self.brief, {"Content-Type": "video/mp4"})

    def page_empty(self, kind: str) -> None:
        self.answer(200, b"<html><body>nothing to see</body></html>", {"Content-Type": "text/html"})

    def media(self, kind: str) -> None:
        wanted = self.headers.get("Range")
        body = self.body
        if wanted:
            self.ranges.append(f"{kind} {wanted}")
            start = int(wanted.removeprefix("bytes=").split("-")[0])
            end = len(body)
            span = f"bytes {start}-{end - 1}/{end}"
            self.answer(206, body[start:], {"Content-Type": "video/mp4", "Content-Range": span})
        else:
            self.answer(200, body, {"Content-Type": "video/mp4"})

    def media_withheld(self, kind: str) -> None:
        """The page names a file that is not given."""
        self.answer(403, b"", {"Content-Type": "text/plain"})

    def media_html(self, kind: str) -> None:
        self.answer(200, b"<html><body>please sign in</body></html>" * 50, {"Content-Type": "video/mp4"})

    def media_cut(self, kind: str) -> None:
        """The connection breaks in the middle, the first time."""
        if (
            self.command == "GET"
            and not any(entry.startswith("cut") for entry in self.ranges)
            and self.seen["media cut"] < 3
        ):
            self.broken_media(kind)
        else:
            self.media(kind)

    def broken_media(self, kind: str) -> None:
        """The connection breaks in the middle, every time."""
        self.send_response(200)
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body[: len(self.body) // 2])
        self.wfile.flush()
        self.close_connection = True

    def media_short(self, kind: str) -> None:
        """The length that is promised never comes."""
        self.send_response(200)
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Content-Length", str(len(self.body) * 2))
        self.end_headers()
        self.wfile.write(self.body)
        self.wfile.flush()
        self.close_connection = True

    def media_drip(self, kind: str) -> None:
        """A byte now and then, and then none."""
        self.send_response(200)
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(self.body[:100])
            self.wfile.flush()
            time.sleep(4)
        self.close_connection = True

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def site(sample: Sample) -> Iterator[tuple[str, type[Site]]]:
    class Own(Site):
        seen: ClassVar[Counter[str]] = Counter()
        ranges: ClassVar[list[str]] = []
        body: ClassVar[bytes] = sample[0].read_bytes()

    with serving(Own) as address:
        yield address, Own


@pytest.fixture(scope="module")
def sampler(models: ModelRepository) -> FaceSampler:
    path = models.ensure("faceboxes-v2", "face_detection").path
    network = OnnxNetwork(path, "faceboxes-v2", ["CPUExecutionProvider"], 2)
    return FaceSampler(FaceBoxesDetector(network), None, None)


def wanted(site: str, kind: str, end: float | None = 1.0, crop: CropRegion | None = None) -> PlannedClip:
    return PlannedClip(f"{kind}_000", f"{site}/watch?v={kind}", 0.0, end, kind, crop=crop)


class Run:
    """Downloads, and says how each clip ended."""

    def __init__(self, folder: Path, sampler: FaceSampler) -> None:
        self.folder, self.sampler = folder, sampler
        self.lines: list[str] = []
        self.pauses: list[float] = []

    def __call__(self, clips: list[PlannedClip], retries: int = 1, retry: frozenset[str] = frozenset()) -> list[str]:
        options = PageOptions(retries=retries, back_off_seconds=0.01)
        settings = DownloadSettings(options, retry=retry)

        def fetch(url: str, folder: Path, asked: PageOptions, progress, cancelled):  # type: ignore[no-untyped-def]
            return fetch_page(url, folder, asked, progress, self.pauses.append)

        downloader = PlanDownloader(self.folder, settings, self.sampler, self.lines.append, threading.Event(), fetch)
        downloader.run(clips)
        return [outcome(self.folder, clip)[0] for clip in clips]


@pytest.fixture
def run(tmp_path: Path, sampler: FaceSampler, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(page_module, "TIMEOUT_SECONDS", 2)
    return Run(tmp_path / "out", sampler)


def test_every_failure_has_its_reason_and_the_others_go_on(
    site: tuple[str, type[Site]], run: Run, tmp_path: Path
) -> None:
    address, _ = site
    expected = {
        "gone": "VIDEO_REMOVED",
        "forbidden": "DOWNLOAD_REFUSED",
        "limited": "RATE_LIMITED",
        "loop": "DOWNLOAD_FAILED",
        "empty": "DOWNLOAD_REFUSED",
        "withheld": "FORMAT_MISSING",
        "html": "NOT_A_VIDEO",
        "short": "DOWNLOAD_FAILED",
        "drip": "DOWNLOAD_FAILED",
        "good": "ok",
    }
    clips = [wanted(address, kind) for kind in expected]
    assert dict(zip(expected, run(clips), strict=True)) == expected
    assert describe(run.folder / "clips" / "good_000.mp4").has_audio
    # Retry-After is kept to.
    assert max(run.pauses) == 7

    rows = report_rows(run.folder, clips)
    assert totals(rows)[0] == ("ok", 1, pytest.approx(1 / 3600))
    assert ("DOWNLOAD_FAILED", 3, pytest.approx(3 / 3600)) in totals(rows)
    write_csv(tmp_path / "report.csv", rows)
    write_html(tmp_path / "report.html", rows)
    table = {row["name"]: row for row in csv.DictReader((tmp_path / "report.csv").open())}
    assert "HTTP Error 403" in table["forbidden_000"]["words"]
    assert "VIDEO_REMOVED" in (tmp_path / "report.html").read_text()


def test_retry_tries_just_what_failed_for_a_reason(site: tuple[str, type[Site]], run: Run) -> None:
    address, handler = site
    clips = [wanted(address, kind) for kind in ("gone", "forbidden", "short")]
    run(clips, retries=0)
    handler.seen.clear()
    run(clips, retries=0, retry=frozenset(["VIDEO_REMOVED"]))
    assert {key.split()[1] for key in handler.seen} == {"gone"}
    handler.seen.clear()
    run(clips, retries=0)
    assert {key.split()[1] for key in handler.seen} == {"short"}  # the one failure that may pass


def test_a_broken_connection_is_taken_up_where_it_broke(site: tuple[str, type[Site]], run: Run) -> None:
    address, handler = site
    assert run([wanted(address, "cut")], retries=3) == ["ok"]
    assert any(entry.startswith("cut bytes=") and not entry.startswith("cut bytes=0") for entry in handler.ranges)


def test_a_partial_file_of_an_earlier_call_is_taken_up(
    site: tuple[str, type[Site]], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, handler = site
    monkeypatch.setattr(Site, "media_later", Site.broken_media, raising=False)
    assert run([wanted(address, "later")], retries=0) == ["DOWNLOAD_FAILED"]
    monkeypatch.delattr(Site, "media_later")
    assert run([wanted(address, "later")], retries=0) == ["ok"]
    # Where yt-dlp has `requests` to read with, a block that broke off is asked for again.
    (begin,) = (int(entry.removeprefix("later bytes=").rstrip("-")) for entry in handler.ranges if "bytes=" in entry)
    assert 0 < begin <= len(handler.body) // 2


def test_waiting_helps_where_the_site_says_so(site: tuple[str, type[Site]], run: Run) -> None:
    assert run([wanted(site[0], "patient")]) == ["ok"]
    assert run.pauses == [7]


def test_a_site_that_refuses_every_video_is_left_alone(site: tuple[str, type[Site]], run: Run) -> None:
    address, _handler = site
    clips = [
        PlannedClip(f"c{k}", f"{address}/watch?v=limited&n={k}", 0, 1, "x")
        for k in range(hdtf_download.RATE_LIMITED_IN_A_ROW + 2)
    ]
    with pytest.raises(RateLimitedError, match="3 videos in a row"):
        run(clips, retries=0)
    assert [outcome(run.folder, clip)[0] for clip in clips][-1] == "not tried"


def test_what_is_there_is_not_fetched_again(site: tuple[str, type[Site]], run: Run) -> None:
    address, handler = site
    clip = wanted(address, "good")
    assert run([clip]) == ["ok"]
    before = (run.folder / "clips" / "good_000.mp4").stat().st_mtime_ns
    handler.seen.clear()
    assert run([clip]) == ["ok"]
    assert not handler.seen
    assert (run.folder / "clips" / "good_000.mp4").stat().st_mtime_ns == before
    # Another row of the same video is cut anew, from the file that is there.
    assert run([wanted(address, "good", end=2.0)]) == ["ok"]
    assert not handler.seen
    assert describe(run.folder / "clips" / "good_000.mp4").frame_count == 50


def test_rows_that_do_not_fit_the_video_are_marked(site: tuple[str, type[Site]], run: Run) -> None:
    address, _ = site
    video = f"{address}/watch?v=good"
    clips = [
        PlannedClip("late", video, 3.0, 20.0, "x"),
        PlannedClip("gone", video, 30.0, 40.0, "x"),
        PlannedClip("empty_corner", video, 0.0, 1.0, "x", crop=CropRegion(0, 880, 200, 200, 1080)),
        PlannedClip("right", video, 0.0, 1.0, "x", crop=CropRegion(0, 0, 1080, 1080, 1080)),
    ]
    assert run(clips) == ["ok", "RANGE_OUTSIDE", "ok", "ok"]
    flags = {clip.name: (outcome(run.folder, clip)[2]).flags for clip in clips}  # type: ignore[union-attr]
    assert flags == {
        "late": ("CROP_COMPUTED", "TIME_PAST_END"),
        "gone": (),
        "empty_corner": ("NO_FACE_INSIDE", "CROP_COMPUTED"),
        "right": (),
    }
    # The crop of a frame of 1080 rows, at the 720 rows that came.
    assert outcome(run.folder, clips[3])[2].region == (0, 0, 720, 720)  # type: ignore[union-attr]


def test_one_download_works_in_a_folder(site: tuple[str, type[Site]], run: Run) -> None:
    """Two would take up each other's partial files."""
    with locked(run.folder, "download"), pytest.raises(FolderBusyError, match="another download"):
        run([wanted(site[0], "good")])
    assert run([wanted(site[0], "good")]) == ["ok"]


def test_an_interrupted_download_says_so(site: tuple[str, type[Site]], run: Run) -> None:
    event = threading.Event()
    event.set()
    downloader = PlanDownloader(run.folder, DownloadSettings(PageOptions()), run.sampler, run.lines.append, event)
    with pytest.raises(CancelledError):
        downloader.run([wanted(site[0], "good")])


def test_the_command_line_goes_all_the_way(
    site: tuple[str, type[Site]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_plan(tmp_path / "list.csv", [wanted(site[0], "good"), wanted(site[0], "gone")])
    plan, out = str(tmp_path / "plan.csv"), str(tmp_path / "out")
    assert app(["hdtf", "plan", "--lists", str(tmp_path / "list.csv"), "--out", plan], standalone_mode=False) == 0
    words = ["hdtf", "download", "--lists", plan, "--out", out, "--sleep", "0", "--retries", "0"]
    assert app(words, standalone_mode=False) == 2
    assert app(["hdtf", "status", "--lists", plan, "--out", out], standalone_mode=False) == 0
    assert app(["hdtf", "report", "--lists", plan, "--out", out], standalone_mode=False) == 0
    assert "VIDEO_REMOVED" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "clips" / "good_000.json").read_text())["status"] == "ok"
    assert (tmp_path / "out" / "report.html").is_file()


def coloured(path: Path, grey: int, hertz: float, seconds: float) -> bytes:
    """A video of one grey with one tone."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=25)
        picture.width = picture.height = 64
        picture.pix_fmt = "yuv420p"
        sound = container.add_stream("aac", rate=16000)
        sound.layout = "mono"
        for index in range(round(seconds * 25)):
            image = np.full((64, 64, 3), grey, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(picture.encode(frame))
        container.mux(picture.encode())
        times = np.arange(round(seconds * 16000)) / 16000
        samples = (8000 * np.sin(2 * np.pi * hertz * times)).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate, frame.pts = 16000, 0
        container.mux(sound.encode(frame))
        container.mux(sound.encode())
    return path.read_bytes()


def grey_and_tone(path: Path) -> tuple[float, float]:
    """The mean grey of a file's frames, and the loudest frequency of its sound in Hz."""
    greys = [float(image.mean()) for image in read_video(path)]
    samples = sound_of(path, path.parent)
    spectrum = np.abs(np.fft.rfft(samples[:16000].astype(float)))
    return float(np.mean(greys)), float(np.argmax(spectrum)) * 16000 / min(len(samples), 16000)


def test_picture_and_sound_of_a_page_with_two_videos_are_of_one(site: tuple[str, type[Site]], tmp_path: Path) -> None:
    address, handler = site
    # The second is the larger file: size says nothing.
    handler.long = coloured(tmp_path / "long.mp4", 60, 300.0, 2.0)
    handler.brief = coloured(tmp_path / "brief.mp4", 200, 900.0, 6.0)
    page = fetch_page(f"{address}/watch?v=two", tmp_path, PageOptions(), lambda done, total: None)
    grey, tone = grey_and_tone(page.path)
    assert grey == pytest.approx(60, abs=6)
    assert tone == pytest.approx(300, abs=5)
    assert page.notes == (f"{address}/watch holds 2 videos: the first is taken",)


def entry(picture: Path, sound: Path) -> dict[str, object]:
    return {
        "requested_downloads": [
            {"filepath": str(picture), "vcodec": "mpeg4", "acodec": "none"},
            {"filepath": str(sound), "vcodec": "none", "acodec": "aac"},
        ]
    }


def test_sound_of_another_length_is_refused(tmp_path: Path) -> None:
    coloured(tmp_path / "picture.mp4", 60, 300.0, 1.0)
    coloured(tmp_path / "sound.mp4", 60, 300.0, 5.0)
    with pytest.raises(FormatMissingError, match=r"1\.0 s of picture and 5\.0 s of sound, which are not of one video"):
        page_module._one_file(entry(tmp_path / "picture.mp4", tmp_path / "sound.mp4"), "the page", tmp_path)


def test_the_sound_comes_from_the_file_that_was_asked_for_as_sound(tmp_path: Path) -> None:
    coloured(tmp_path / "picture.mp4", 60, 300.0, 2.0)
    coloured(tmp_path / "sound.mp4", 200, 900.0, 2.5)
    made = entry(tmp_path / "picture.mp4", tmp_path / "sound.mp4")
    # What joins takes the first sound: a picture file that carries one of its own would be heard.
    path = page_module._one_file(made, "the page", tmp_path)
    grey, tone = grey_and_tone(path)
    assert grey == pytest.approx(60, abs=6)
    assert tone == pytest.approx(900, abs=5)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"id": "a"}, ("a", 1)),
        ({"entries": [{"id": "a"}, {"id": "b"}]}, ("a", 2)),
        ({"entries": [{"id": "a"}], "playlist_count": 7}, ("a", 7)),
        ({"entries": [{"entries": [{"id": "a"}, {"id": "b"}]}]}, ("a", 2)),
        ({"entries": []}, (None, 1)),
        ({"entries": [None]}, (None, 1)),
    ],
)
def test_the_first_video_of_what_was_found_counts(found: dict[str, object], expected: tuple[str | None, int]) -> None:
    first, count = page_module._first_video(found)
    assert (first.get("id"), count) == expected
