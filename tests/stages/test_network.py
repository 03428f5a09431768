"""The proxy that every served download goes through."""

import http.server
import socket
from collections.abc import Callable, Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import ClassVar

import pytest

from talkmill.stages.contract import StageContext
from talkmill.stages.download.limits import WebLimits
from talkmill.stages.download.network import AddressPolicy, AddressRefusedError, GuardedProxy
from talkmill.stages.download.web import GuardedWeb
from talkmill.stages.errors import DownloadFailedError, DownloadRefusedError, VideoTooLargeError
from tests.sites import serving

LOOPBACK = AddressPolicy((ip_network("127.0.0.0/8"),))
NOTHING = AddressPolicy()


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1",
     "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "::127.0.0.1", "2001:db8::1",
     "fec0::1", "168.63.129.16", "192.88.99.1", "3fff::1", "198.18.0.1", "240.0.0.1", "64:ff9b:1::1", "2001::1", "5f00::1"],
)  # fmt: skip
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    assert not NOTHING.allows(ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::808:808"])
def test_public_addresses_are_reached(address: str) -> None:
    assert NOTHING.allows(ip_address(address))


def test_one_bad_address_of_a_name_spoils_it() -> None:
    with pytest.raises(AddressRefusedError, match=r"10\.0\.0\.1"):
        NOTHING.choose("mixed.example", ["1.1.1.1", "10.0.0.1"])
    assert NOTHING.choose("good.example", ["1.1.1.1", "1.0.0.1"]) == "1.1.1.1"


class Handler(http.server.BaseHTTPRequestHandler):
    requests: ClassVar[list[str]]

    def do_GET(self) -> None:
        self.requests.append(self.path)
        if self.path.startswith("/away"):
            self.send_response(302)
            self.send_header("Location", "http://169.254.169.254/latest/meta-data/")
            self.end_headers()
            return
        body = b"x" * 100_000
        self.send_response(200)
        self.send_header("Content-Type", "video/mp4")
        if self.path.startswith("/sized"):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[tuple[str, list[str]]]:
    class Own(Handler):
        requests: ClassVar[list[str]] = []

    with serving(Own) as address:
        yield address, Own.requests


@pytest.fixture
def context(tmp_path: Path) -> StageContext:
    return StageContext(None, tmp_path, lambda a: tmp_path, lambda d, t, u: None, lambda: False, lambda p, n, m: None)  # type: ignore[arg-type, return-value]


def test_an_allowed_address_is_fetched_through_the_proxy(
    site: tuple[str, list[str]], context: StageContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    path, provenance, *_ = GuardedWeb(LOOPBACK, WebLimits()).fetch(f"{site[0]}/sized.mp4", 1080, context)
    assert path.stat().st_size == 100_000
    assert provenance == {"uri": f"{site[0]}/sized.mp4"}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]"])
def test_a_loopback_address_is_refused_however_it_is_written(
    host: str, site: tuple[str, list[str]], context: StageContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Variables that would lead past the proxy do not.
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("NO_PROXY", "*")
    port = site[0].rpartition(":")[2]
    with pytest.raises(DownloadRefusedError, match="not a public address") as caught:
        GuardedWeb(NOTHING, WebLimits()).fetch(f"http://user:pass@{host}:{port}/sized.mp4?token=secret", 1080, context)
    assert site[1] == []
    assert "pass" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_redirect_to_a_private_address_is_refused(site: tuple[str, list[str]], context: StageContext) -> None:
    with pytest.raises(DownloadRefusedError, match=r"169\.254\.169\.254"):
        GuardedWeb(LOOPBACK, WebLimits()).fetch(f"{site[0]}/away.mp4", 1080, context)
    assert site[1] == ["/away.mp4"]


def test_https_is_checked_too(context: StageContext, free_port: Callable[[], int]) -> None:
    with pytest.raises(DownloadRefusedError, match="not a public address"):
        GuardedWeb(NOTHING, WebLimits()).fetch(f"https://127.0.0.1:{free_port()}/video.mp4", 1080, context)


@pytest.mark.parametrize("path", ["/sized.mp4", "/endless.mp4"])
def test_too_many_bytes_are_refused_announced_or_not(
    path: str, site: tuple[str, list[str]], context: StageContext
) -> None:
    with pytest.raises(VideoTooLargeError, match="50000 bytes"):
        GuardedWeb(LOOPBACK, WebLimits(max_bytes=50_000)).fetch(site[0] + path, 1080, context)


def test_a_site_that_is_away_is_a_failure_that_may_pass(context: StageContext, free_port: Callable[[], int]) -> None:
    with pytest.raises(DownloadFailedError):
        GuardedWeb(LOOPBACK, WebLimits()).fetch(f"http://127.0.0.1:{free_port()}/video.mp4", 1080, context)


def test_yt_dlp_goes_through_the_proxy(
    site: tuple[str, list[str]], context: StageContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page whose video lies on a private address: yt-dlp's own request for it is refused."""
    port = site[0].rpartition(":")[2]

    def page(self: Handler) -> None:
        self.requests.append(self.path)
        body = b'<html><body><video src="http://127.0.0.2:%s/inner.mp4"></video></body></html>' % port.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(body)

    monkeypatch.setattr(Handler, "do_GET", page)
    only_first = AddressPolicy((ip_network("127.0.0.1/32"),))
    with pytest.raises(DownloadRefusedError, match=r"127\.0\.0\.2"):
        GuardedWeb(only_first, WebLimits()).fetch(f"{site[0]}/page.html", 1080, context)
    assert "/page.html" in site[1]
    assert "/inner.mp4" not in site[1]


@pytest.mark.parametrize(
    "words",
    [
        b"",
        b"GET\r\n\r\n",
        b"CONNECT nowhere.invalid:443 HTTP/1.1\r\n\r\n",
        b"\xff\xfe\r\n\r\n",
        b"GET file:///etc/passwd HTTP/1.1\r\n\r\n",
        b"CONNECT [::1 HTTP/1.1\r\n\r\n",
        b"A" * 200_000,
    ],
)
def test_nonsense_does_not_bring_the_proxy_down(words: bytes) -> None:
    with GuardedProxy(NOTHING, 1000) as proxy:
        port = int(proxy.address.rpartition(":")[2])
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                try:
                    connection.sendall(words)
                    connection.shutdown(socket.SHUT_WR)
                    answer = connection.recv(100)
                except (ConnectionError, OSError):
                    answer = b""
                assert answer == b"" or answer.split()[1] in (b"403", b"502")
