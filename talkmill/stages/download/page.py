"""Downloads the video of a page with yt-dlp: formats in turn, retries with back-off, resumed partial files."""

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.request import getproxies

import yt_dlp
from yt_dlp.networking import Request
from yt_dlp.networking._urllib import RedirectHandler, UrllibRH
from yt_dlp.networking.exceptions import HTTPError

from talkmill.address import AddressSecrets, shown_address
from talkmill.stages.download.credentials import Credentials, same_origin, without_credentials
from talkmill.stages.download.reasons import error_of, kept_out, retry_after_seconds
from talkmill.stages.errors import (
    DownloadFailedError,
    DownloadRefusedError,
    FormatMissingError,
    StageError,
)
from talkmill.text import clean_text
from talkmill.video.join import join_streams, length_seconds

TIMEOUT_SECONDS = 60
# Sound of one video may be longer or shorter than its picture by this much, and this share of it.
LENGTH_SLACK_SECONDS, LENGTH_SLACK = 2.0, 0.02
# A pause between two tries never grows beyond this.
LONGEST_PAUSE_SECONDS = 900.0
# Fields of yt-dlp's answer that say where a video comes from, by our names.
PROVENANCE = {
    "title": "title",
    "uploader": "uploader",
    "licence": "license",
    "page": "webpage_url",
    "format": "format_id",
    "extractor": "extractor",
}


@dataclass(frozen=True, slots=True)
class PageOptions:
    """How a page is asked.

    Attributes:
        max_height: The best video up to this height is taken, in pixels.
        cookies_file: Netscape cookie file of an account.
        cookies_from_browser: Browser whose cookies are read, as `firefox` or `chrome:Profile 1`.
        proxy: Address of the proxy that everything goes through; None for the way that the environment names.
        max_bytes_per_second: Bound on the rate of one download; 0 for none.
        sleep_seconds: Pause between requests.
        retries: Further tries after a failure that may pass.
        back_off_seconds: Pause before the first of them; it doubles.
        max_bytes: The largest file; None for any.
    """

    max_height: int = 1080
    cookies_file: Path | None = None
    cookies_from_browser: str | None = None
    proxy: str | None = None
    max_bytes_per_second: int = 0
    sleep_seconds: float = 0.0
    retries: int = 0
    back_off_seconds: float = 5.0
    max_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """What came.

    Attributes:
        path: The video with its sound.
        provenance: `title`, `uploader`, `licence`, `page`, `format`, `extractor`, where known.
        attempts: Tries that it took.
        notes: What the user should know.
    """

    path: Path
    provenance: dict[str, str]
    attempts: int
    notes: tuple[str, ...] = ()


def fetch_page(
    address: str,
    folder: Path,
    options: PageOptions,
    progress: Callable[[int, int], None],
    sleep: Callable[[float], None] = time.sleep,
) -> Page:
    """Download the video of a page.

    Args:
        address: http(s) address of a page or of a file.
        folder: Where files are written; partial ones of an earlier try are taken up again.
        options: How it is asked.
        progress: Called with bytes done and bytes in all; what it raises ends the download.
        sleep: Waits for seconds.

    Returns:
        The file.

    Raises:
        DownloadRefusedError: The site does not give it.
        DownloadFailedError: The network failed, in every try.
        StageError: Another reason; `talkmill.stages.download.reasons` has them all.
    """
    secrets = AddressSecrets([address, *([options.proxy] if options.proxy else []), *getproxies().values()])
    for attempt in range(options.retries + 1):
        try:
            with kept_out(secrets):
                return replace(_first_format(address, secrets, folder, options, progress), attempts=attempt + 1)
        except DownloadFailedError as error:
            if attempt == options.retries:
                raise
            asked = retry_after_seconds(error) or 0.0
            sleep(min(LONGEST_PAUSE_SECONDS, max(asked, options.back_off_seconds * 2**attempt)))
    raise AssertionError("unreachable")


def _selectors(max_height: int) -> tuple[str, ...]:
    """Format selectors, best first: picture and sound apart, both in one file, and what is nearest above the height.

    Separate files are joined here, so that no ffmpeg is needed.
    """
    return (
        f"bv*[height<={max_height}],ba/b[height<={max_height}]/b",
        f"b[height<={max_height}]/b",
        f"wv*[height>{max_height}],ba/w",
    )


