"""Sites that attack the process of a download: what it costs is bounded, and it ends alone."""

import errno
import http.server
import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
from typing import ClassVar

import pytest

from talkmill.hdtf.download import DownloadSettings, PlanDownloader, fetch_listed
from talkmill.pipeline.plan import PlannedClip
from talkmill.stages.contract import StageContext
from talkmill.stages.download import isolation
from talkmill.stages.download.limits import WebLimits
from talkmill.stages.download.network import AddressPolicy
from talkmill.stages.download.page import PageOptions
from talkmill.stages.download.protocol import Failed, Fetched, Line
from talkmill.stages.download.web import GuardedWeb, Web
from talkmill.stages.errors import (
    CancelledError,
    DownloadFailedError,
    InternalError,
    StorageFullError,
    VideoTooLargeError,
)
from tests.sites import serving

LOOPBACK = AddressPolicy((ip_network("127.0.0.0/8"),))
BLOCK = 1 << 20
BLOCKS = 1536
# Long enough to tell a download that was ended from one that waited for the site.
DRIPPING_SECONDS = 25


def bomb() -> bytes:
    """A gzip answer of some 1.6 MB that unpacks to 1.5 GiB of HTML."""
    packer = zlib.compressobj(9, wbits=31)
    head = packer.compress(b"<html><body>") + packer.flush(zlib.Z_FULL_FLUSH)
    # What follows a full flush stands alone, so that it may be repeated.
    block = packer.compress(b" " * BLOCK) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + block * BLOCKS + packer.flush()


