"""User and password of an address go to the host that they stand before, and to no other."""

import base64
import http.server
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest
from yt_dlp.networking import common

from talkmill.stages.download.limits import WebLimits
from talkmill.stages.download.page import PageOptions, fetch_page
from talkmill.stages.download.web import Budget, fetch_url
from tests.sites import serving

MARK = "MaRkEdPaSsWoRd"
PAIR = base64.b64encode(f"me:{MARK}".encode()).decode()
VIDEO = b"\0\0\0\x18ftypisom" + b"video" * 999


class Site(http.server.BaseHTTPRequestHandler):
    """Has pages whose videos are here, elsewhere, or reached over a redirect."""

    other: ClassVar[str]
    heard: ClassVar[list[tuple[str, str]]]
    guarded: ClassVar[bool] = True

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.heard.append((self.path, str(self.headers)))
        if self.guarded and self.headers.get("Authorization") != f"Basic {PAIR}":
            self.answer(401, b"")
            return
        name = urlsplit(self.path).path
        pages = {"/near": "/near.mp4", "/moved": "/moved.mp4", "/elsewhere": f"{self.other}/far.mp4"}
        if name in pages:
            html = f"<html><title>talk</title><body><video src='{pages[name]}'></video></body></html>"
            self.answer(200, html.encode(), **{"Content-Type": "text/html"})
        elif name in ("/away", "/moved.mp4"):
            self.answer(302, b"", Location=f"{self.other}/{'near' if name == '/away' else 'far.mp4'}")
        elif name in ("/within", "/within.mp4"):
            self.answer(302, b"", Location=name.replace("within", "near"))
        else:
            self.answer(200, VIDEO, **{"Content-Type": "video/mp4"})

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        pass


@contextmanager
def sites() -> Iterator[tuple[type[Site], type[Site], str]]:
    """A host with a password, another one without, and the address of the first with the password in it."""

    class Far(Site):
        other, heard, guarded = "", [], False

    class Near(Site):
        other, heard = "", []

    with ExitStack() as stack:
        Near.other = stack.enter_context(serving(Far))
        yield Near, Far, stack.enter_context(serving(Near)).replace("//", f"//me:{MARK}@")


def check(near: type[Site], far: type[Site], goes_far: bool) -> None:
    assert any(PAIR in headers for _, headers in near.heard)
    assert bool(far.heard) == goes_far
    for path, headers in far.heard:
        assert MARK not in path + headers
        assert PAIR not in headers


@pytest.fixture(params=["Urllib", "Requests"])
def way(request: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """What yt-dlp opens addresses with: it takes `requests` where that is installed."""
    if request.param not in common._REQUEST_HANDLERS:
        pytest.skip(f"yt-dlp has no {request.param} here")
    monkeypatch.setattr(common, "_REQUEST_HANDLERS", {request.param: common._REQUEST_HANDLERS[request.param]})
    return str(request.param)


@pytest.mark.parametrize("page", ["near", "within", "away", "moved", "elsewhere"])
def test_a_password_goes_to_its_own_host_alone(page: str, way: str, tmp_path: Path) -> None:
    with sites() as (near, far, address):
        found = fetch_page(f"{address}/{page}", tmp_path, PageOptions(), lambda done, total: None)
    assert found.path.read_bytes() == VIDEO
    check(near, far, goes_far=page in ("away", "moved", "elsewhere"))


@pytest.mark.parametrize("file", ["near.mp4", "within.mp4", "moved.mp4"])
def test_so_it_is_with_files(file: str, tmp_path: Path) -> None:
    with sites() as (near, far, address):
        found = fetch_url(f"{address}/{file}", 1080, Budget(tmp_path, WebLimits(), lambda done, total: None), None)
    assert found.path.read_bytes() == VIDEO
    check(near, far, goes_far=file == "moved.mp4")
    assert MARK not in str(found.provenance)
