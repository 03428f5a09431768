"""Downloads from the web: a file directly, a page or a manifest with yt-dlp."""

import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from talkmill.address import AddressSecrets, shown_address
from talkmill.stages.contract import StageContext
from talkmill.stages.download.credentials import Credentials, without_credentials
from talkmill.stages.download.isolation import fetch_apart
from talkmill.stages.download.limits import WebLimits
from talkmill.stages.download.network import AddressPolicy, GuardedProxy
from talkmill.stages.download.page import PageOptions, fetch_page
from talkmill.stages.download.protocol import Fetched, Job
from talkmill.stages.download.reasons import error_of_status, kept_out
from talkmill.stages.errors import (
    DownloadFailedError,
    DownloadRefusedError,
    StageError,
)

TIMEOUT_SECONDS = 60
CHUNK_BYTES = 1 << 20
# Enough of an answer to tell a page or a manifest from a file.
HEAD_BYTES = 512
# Answers that name a video: pages, and manifests of HLS (RFC 8216, 10), DASH (ISO 23009-1, C) and Smooth Streaming.
_NAMING_TYPES = frozenset(
    [
        "text/html",
        "application/xhtml+xml",
        "application/vnd.apple.mpegurl",
        "application/x-mpegurl",
        "application/mpegurl",
        "audio/mpegurl",
        "audio/x-mpegurl",
        "application/dash+xml",
        "application/vnd.ms-sstr+xml",
    ]
)
# What the same begin with, for the many servers that send a wrong type: an HLS playlist, XML or HTML.
_NAMING_HEAD = re.compile(rb"#EXTM3U|(\xef\xbb\xbf)?\s*<[?!A-Za-z]")
# Some servers refuse clients without a name.
USER_AGENT = "talkmill"


class Web:
    """The web as a user's own machine reaches it."""

    def __init__(self, limits: WebLimits | None = None) -> None:
        self._limits = limits or WebLimits()

    def fetch(self, address: str, max_height: int, context: StageContext) -> Fetched:
        """Download a video in a process of its own; see `fetch_apart` and `fetch_url`."""
        return _apart(Job(address, max_height, context.scratch, None, self._limits), context)


class GuardedWeb(Web):
    """The web as a service reaches it for a stranger: through the proxy that checks every address."""

    def __init__(self, policy: AddressPolicy, limits: WebLimits) -> None:
        super().__init__(limits)
        self._policy = policy

    def fetch(self, address: str, max_height: int, context: StageContext) -> Fetched:
        """Download a video in a process of its own; see `fetch_apart` and `fetch_url`.

        Raises:
            DownloadRefusedError: Also where an address on the way is not public.
            VideoTooLargeError: Also where all requests together brought too many bytes.
        """
        with GuardedProxy(self._policy, self._limits.max_bytes) as proxy:
            try:
                fetched = _apart(Job(address, max_height, context.scratch, proxy.address, self._limits), context)
            except (StageError, OSError) as error:
                if proxy.traffic.refused:
                    raise DownloadRefusedError(f"{shown_address(address)}: {proxy.traffic.refused[-1]}") from error
                if proxy.traffic.too_much:
                    raise self._limits.too_many_bytes(address) from error
                raise
            if proxy.traffic.too_much:
                raise self._limits.too_many_bytes(address)
            return fetched


def _apart(job: Job, context: StageContext) -> Fetched:
    return fetch_apart(job, lambda done, total: context.advance(done, total, "bytes"), context.cancelled)


class Budget:
    """The folder of a download, its progress, and its bound on bytes."""

    def __init__(self, folder: Path, limits: WebLimits, report: Callable[[int, int], None]) -> None:
        """Create a budget.

        Args:
            folder: Where files are written.
            limits: How much the download may cost; its parent keeps the time.
            report: Called with bytes done and bytes in all.
        """
        self.folder, self.limits, self._report = folder, limits, report

    def advance(self, address: str, done: int, total: int) -> None:
        """Report bytes, and stop at the bound."""
        if max(done, total) > self.limits.max_bytes:
            raise self.limits.too_many_bytes(address, max(done, total))
        self._report(done, max(done, total))


