"""Secrets in addresses are used, and neither shown nor kept."""

import functools
import http.server
import io
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from talkmill.dataset.reader import Dataset
from talkmill.telemetry.logs import configure_logs
from tests.made_up_stages import run_made_up, write_sources
from tests.sites import serving

MARK = "s3cr3tofmine"


class Asking(http.server.SimpleHTTPRequestHandler):
    """Gives files to whoever has the secret; some addresses lead elsewhere, are gone, or give a page without a video."""

    def do_GET(self) -> None:
        path, query = urlsplit(self.path).path, urlsplit(self.path).query
        if MARK not in query:
            self.send_error(403)
        elif path == "/moved.mp4":
            self.send_response(302)
            self.send_header("Location", f"/gone.mp4?again={MARK}")
            self.end_headers()
        elif path == "/page":
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f"<html><a href='/other?key={MARK}'>no video</a></html>".encode())
        else:
            super().do_GET()

    def log_message(self, *words: object) -> None:
        pass


def test_what_an_address_holds_is_neither_shown_nor_kept(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_sources(tmp_path / "in", "a.mp4", "b.mp4")
    log, events = io.StringIO(), list[object]()
    configure_logs("debug", log)
    with serving(functools.partial(Asking, directory=str(tmp_path / "in"))) as site:
        addresses = [
            f"{site}/a.mp4?token={MARK}",
            f"{site}/b.mp4?a=1&signature={MARK}#{MARK}",
            f"{site}/gone.mp4?token={MARK}",
            f"{site}/moved.mp4?token={MARK}",
            f"{site}/page?token={MARK}",
            f"{site.replace('//', f'//me:{MARK}@')}/c.mp4?token={MARK}",
        ]
        summary = run_made_up(tmp_path / "out", *addresses, emit=events.append)
        assert set(summary.packed) == {"a_000", "b_000"}
        again = run_made_up(tmp_path / "out", *addresses, emit=events.append)
    # Another run knows the addresses again.
    assert set(again.packed) == {"a_000", "b_000"}
    assert again.clip_count == summary.clip_count
    with Dataset(tmp_path / "out") as dataset:
        source = dataset.meta("a_000")["source"]
    assert source["uri"] == source["original_name"] == f"{site}/a.mp4"
    assert len(source["address_sha256"]) == 64
    told = [log.getvalue(), *capfd.readouterr(), *map(repr_without_uri, events)]
    assert [text for text in told if MARK in text] == []
    kept = [path for path in (tmp_path / "out").rglob("*") if path.is_file() and MARK.encode() in path.read_bytes()]
    assert kept == []


def repr_without_uri(event: object) -> str:
    """What an event tells; the address itself travels in the process to where it is used."""
    source = getattr(event, "source", None)
    return repr(event).replace(repr(source.uri), "") if hasattr(source, "uri") else repr(event)
