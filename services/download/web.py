"""Getting a video from the web: a file as it is, a page through yt-dlp."""

import heapq
import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import yt_dlp

from talkmill.stage.contract import StageContext
from talkmill.stage.errors import DownloadFailedError, DownloadRefusedError

TIMEOUT_SECONDS = 60
CHUNK_BYTES = 1 << 20
# Some servers refuse clients without a name.
USER_AGENT = "talkmill"
# HTTP answers that mean "not now"; every other 4xx means "no".
TRY_AGAIN = (408, 425, 429)


def fetch_url(address: str, max_height: int, context: StageContext) -> tuple[Path, dict[str, str]]:
    """Download a video.

    Args:
        address: http(s) address of a file or of a page.
        max_height: The best video up to this height is taken from a page.
        context: Scratch folder and progress.

    Returns:
        The local file and its provenance.

    Raises:
        DownloadRefusedError: The server does not give a video.
        DownloadFailedError: The network failed.
    """
    request = urllib.request.Request(address, headers={"User-Agent": USER_AGENT})  # noqa: S310 - http(s) only
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
            if not _is_page(response):
                suffix = Path(urlsplit(address).path).suffix or ".mp4"
                return _save(response, context.scratch / f"source{suffix}", context), {"uri": address}
    except urllib.error.HTTPError as error:
        message = f"{address} answers {error.code} {error.reason}"
        error.close()
        if error.code in TRY_AGAIN or error.code >= 500:
            raise DownloadFailedError(message) from error
        raise DownloadRefusedError(message) from error
    except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
        raise DownloadFailedError(f"{address} cannot be read: {getattr(error, 'reason', error)}") from error
    return _from_page(address, max_height, context)


def _is_page(response: http.client.HTTPResponse) -> bool:
    return response.headers.get_content_type() in ("text/html", "application/xhtml+xml")


def _save(response: http.client.HTTPResponse, target: Path, context: StageContext) -> Path:
    total = int(response.headers.get("Content-Length") or 0)
    done = 0
    with target.open("wb") as file:
        while chunk := response.read(CHUNK_BYTES):
            file.write(chunk)
            done += len(chunk)
            context.advance(done, max(done, total), "bytes")
    if total and done != total:
        raise DownloadFailedError(f"the connection broke after {done} of {total} bytes")
    return target


def _from_page(address: str, max_height: int, context: StageContext) -> tuple[Path, dict[str, str]]:
    """Download through yt-dlp: picture and sound apart where the site keeps them apart, joined without ffmpeg."""

    def progress(status: dict[str, Any]) -> None:
        done = int(status.get("downloaded_bytes") or 0)
        context.advance(done, int(status.get("total_bytes") or status.get("total_bytes_estimate") or done), "bytes")

    options: dict[str, Any] = {
        "format": f"bv*[height<={max_height}],ba/b[height<={max_height}]/b",
        "outtmpl": str(context.scratch / "page.%(format_id)s.%(ext)s"),
        "noplaylist": True,
        "quiet": True,
        "no_warnings": True,
        "noprogress": True,
        "logger": _Silent(),
        "progress_hooks": [progress],
        "socket_timeout": TIMEOUT_SECONDS,
        "fixup": "never",
        "cachedir": False,
    }
    try:
        with yt_dlp.YoutubeDL(options) as downloader:
            found = downloader.extract_info(address, download=True)
    except yt_dlp.utils.DownloadError as error:
        words = str(error).removeprefix("ERROR: ").splitlines()[0]
        if isinstance(getattr(error, "exc_info", (None, None))[1], yt_dlp.networking.exceptions.TransportError):
            raise DownloadFailedError(f"{address}: {words}") from error
        raise DownloadRefusedError(f"{address} gives a page without a video that can be had: {words}") from error
    files = sorted(context.scratch.glob("page.*"), key=lambda path: -path.stat().st_size)
    if not files:
        raise DownloadRefusedError(f"{address} gives a page without a video")
    path = _join(files, context.scratch / "source.mkv") if len(files) > 1 else files[0]
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