class Site(http.server.BaseHTTPRequestHandler):
    bomb: ClassVar[bytes]
    dripping: ClassVar[threading.Event]

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        name = self.path.strip("/").partition(".")[0]
        getattr(self, name)()

    def begin(self, content_type: str, **headers: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        for header, text in headers.items():
            self.send_header(header.replace("_", "-"), text)
        self.end_headers()

    def good(self) -> None:
        self.begin("video/mp4")
        self.wfile.write(b"x" * 100_000)

    def bomb_page(self) -> None:
        self.begin("text/html", Content_Encoding="gzip", Content_Length=str(len(self.bomb)))
        if self.command == "GET":
            self.wfile.write(self.bomb)

    def names_bomb(self) -> None:
        self.begin("text/html")
        if self.command == "GET":
            self.wfile.write(b"<html><body><video src='/bomb_media.mp4'></video></body></html>")

    def names_good(self) -> None:
        self.begin("text/html")
        if self.command == "GET":
            self.wfile.write(b"<html><body><video src='/good.mp4'></video></body></html>")

    def bomb_media(self) -> None:
        self.begin("video/mp4", Content_Encoding="gzip", Content_Length=str(len(self.bomb)))
        if self.command == "GET":
            self.wfile.write(self.bomb)

    def drip(self) -> None:
        self.begin("video/mp4")
        self.drop(b"\0")

    def drip_page(self) -> None:
        self.begin("text/html")
        self.wfile.write(b"<html><body>" + b" " * 1000)
        self.drop(b" ")

    def drop(self, drop: bytes) -> None:
        self.dripping.set()
        ends = time.monotonic() + DRIPPING_SECONDS
        while time.monotonic() < ends:
            self.wfile.write(drop)
            time.sleep(0.1)

    def handle(self) -> None:
        with suppress(ConnectionError):
            super().handle()

    def finish(self) -> None:
        with suppress(ConnectionError):
            super().finish()

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture(scope="module")
def packed() -> bytes:
    content = bomb()
    assert len(content) < 2 << 20
    return content


@pytest.fixture
def site(packed: bytes) -> Iterator[tuple[str, type[Site]]]:
    class Own(Site):
        bomb: ClassVar[bytes] = packed
        dripping: ClassVar[threading.Event] = threading.Event()

    with serving(Own) as address:
        yield address, Own


def context_of(folder: Path, cancelled: Callable[[], bool] = lambda: False) -> StageContext:
    folder.mkdir(exist_ok=True)
    return StageContext(None, folder, lambda a: folder, lambda d, t, u: None, cancelled, lambda p, n, m: None)  # type: ignore[arg-type, return-value]


def downloads_of(parent: int) -> list[int]:
    """The processes of downloads that a process has, ended ones that nobody waited for included."""
    words = ["ps", "-o", "pid=,args=", "--ppid", str(parent)]
    lines = subprocess.run(words, capture_output=True, text=True, check=False).stdout.splitlines()
    return [int(line.split()[0]) for line in lines if "talkmill.stages.download.child" in line]


def works(process: int) -> bool:
    """Whether a process is there and has not ended."""
    words = ["ps", "-o", "stat=", "-p", str(process)]
    stat = subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
    return stat != "" and not stat.startswith("Z")


@pytest.fixture(autouse=True)
def _none_is_left() -> Iterator[None]:
    yield
    assert downloads_of(os.getpid()) == []


WEBS = pytest.mark.parametrize(
    "web", [Web, lambda limits: GuardedWeb(LOOPBACK, limits)], ids=["own machine", "service"]
)


def seconds_until_it_fails(work: Callable[[], object], kind: type[Exception], match: str) -> float:
    began = time.monotonic()
    with pytest.raises(kind, match=match):
        work()
    return time.monotonic() - began


@WEBS
def test_a_page_that_unpacks_to_more_than_the_memory_is_too_large(
    web: Callable[[WebLimits], Web], site: tuple[str, type[Site]], tmp_path: Path
) -> None:
    with pytest.raises(VideoTooLargeError, match="needs more than 536870912 bytes of memory"):
        web(WebLimits()).fetch(f"{site[0]}/bomb_page.html", 1080, context_of(tmp_path))


def test_a_packed_file_is_measured_as_it_is_written(site: tuple[str, type[Site]], tmp_path: Path) -> None:
    limits = WebLimits(max_bytes=20 << 20)
    # Of the HTTP libraries that yt-dlp may use, urllib's handler unpacks an answer whole, before anything is written.
    with pytest.raises(VideoTooLargeError, match=r"more than 20971520 bytes|more than 536870912 bytes of memory"):
        Web(limits).fetch(f"{site[0]}/names_bomb.html", 1080, context_of(tmp_path))
    assert sum(path.stat().st_size for path in tmp_path.rglob("*")) <= limits.max_bytes


@pytest.mark.parametrize("name", ["drip.mp4", "drip_page.html"])
@WEBS
def test_a_drip_ends_at_its_time(
    web: Callable[[WebLimits], Web], name: str, site: tuple[str, type[Site]], tmp_path: Path
) -> None:
    limited = web(WebLimits(max_seconds=3))
    took = seconds_until_it_fails(
        lambda: limited.fetch(f"{site[0]}/{name}", 1080, context_of(tmp_path)),
        VideoTooLargeError,
        "takes more than 3 s to download",
    )
    assert 3 <= took < 10


def test_a_cancel_is_heard_while_nothing_comes(site: tuple[str, type[Site]], tmp_path: Path) -> None:
    took = seconds_until_it_fails(
        lambda: Web().fetch(f"{site[0]}/drip.mp4", 1080, context_of(tmp_path, site[1].dripping.is_set)),
        CancelledError,
        r"drip\.mp4 was cancelled",
    )
    assert took < 10


def test_downloads_beside_one_that_is_killed_go_on(site: tuple[str, type[Site]], tmp_path: Path) -> None:
    address, handler = site
    with ThreadPoolExecutor(2) as pool:
        lost: Future[Fetched] = pool.submit(Web().fetch, f"{address}/drip.mp4", 1080, context_of(tmp_path / "lost"))
        assert handler.dripping.wait(20)
        (victim,) = downloads_of(os.getpid())
        beside = pool.submit(Web().fetch, f"{address}/good.mp4", 1080, context_of(tmp_path / "good"))
        os.kill(victim, signal.SIGKILL)
        with pytest.raises(DownloadFailedError, match=r"drip\.mp4: the process of the download was ended by SIGKILL"):
            lost.result(10)
        path, provenance, *_ = beside.result(20)
    assert path.read_bytes() == b"x" * 100_000
    assert provenance == {"uri": f"{address}/good.mp4"}


def test_a_list_of_clips_is_downloaded_so_too(site: tuple[str, type[Site]], tmp_path: Path) -> None:
    """`talkmill hdtf download`: what a page costs ends its own video alone, and a cancel is heard."""
    address, handler = site
    clips = [PlannedClip(name, f"{address}/{name}.html", 0.0, 1.0, name) for name in ("bomb_page", "names_good")]
    lines: list[str] = []
    settings = DownloadSettings(PageOptions())
    PlanDownloader(tmp_path, settings, None, lines.append, threading.Event()).run(clips)  # type: ignore[arg-type]
    assert "bomb_page.html: VIDEO_TOO_LARGE: " in lines[0]
    assert "needs more than 536870912 bytes of memory" in lines[0]
    # It was downloaded; that its bytes are no video is found here.
    assert "names_good.html: NOT_A_VIDEO: " in lines[1]

    (tmp_path / "parts").mkdir()
    took = seconds_until_it_fails(
        lambda: fetch_listed(
            f"{address}/drip_page.html", tmp_path / "parts", PageOptions(), lambda d, t: None, handler.dripping.is_set
        ),
        CancelledError,
        r"drip_page\.html was cancelled",
    )
    assert took < 10


PARENT = """
import sys
from pathlib import Path
from tests.stages.test_downloads_apart import context_of
from talkmill.stages.download.web import Web
Web().fetch(sys.argv[1], 1080, context_of(Path(sys.argv[2])))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_is_left_of_a_parent_that_has_ended(
    number: signal.Signals, site: tuple[str, type[Site]], tmp_path: Path
) -> None:
    words = [sys.executable, "-c", PARENT, f"{site[0]}/drip.mp4", str(tmp_path)]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as parent:
        assert site[1].dripping.wait(30)
        (child,) = downloads_of(parent.pid)
        parent.send_signal(number)
        parent.wait(10)
    ends = time.monotonic() + 5
    while works(child) and time.monotonic() < ends:
        time.sleep(0.05)
    assert not works(child)


BOUNDED = """
import errno, sys
from pathlib import Path
from talkmill.stages.download.child import bound
from talkmill.stages.download.limits import WebLimits
bound(WebLimits(max_bytes=1000, max_memory_bytes=512 << 20))
try:
    Path(sys.argv[1]).write_bytes(b"x" * 2000)
except OSError as error:
    print(error.errno)
try:
    bytearray(600 << 20)
except MemoryError:
    print("memory")
"""


def test_the_system_keeps_the_bounds_of_a_process(tmp_path: Path) -> None:
    words = [sys.executable, "-c", BOUNDED, str(tmp_path / "file")]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    assert said == [str(errno.EFBIG), "memory"]
    assert (tmp_path / "file").stat().st_size == 1000


def answering(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(isolation, "COMMAND", (sys.executable, "-c", f"import sys\n{program}"))


@pytest.mark.parametrize(
    ("program", "match"),
    [
        ("while True: sys.stdout.write('x' * 65536)", "says too much"),
        ("print('{}')", "an empty answer"),
        ("print('no JSON')", "says what is no answer"),
        ("sys.exit('no such thing')", "ended with status 1: no such thing"),
    ],
)
def test_a_process_is_believed_nothing(
    program: str, match: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, program)
    with pytest.raises(InternalError, match=match):
        Web().fetch("http://127.0.0.1/a.mp4", 1080, context_of(tmp_path))


@pytest.mark.parametrize("link", [False, True])
def test_a_file_outside_of_the_folder_is_not_taken(link: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of this machine")
    named = tmp_path / "work" / "source.mp4" if link else secret
    context = context_of(tmp_path / "work")
    if link:
        named.symlink_to(secret)
    answering(monkeypatch, f"sys.stdout.write({Line(fetched=Fetched(named, {})).encoded().decode()!r})")
    with pytest.raises(InternalError, match="a file that is not its own"):
        Web().fetch("http://127.0.0.1/a.mp4", 1080, context)


def test_an_error_of_the_system_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = Line(failed=Failed("INTERNAL", "no space", errno=errno.ENOSPC))
    answering(monkeypatch, f"sys.stdout.write({full.encoded().decode()!r})")
    with pytest.raises(OSError, match="no space") as caught:
        Web().fetch("http://127.0.0.1/a.mp4", 1080, context_of(tmp_path))
    assert caught.value.errno == errno.ENOSPC


def test_a_reason_keeps_its_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = Line(failed=Failed("STORAGE_FULL", "words", 2.0, 1.0))
    answering(monkeypatch, f"sys.stdout.write({full.encoded().decode()!r})")
    with pytest.raises(StorageFullError, match="words") as caught:
        Web().fetch("http://127.0.0.1/a.mp4", 1080, context_of(tmp_path))
    assert (caught.value.measure, caught.value.threshold) == (2.0, 1.0)


def test_a_defect_brings_its_trace(tmp_path: Path) -> None:
    # No scheme that is fetched: the stage asks for none, and what is raised is no error of the table.
    with pytest.raises(InternalError, match="ValueError: unknown url type") as caught:
        Web().fetch("nonsense", 1080, context_of(tmp_path))
    (note,) = caught.value.__notes__
    assert "in fetch_url" in note


def test_credentials_of_a_server_are_kept_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALKMILL_STORE__SECRET_KEY", "secret")
    answering(monkeypatch, "import os; sys.exit(str([name for name in os.environ if name.startswith('TALKMILL_')]))")
    with pytest.raises(InternalError, match=r"status 1: \[\]"):
        Web().fetch("http://127.0.0.1/a.mp4", 1080, context_of(tmp_path))
