"""Maps yt-dlp's exceptions and messages to errors of the table."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

from yt_dlp.networking.exceptions import HTTPError, RequestError
from yt_dlp.utils import ContentTooShortError, GeoRestrictedError, UnavailableVideoError

from talkmill.address import AddressSecrets
from talkmill.stages.errors import (
    AgeRestrictedError,
    DownloadFailedError,
    DownloadRefusedError,
    FormatMissingError,
    GeoBlockedError,
    RateLimitedError,
    SignInRequiredError,
    StageError,
    StorageFullError,
    VideoPrivateError,
    VideoRemovedError,
)

# What sites say, as yt-dlp hands it on; the first that fits wins. Recorded texts: tests/unit/stages/test_reasons.py.
_WORDS: tuple[tuple[str, type[StageError]], ...] = (
    (r"no space left|disk quota exceeded", StorageFullError),
    (r"too many requests|http error 429|rate-limited|try again later", RateLimitedError),
    (r"confirm your age|age[- ]restricted|inappropriate for some users", AgeRestrictedError),
    (r"private video|video is private", VideoPrivateError),
    (
        r"in your country|from your location|geo[- ]?restrict|not available in your|region",
        GeoBlockedError,
    ),
    (
        r"not a bot|sign in|log ?in|members[- ]only|join this channel|registered users|purchase|requires payment",
        SignInRequiredError,
    ),
    (
        r"has been removed|no longer available|account associated with this video|been terminated|does not exist|"
        r"video unavailable|this video is (not available|unavailable)|http error (404|410)|copyright",
        VideoRemovedError,
    ),
    (
        r"requested format is not available|no video formats|only images are available|n challenge solving failed|"
        r"drm protected",
        FormatMissingError,
    ),
    (
        r"timed out|connection (reset|refused|aborted|broken)|unable to connect|failed to resolve|name resolution|"
        r"temporary failure|incomplete ?read|remote end closed|network is unreachable|ssl|"
        r"(more|less) expected|downloaded \d+ bytes, expected|giving up after|bytes missing|redirect loop|"
        r"http error (5\d\d|408)",
        DownloadFailedError,
    ),
)


# What counts before the type of the exception. The page is there, and the file of a format, or a segment of it, is not
# given: the next format may be. A manifest names files of this machine.
_MEDIA: tuple[tuple[str, type[StageError]], ...] = (
    (r"file:// urls are disabled", DownloadRefusedError),
    (r"(unable to download video data|\[download\] got error): http error 4(03|04|10)", FormatMissingError),
)
_ANSWERS: dict[int, type[StageError]] = {
    404: VideoRemovedError,
    410: VideoRemovedError,
    429: RateLimitedError,
    451: GeoBlockedError,
}


@contextmanager
def kept_out(secrets: AddressSecrets) -> Iterator[None]:
    """Take the secrets of the addresses on a download's way out of the error that it ends with."""
    try:
        yield
    except StageError as error:
        error.args = (secrets.out_of(str(error)),)
        raise


def error_of(address: str, error: BaseException) -> StageError:
    """Return the error that a failed download stands for, with the downloader's own words.

    Args:
        address: The address, without its secrets.
        error: What yt-dlp raised.
    """
    words = " ".join(str(error).removeprefix("ERROR: ").split())
    kind = _by_words(words, _MEDIA) or _by_type(error) or _by_words(words, _WORDS)
    if kind is None:
        return DownloadRefusedError(f"{address} gives a page without a video that can be had: {words}")
    return kind(f"{address}: {words}")


def _by_words(words: str, table: tuple[tuple[str, type[StageError]], ...]) -> type[StageError] | None:
    return next((kind for pattern, kind in table if re.search(pattern, words, re.I)), None)


def retry_after_seconds(error: BaseException) -> float | None:
    """Return how long the site asks to wait, where it says so (RFC 9110, 10.2.3, in seconds)."""
    for cause in causes(error):
        if isinstance(cause, HTTPError):
            text = cause.response.headers.get("Retry-After", "")
            return float(text) if text.isdigit() else None
    return None


def error_of_status(status: int) -> type[StageError] | None:
    """Return the error that an HTTP status stands for; None for a "no" without a reason of its own."""
    if status in (408, 425) or status >= 500:
        # "Not now": it may pass.
        return DownloadFailedError
    return _ANSWERS.get(status)


def _by_type(error: BaseException) -> type[StageError] | None:
    for cause in causes(error):
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return StorageFullError
        if isinstance(cause, GeoRestrictedError):
            return GeoBlockedError
        if isinstance(cause, HTTPError):
            return DownloadFailedError if cause.redirect_loop else error_of_status(cause.status)
        if isinstance(cause, RequestError | ContentTooShortError | UnavailableVideoError | TimeoutError):
            return DownloadFailedError
    return None


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and all that it wraps, outermost first."""
    waiting, seen = [error], set()
    while waiting:
        current = waiting.pop(0)
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        wrapped = getattr(current, "exc_info", None)
        waiting += [current.__cause__, getattr(current, "cause", None)]
        waiting += [wrapped[1]] if wrapped else []
        # yt-dlp asks one HTTP library after the other, and keeps what none of them could say.
        waiting += getattr(current, "unexpected_errors", ())
        waiting.append(current.__context__)