def _first_format(
    address: str,
    secrets: AddressSecrets,
    folder: Path,
    options: PageOptions,
    progress: Callable[[int, int], None],
) -> Page:
    """Try the selectors in turn; the reason of the first counts where none works."""
    first: StageError | None = None
    for selector in _selectors(options.max_height):
        try:
            return _download(address, secrets, folder, selector, options, progress)
        except (FormatMissingError, DownloadRefusedError) as error:
            if type(error) not in (FormatMissingError, DownloadRefusedError):
                raise
            first = first or error
    assert first is not None  # noqa: S101 - there are selectors
    raise first


def _download(
    address: str,
    secrets: AddressSecrets,
    folder: Path,
    selector: str,
    options: PageOptions,
    progress: Callable[[int, int], None],
) -> Page:
    """Download one video of a page, the first, and bring its picture and its sound together."""

    def hook(status: dict[str, Any]) -> None:
        done = int(status.get("downloaded_bytes") or 0)
        progress(done, int(status.get("total_bytes") or status.get("total_bytes_estimate") or done))

    shown = shown_address(address)
    plain, credentials = without_credentials(address)
    try:
        with _Downloader(_yt_dlp_options(folder, selector, options, hook), secrets, credentials) as downloader:
            found = downloader.extract_info(plain, download=True)
    except yt_dlp.utils.YoutubeDLError as error:
        raise error_of(shown, error) from error
    entry, count = _first_video(found)
    if entry.get("is_live"):
        raise DownloadRefusedError(f"{shown} is live: it can be had once it has ended")
    path = _one_file(entry, shown, folder)
    provenance = {
        ours: secrets.out_of(clean_text(str(entry[theirs]))) for ours, theirs in PROVENANCE.items() if entry.get(theirs)
    }
    notes = (f"{shown} holds {count} videos: the first is taken",) if count > 1 else ()
    return Page(path, provenance, 1, notes)


