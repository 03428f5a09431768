"""Getting a video from the web: a file as it is, a page through yt-dlp."""

import heapq
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import yt_dlp

from services.download.network import AddressPolicy, GuardedProxy
from talkmill.stage.contract import StageContext
from talkmill.stage.errors import DownloadFailedError, DownloadRefusedError, VideoTooLargeError

TIMEOUT_SECONDS = 60
CHUNK_BYTES = 1 << 20
# Some servers refuse clients without a name.
USER_AGENT = "talkmill"
# HTTP answers that mean "not now"; every other 4xx means "no".
TRY_AGAIN = (408, 425, 429)


@dataclass(frozen=True, slots=True)
class WebLimits:
    """How much one download may cost.

    Attributes:
        max_bytes: Its bytes.
        max_seconds: Its time.
    """

    max_bytes: int = 20 << 30
    max_seconds: float = 4 * 3600


class Web:
    """The web as a user's own machine reaches it."""

    def __init__(self, limits: WebLimits | None = None) -> None:
        self._limits = limits or WebLimits()

    def fetch(self, address: str, max_height: int, context: StageContext) -> tuple[Path, dict[str, str]]:
        """Download a video; see `fetch_url`."""
        return fetch_url(address, max_height, _Budget(context, self._limits), None)


class GuardedWeb(Web):
    """The web as a service reaches it for a stranger: through the proxy that checks every address."""

    def __init__(self, policy: AddressPolicy, limits: WebLimits) -> None:
        super().__init__(limits)
        self._policy = policy

    def fetch(self, address: str, max_height: int, context: StageContext) -> tuple[Path, dict[str, str]]:
        """Download a video; see `fetch_url`.

        Raises:
            DownloadRefusedError: Also where an address on the way is not public.
            VideoTooLargeError: Also where all requests together brought too many bytes.
        """
        with GuardedProxy(self._policy, self._limits.max_bytes) as proxy:
            try:
                fetched = fetch_url(address, max_height, _Budget(context, self._limits), proxy.address)
            except (DownloadRefusedError, DownloadFailedError, OSError) as error:
                if proxy.traffic.refused:
                    raise DownloadRefusedError(f"{_shown(address)}: {proxy.traffic.refused[-1]}") from error
                if proxy.traffic.too_much:
                    raise VideoTooLargeError(_too_many(address, self._limits)) from error
                raise
            if proxy.traffic.too_much:
                raise VideoTooLargeError(_too_many(address, self._limits))
            return fetched


class _Budget:
    """A download's scratch and progress, and its bounds."""

    def __init__(self, context: StageContext, limits: WebLimits) -> None:
        self.scratch = context.scratch
        self.limits = limits
        self._context = context
        self._deadline = time.monotonic() + limits.max_seconds

    def advance(self, address: str, done: int, total: int) -> None:
        """Report bytes, and stop at a bound."""
        if max(done, total) > self.limits.max_bytes:
            raise VideoTooLargeError(_too_many(address, self.limits), measure=max(done, total))
        if time.monotonic() > self._deadline:
            raise VideoTooLargeError(f"{_shown(address)} takes more than {self.limits.max_seconds:g} s to download")
        self._context.advance(done, max(done, total), "bytes")


def _too_many(address: str, limits: WebLimits) -> str:
    return f"{_shown(address)} has more than {limits.max_bytes} bytes"


def _shown(address: str) -> str:
    """Return an address for a message: without user, password and query, which may be secrets."""
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


class _ThroughProxy(urllib.request.BaseHandler):
    """Sends every request of an opener through one proxy, whatever NO_PROXY says."""

    handler_order = 100

    def __init__(self, proxy: str) -> None:
        self._proxy = urlsplit(proxy).netloc

    def http_open(self, request: urllib.request.Request) -> None:
        """Choose the proxy; the next handler connects."""
        request.set_proxy(self._proxy, "http")

    https_open = http_open


def fetch_url(address: str, max_height: int, budget: "_Budget", proxy: str | None) -> tuple[Path, dict[str, str]]:
    """Download a video.

    Args:
        address: http(s) address of a file or of a page.
        max_height: The best video up to this height is taken from a page.
        budget: Scratch folder, progress and bounds.
        proxy: Address of the proxy that everything goes through; None for the way that the environment names.

    Returns:
        The local file and its provenance.

    Raises:
        DownloadRefusedError: The server does not give a video.
        DownloadFailedError: The network failed.
    """
    request = urllib.request.Request(address, headers={"User-Agent": USER_AGENT})  # noqa: S310 - http(s) only
    opener = urllib.request.build_opener(*([urllib.request.ProxyHandler({}), _ThroughProxy(proxy)] if proxy else []))
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS) as response:
            if not _is_page(response):
                target = budget.scratch / f"source{_suffix(address)}"
                return _save(response, target, address, budget), {"uri": address}
    except urllib.error.HTTPError as error:
        message = f"{_shown(address)} answers {error.code} {error.reason}"
        error.close()
        if error.code in TRY_AGAIN or error.code >= 500:
            raise DownloadFailedError(message) from error
        raise DownloadRefusedError(message) from error
    except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
        raise DownloadFailedError(f"{_shown(address)} cannot be read: {getattr(error, 'reason', error)}") from error
    return _from_page(address, max_height, budget, proxy)


