"""A site that gives nothing to who does not know its secret, and addresses that have the secret wherever one can be."""

import base64
import http.server
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from tests.sites import serving

MARK = "MaRkEdSeCrEt"
# Paths whose downloads end well, and the others with how they end.
GOOD = ("file.mp4", "moved.mp4", "page", "signedin.mp4")
BAD = {
    "astray.mp4": "VIDEO_REMOVED",
    "gone.mp4": "VIDEO_REMOVED",
    "echo.mp4": "DOWNLOAD_REFUSED",
    "empty": "DOWNLOAD_REFUSED",
    "withheld": "FORMAT_MISSING",
    "list.m3u8": "FORMAT_MISSING",
    "denied.mp4": "DOWNLOAD_REFUSED",
    "away.mp4": "DOWNLOAD_FAILED",
}


class SecretSite(http.server.BaseHTTPRequestHandler):
    """Gives a file, a page or a playlist only to who knows the secret, which stands wherever it can."""

    asked: ClassVar[list[str]]

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.asked.append(self.path)
        name, query = urlsplit(self.path).path, urlsplit(self.path).query
        if name == "/signedin.mp4":
            pair = base64.b64decode((self.headers.get("Authorization") or "").removeprefix("Basic ")).decode()
            self.answer(200 if pair == f"me:{MARK}" else 401, b"signed in" * 999)
        elif MARK not in query and not name.startswith("/gone"):
            self.answer(403, b"")
        elif name == "/moved.mp4":
            self.answer(302, b"", Location=f"/file2.mp4?k={MARK}#{MARK}")
        elif name == "/astray.mp4":
            self.answer(302, b"", Location=f"/gone.mp4?k={MARK}")
        elif name.startswith("/gone"):
            self.answer(404, b"")
        elif name == "/echo.mp4":
            self.send_response(418, f"what is {query}")
            self.end_headers()
        elif name == "/page":
            self.page(f"<video src='/file3.mp4?sig={MARK}'></video>")
        elif name == "/empty":
            self.page("nothing")
        elif name == "/withheld":
            self.page(f"<video src='/gone3.mp4?sig={MARK}'></video>")
        elif name == "/list.m3u8":
            text = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\ngone.ts?sig={MARK}\n#EXT-X-ENDLIST\n"
            self.answer(200, text.encode(), **{"Content-Type": "application/vnd.apple.mpegurl"})
        else:
            self.answer(200, name.encode() * 999, **{"Content-Type": "video/mp4"})

    def page(self, body: str) -> None:
        html = f"<html><title>talk</title><body>{body}</body></html>"
        self.answer(200, html.encode(), **{"Content-Type": "text/html"})

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
def secret_addresses(free_port: Callable[[], int]) -> Iterator[list[str]]:
    """Serve the site; gives the addresses of GOOD and BAD, those of GOOD but the last first."""

    class Own(SecretSite):
        asked: ClassVar[list[str]] = []

    with serving(Own) as site:
        host = site.removeprefix("http://")
        away = f"http://me:{MARK}@127.0.0.1:{free_port()}/away.mp4?k={MARK}"
        denied = f"http://me:{MARK}@{host}/denied.mp4?a b={MARK}"
        names = [*GOOD[:-1], *list(BAD)[:-2]]
        yield [
            *(f"{site}/{name}?token={MARK}#{MARK}" for name in names),
            f"http://me:{MARK}@{host}/{GOOD[-1]}",
            denied,
            away,
        ]


def files_with_the_mark(folder: Path) -> list[Path]:
    """Return what has the secret in its path or its bytes."""
    mark = MARK.encode()
    return [
        path
        for path in folder.rglob("*")
        if mark in str(path).encode() or (path.is_file() and mark in path.read_bytes())
    ]