def _first_video(found: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Return the first video of what yt-dlp found, and how many there are on its page."""
    count = 1
    while "entries" in found:
        entries = list(found["entries"])
        count = max(count, int(found.get("playlist_count") or len(entries)))
        if not entries or entries[0] is None:
            return {}, count
        found = entries[0]
    return found, count


def _one_file(entry: dict[str, Any], shown: str, folder: Path) -> Path:
    """Return the file of a video: what was downloaded of this one entry, its sound joined to its picture."""
    files = {Path(one["filepath"]): one for one in entry.get("requested_downloads") or ()}
    pictures = [path for path, one in files.items() if one.get("vcodec") != "none"]
    if not pictures:
        raise DownloadRefusedError(f"{shown} gives a page without a video")
    picture = pictures[0]
    others = [path for path, one in files.items() if path != picture and one.get("acodec") != "none"]
    if not others:
        return picture
    _check_same_length(picture, others[0], shown)
    joined = folder / "source.mkv"
    join_streams(picture, others[0], joined)
    for path in files:
        path.unlink()
    return joined


def _check_same_length(picture: Path, sound: Path, shown: str) -> None:
    """Raise DownloadFailedError where the lengths of picture and sound say that they are of two videos."""
    seconds = [length_seconds(path) for path in (picture, sound)]
    if None in seconds:
        return
    one, other = (float(value or 0) for value in seconds)
    if abs(one - other) > LENGTH_SLACK_SECONDS + LENGTH_SLACK * max(one, other):
        raise FormatMissingError(
            f"{shown} gives {one:.1f} s of picture and {other:.1f} s of sound, which are not of one video",
            measure=round(abs(one - other), 3),
        )


def _yt_dlp_options(
    folder: Path, selector: str, options: PageOptions, hook: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    chosen: dict[str, Any] = {
        "format": selector,
        "outtmpl": str(folder / f"page.%({_FILE_ID})s.%(format_id).60B.%(ext)s"),
        "noplaylist": True,
        # Of a page with several videos the first: the formats of two must never meet.
        "playlist_items": "1",
        "match_filter": _no_live,
        "quiet": True,
        "no_warnings": True,
        "noprogress": True,
        "logger": _Silent(),
        "progress_hooks": [hook],
        "socket_timeout": TIMEOUT_SECONDS,
        "continuedl": True,
        "fixup": "never",
        "cachedir": False,
        # Everything is fetched by yt-dlp itself: another program would not keep to the proxy.
        "ffmpeg_location": str(folder),
        "external_downloader": {"default": "native"},
        "retries": options.retries,
        "fragment_retries": options.retries,
        # A segment that is missing would be a hole in the video.
        "skip_unavailable_fragments": False,
        "extractor_retries": options.retries,
        "retry_sleep_functions": dict.fromkeys(
            ("http", "fragment", "extractor"),
            lambda n: min(LONGEST_PAUSE_SECONDS, options.back_off_seconds * 2 ** (n - 1)),
        ),
        "sleep_interval_requests": options.sleep_seconds,
    }
    if options.cookies_file:
        chosen["cookiefile"] = str(options.cookies_file)
    if options.cookies_from_browser:
        browser, _, profile = options.cookies_from_browser.partition(":")
        chosen["cookiesfrombrowser"] = (browser, profile or None, None, None)
    if options.proxy:
        chosen["proxy"] = options.proxy
    if options.max_bytes_per_second:
        chosen["ratelimit"] = options.max_bytes_per_second
    if options.max_bytes:
        chosen["max_filesize"] = options.max_bytes
    return chosen


def _no_live(entry: dict[str, Any], *, incomplete: bool = False) -> str | None:
    """Leave out what has no end yet; the caller says so."""
    return "is live" if entry.get("is_live") else None


# Field of yt-dlp's answer that files are named after: an id may be a piece of an address, with what it hides.
_FILE_ID = "talkmill_id"


class _Downloader(yt_dlp.YoutubeDL):  # type: ignore[misc]
    """Downloads, names files after a hash of the video's id, and collects the secrets of every address on the way."""

    def __init__(self, options: dict[str, Any], secrets: AddressSecrets, credentials: Credentials | None) -> None:
        self._secrets, self._credentials = secrets, credentials
        super().__init__(options)

    def build_request_director(self, handlers: Iterable[Any], preferences: Any = None) -> Any:
        """Choose what opens addresses: where yt-dlp would take urllib, what takes no password along."""
        own = [_Urllib if handler is UrllibRH else handler for handler in handlers]
        return super().build_request_director(own, preferences)

    def urlopen(self, req: Any) -> Any:
        """Open an address; redirects and refusals tell where they came from."""
        request = Request(req) if isinstance(req, str) else req
        self._secrets.add(request.url)
        if self._credentials and self._credentials.are_for(request.url):
            request.headers["Authorization"] = self._credentials.authorization
        try:
            response = super().urlopen(request)
        except HTTPError as error:
            self._secrets.add(error.response.url or "")
            raise
        self._secrets.add(response.url or "")
        return response

    def process_info(self, info_dict: dict[str, Any]) -> Any:
        """Download one format of a video."""
        info_dict[_FILE_ID] = hashlib.sha256(str(info_dict.get("id")).encode()).hexdigest()[:16]
        return super().process_info(info_dict)


class _Redirects(RedirectHandler):  # type: ignore[misc]
    """Follows redirects; signs in nowhere but where it was asked to. yt-dlp's own does so anywhere."""

    # Before yt-dlp's.
    handler_order = RedirectHandler.handler_order - 1

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """Return the request that a redirect asks for."""
        followed = super().redirect_request(req, fp, code, msg, headers, newurl)
        if not same_origin(req.full_url, newurl):
            followed.remove_header("Authorization")
        return followed


class _Urllib(UrllibRH):  # type: ignore[misc]
    """Opens addresses with urllib. Where `requests` opens them, it keeps passwords to their host itself."""

    RH_KEY = UrllibRH.RH_KEY

    def _create_instance(self, *words: Any, **options: Any) -> Any:
        opener = super()._create_instance(*words, **options)
        opener.add_handler(_Redirects())
        return opener


class _Silent:
    """Swallows yt-dlp's own output; errors come as exceptions."""

    def debug(self, message: str) -> None:
        """Drop a message."""

    def warning(self, message: str) -> None:
        """Drop a message."""

    def error(self, message: str) -> None:
        """Drop a message."""