def _is_page(response: http.client.HTTPResponse) -> bool:
    return response.headers.get_content_type() in ("text/html", "application/xhtml+xml")


def _suffix(address: str) -> str:
    """Return the file suffix of an address, where it is a plain one."""
    suffix = Path(urlsplit(address).path).suffix.lower()
    return suffix if suffix[1:].isalnum() and len(suffix) <= 8 else ".mp4"


def _save(response: http.client.HTTPResponse, target: Path, address: str, budget: "_Budget") -> Path:
    total = int(response.headers.get("Content-Length") or 0)
    done = 0
    with target.open("wb") as file:
        while chunk := response.read(CHUNK_BYTES):
            file.write(chunk)
            done += len(chunk)
            budget.advance(address, done, total)
    if total and done != total:
        raise DownloadFailedError(f"the connection broke after {done} of {total} bytes")
    return target


def _from_page(address: str, max_height: int, budget: "_Budget", proxy: str | None) -> tuple[Path, dict[str, str]]:
    """Download through yt-dlp: picture and sound apart where the site keeps them apart, joined without ffmpeg."""

    def progress(status: dict[str, Any]) -> None:
        done = int(status.get("downloaded_bytes") or 0)
        budget.advance(address, done, int(status.get("total_bytes") or status.get("total_bytes_estimate") or done))

    options: dict[str, Any] = {
        "format": f"bv*[height<={max_height}],ba/b[height<={max_height}]/b",
        "outtmpl": str(budget.scratch / "page.%(format_id)s.%(ext)s"),
        "noplaylist": True,
        "quiet": True,
        "no_warnings": True,
        "noprogress": True,
        "logger": _Silent(),
        "progress_hooks": [progress],
        "socket_timeout": TIMEOUT_SECONDS,
        "fixup": "never",
        "cachedir": False,
        # Everything is fetched by yt-dlp itself: another program would not keep to the proxy.
        "ffmpeg_location": str(budget.scratch),
        "external_downloader": {"default": "native"},
        "max_filesize": budget.limits.max_bytes,
        **({"proxy": proxy} if proxy else {}),
    }
    try:
        with yt_dlp.YoutubeDL(options) as downloader:
            found = downloader.extract_info(address, download=True)
    except yt_dlp.utils.DownloadError as error:
        words = str(error).removeprefix("ERROR: ").strip().splitlines()[0]
        if isinstance(getattr(error, "exc_info", (None, None))[1], yt_dlp.networking.exceptions.TransportError):
            raise DownloadFailedError(f"{_shown(address)}: {words}") from error
        raise DownloadRefusedError(
            f"{_shown(address)} gives a page without a video that can be had: {words}"
        ) from error
    files = sorted(budget.scratch.glob("page.*"), key=lambda path: -path.stat().st_size)
    if not files:
        raise DownloadRefusedError(f"{_shown(address)} gives a page without a video")
    path = _join(files, budget.scratch / "source.mkv") if len(files) > 1 else files[0]
    fields = {"title": "title", "uploader": "uploader", "licence": "license", "page": "webpage_url"}
    fields |= {"format": "format_id", "extractor": "extractor"}
    known = {name: str(found[field]) for name, field in fields.items() if found.get(field)}
    return path, {"uri": address, **known}


def _join(files: list[Path], target: Path) -> Path:
    """Copy the picture of one file and the sound of another into one file, without decoding."""
    with ExitStack() as stack:
        sources = [stack.enter_context(_open(path)) for path in files]
        pictures = [stream for source in sources for stream in source.streams.video[:1]]
        sounds = [stream for source in sources for stream in source.streams.audio[:1]]
        output = stack.enter_context(av.open(str(target), "w", container_options={"fflags": "+bitexact"}))
        streams = [*pictures[:1], *sounds[:1]]
        # A container takes its streams before its first packet.
        copies = {id(stream): output.add_stream_from_template(stream) for stream in streams}
        packets = [_packets(stream, copies[id(stream)]) for stream in streams]
        for _, packet in heapq.merge(*packets, key=lambda item: item[0]):
            output.mux(packet)
    return target


def _open(path: Path) -> Any:
    return av.open(str(path.resolve()), options={"protocol_whitelist": "file"})


def _packets(stream: Any, copied: Any) -> Iterator[tuple[float, Any]]:
    """Yield a stream's packets with their times, on their way into another file."""
    for packet in stream.container.demux(stream):
        if packet.dts is not None:
            time = float(packet.dts * packet.time_base)
            packet.stream = copied
            yield time, packet


class _Silent:
    """Swallows yt-dlp's own output; errors come as exceptions."""

    def debug(self, message: str) -> None:
        """Drop a message."""

    def warning(self, message: str) -> None:
        """Drop a message."""

    def error(self, message: str) -> None:
        """Drop a message."""