class _ThroughProxy(urllib.request.BaseHandler):
    """Sends every request of an opener through one proxy, whatever NO_PROXY says."""

    handler_order = 100

    def __init__(self, proxy: str) -> None:
        self._proxy = urlsplit(proxy).netloc

    def http_open(self, request: urllib.request.Request) -> None:
        """Choose the proxy; the next handler connects."""
        request.set_proxy(self._proxy, "http")

    https_open = http_open


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, collects the secrets of where they lead, and signs in at the host of the address alone."""

    def __init__(self, secrets: AddressSecrets, credentials: Credentials | None) -> None:
        self._secrets, self._credentials = secrets, credentials

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        self._secrets.add(newurl)
        followed = super().redirect_request(req, fp, code, msg, headers, newurl)
        return followed and _signed_in(followed, self._credentials)


def fetch_url(address: str, max_height: int, budget: Budget, proxy: str | None) -> Fetched:
    """Download a video.

    Args:
        address: http(s) address of a file, of a page, or of a manifest (HLS, DASH).
        max_height: The best video up to this height is taken from a page or a manifest.
        budget: Folder, progress and bounds.
        proxy: Address of the proxy that everything goes through; None for the way that the environment names.

    Returns:
        The local file, its provenance and notes.

    Raises:
        DownloadRefusedError: The server does not give a video.
        DownloadFailedError: The network failed.
    """
    secrets = AddressSecrets([address, *urllib.request.getproxies().values()])
    with kept_out(secrets):
        file = _fetch_file(address, budget, proxy, secrets)
    return file or _from_page(address, max_height, budget, proxy)


def _fetch_file(address: str, budget: Budget, proxy: str | None, secrets: AddressSecrets) -> Fetched | None:
    """Download a file; None where the address is that of a page or a manifest."""
    plain, credentials = without_credentials(address)
    handlers: list[urllib.request.BaseHandler] = [_Redirects(secrets, credentials)]
    if proxy:
        handlers += [urllib.request.ProxyHandler({}), _ThroughProxy(proxy)]
    try:
        request = _signed_in(_request(plain), credentials)
        opener = urllib.request.build_opener(*handlers)
        with opener.open(request, timeout=TIMEOUT_SECONDS) as response:
            head = response.read(HEAD_BYTES)
            if not _names_a_video(response.headers.get_content_type(), head):
                target = budget.folder / f"source{plain_suffix(Path(urlsplit(address).path))}"
                return Fetched(_save(response, head, target, address, budget), {"uri": shown_address(address)})
            return None
    except urllib.error.HTTPError as error:
        message = f"{shown_address(address)} answers {error.code} {error.reason}"
        error.close()
        raise (error_of_status(error.code) or DownloadRefusedError)(message) from error
    except http.client.InvalidURL as error:
        raise DownloadRefusedError(f"{shown_address(address)} is not an address that can be read: {error}") from error
    except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
        raise DownloadFailedError(
            f"{shown_address(address)} cannot be read: {getattr(error, 'reason', error)}"
        ) from error


def _request(address: str) -> urllib.request.Request:
    """Return the request of an address without its user and password."""
    plain = urlsplit(address)._replace(fragment="").geturl()
    return urllib.request.Request(plain, headers={"User-Agent": USER_AGENT})  # noqa: S310 - http(s) only


def _signed_in(request: urllib.request.Request, credentials: Credentials | None) -> urllib.request.Request:
    """Return a request with the credentials, where they are for its host; no redirect takes them along."""
    if credentials and credentials.are_for(request.full_url):
        request.add_unredirected_header("Authorization", credentials.authorization)
    return request


def _names_a_video(content_type: str, head: bytes) -> bool:
    """Say whether an answer is a page or a manifest that says where a video is, and not the video."""
    # Bytes of a video may look like the beginning of a tag; they are not text for long.
    return content_type in _NAMING_TYPES or (b"\0" not in head and _NAMING_HEAD.match(head) is not None)


def plain_suffix(path: Path) -> str:
    """Return a file's suffix in small letters, `.mp4` where it is none of up to seven letters and digits."""
    suffix = path.suffix.lower()
    return suffix if suffix[1:].isalnum() and suffix.isascii() and len(suffix) <= 8 else ".mp4"


def _save(response: http.client.HTTPResponse, head: bytes, target: Path, address: str, budget: Budget) -> Path:
    """Write an answer, of which the head was read already, to a file."""
    total = int(response.headers.get("Content-Length") or 0)
    done = 0
    with target.open("wb") as file:
        chunk = head
        while chunk:
            file.write(chunk)
            done += len(chunk)
            budget.advance(address, done, total)
            chunk = response.read(CHUNK_BYTES)
    if total and done != total:
        raise DownloadFailedError(f"the connection broke after {done} of {total} bytes")
    return target


def _from_page(address: str, max_height: int, budget: Budget, proxy: str | None) -> Fetched:
    """Download the video of a page or a manifest."""
    options = PageOptions(max_height=max_height, proxy=proxy, max_bytes=budget.limits.max_bytes)
    page = fetch_page(address, budget.folder, options, lambda done, total: budget.advance(address, done, total))
    return Fetched(page.path, {"uri": shown_address(address), **page.provenance}, page.notes)
