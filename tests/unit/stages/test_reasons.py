"""What sites say, recorded, and the reason that it stands for."""

import pytest
from yt_dlp.networking.exceptions import TransportError
from yt_dlp.utils import DownloadError, GeoRestrictedError

from talkmill.stages.download.reasons import error_of

RECORDED = [
    ("ERROR: [youtube] CPCoMyuBRM0: Video unavailable", "VIDEO_REMOVED"),
    (
        "ERROR: [youtube] x: Video unavailable. This video is no longer available because the YouTube account "
        "associated with this video has been terminated.",
        "VIDEO_REMOVED",
    ),
    ("ERROR: [youtube] x: Video unavailable. This video has been removed by the uploader", "VIDEO_REMOVED"),
    ("ERROR: [youtube] x: This video has been removed for violating YouTube's Terms of Service", "VIDEO_REMOVED"),
    (
        "ERROR: [youtube] x: Video unavailable. This video contains content from UMG, who has blocked it on copyright "
        "grounds",
        "VIDEO_REMOVED",
    ),
    (
        "ERROR: [youtube] x: Private video. Sign in if you've been granted access to this video. Use "
        "--cookies-from-browser or --cookies for the authentication.",
        "VIDEO_PRIVATE",
    ),
    (
        "ERROR: [youtube] x: Video unavailable. The uploader has not made this video available in your country",
        "GEO_BLOCKED",
    ),
    (
        "ERROR: [youtube] x: Video unavailable. This video contains content from SME, who has blocked it in your "
        "country on copyright grounds",
        "GEO_BLOCKED",
    ),
    (
        "ERROR: [youtube] x: Sign in to confirm your age. This video may be inappropriate for some users. Use "
        "--cookies-from-browser or --cookies for the authentication.",
        "AGE_RESTRICTED",
    ),
    (
        "ERROR: [youtube] x: Sign in to confirm you\u2019re not a bot. Use --cookies-from-browser or --cookies for the "
        "authentication.",
        "SIGN_IN_REQUIRED",
    ),
    (
        "ERROR: [youtube] x: Join this channel to get access to members-only content like this video, and other "
        "exclusive perks.",
        "SIGN_IN_REQUIRED",
    ),
    (
        "ERROR: [youtube] x: This content isn't available, try again later. The current session has been rate-limited "
        "by YouTube for up to an hour. It is recommended to use `-t sleep`",
        "RATE_LIMITED",
    ),
    ("ERROR: [youtube] x: Unable to download API page: HTTP Error 429: Too Many Requests", "RATE_LIMITED"),
    ("ERROR: [youtube] x: Requested format is not available. Use --list-formats", "FORMAT_MISSING"),
    ("ERROR: [youtube] x: Only images are available for download. use --list-formats to see them", "FORMAT_MISSING"),
    ("ERROR: [youtube] x: This video is DRM protected", "FORMAT_MISSING"),
    ("ERROR: unable to download video data: HTTP Error 503: Service Unavailable", "DOWNLOAD_FAILED"),
    ("ERROR: unable to download video data: HTTP Error 403: Forbidden", "FORMAT_MISSING"),
    ("ERROR: [generic] Unable to download webpage: HTTP Error 404: Not Found", "VIDEO_REMOVED"),
    ("ERROR: Unable to download video: [Errno 28] No space left on device", "STORAGE_FULL"),
    ("ERROR: [generic] Got error: 100 bytes read, 900 more expected", "DOWNLOAD_FAILED"),
    ("[download] Got error: Downloaded 5 bytes, expected 9 bytes. Giving up after 1 retries", "DOWNLOAD_FAILED"),
    ("ERROR: Unsupported URL: http://127.0.0.1/page", "DOWNLOAD_REFUSED"),
    ("ERROR: [generic] Unable to download webpage: HTTP Error 403: Forbidden", "DOWNLOAD_REFUSED"),
]


@pytest.mark.parametrize(("words", "reason"), RECORDED)
def test_a_sites_words_have_a_reason(words: str, reason: str) -> None:
    error = error_of("http://site.example/v", DownloadError(words))
    assert error.reason == reason
    assert words.removeprefix("ERROR: ") in str(error)


def test_an_exception_within_says_more_than_the_words() -> None:
    network = TransportError("the wire")
    geo = GeoRestrictedError("no")
    for cause, reason in ((network, "DOWNLOAD_FAILED"), (geo, "GEO_BLOCKED")):
        error = error_of("http://site.example/v", DownloadError("odd words", (type(cause), cause, None)))
        assert error.reason == reason
