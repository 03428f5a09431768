"""Addresses as they are shown and kept. The one place that says which part of an address may be a secret.

User, password, query and fragment may be. Of a query stays what names a video on a site of VIDEO_PARAMETERS.
"""

import hashlib
import re
import string
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, unquote_plus, urlencode, urlsplit

# Sites whose pages name their video in the query: the parameter, and what its value looks like.
VIDEO_PARAMETERS = {
    "youtube.com": ("v", re.compile(r"[\w-]{6,20}", re.ASCII)),
    "youtube-nocookie.com": ("v", re.compile(r"[\w-]{6,20}", re.ASCII)),
    "facebook.com": ("v", re.compile(r"\d{6,20}", re.ASCII)),
}
# What stands in a text in place of a part of an address.
LEFT_OUT = "[...]"
# Shorter values of a query occur in ordinary text; beside the name of their parameter any is found.
_SHORTEST_VALUE, _SHORTEST_PASSWORD = 8, 3
_HTTP = re.compile(r"https?://", re.IGNORECASE)
# What stands between blanks and quotes: whole addresses, paths and names lie in one.
_WORD = re.compile(r"[^\s'\"<>`\\]+")
# A path that begins at a slash, as HTTP libraries name what they ask for.
_PATH = re.compile(r"(?:^|[^\w/:])/")
# Python's paths have one slash where the address had two.
_HTTP_IN_PATH = re.compile(r"https?:/(?!/)", re.IGNORECASE)
# A user and a password before a host, without a scheme.
_USER = re.compile(r"^([(\[{]*)[^/@:]+:[^/@]+@(?=[\w-]+\.|localhost)")
_IN_SCHEMES = string.ascii_letters + string.digits + "+.-"
_LONGEST_SUFFIX = 5
# Closes a sentence or a bracket around an address more often than it ends one.
_CLOSING = ".,;:!?)]}"
_OPENING = "([{"


def is_address(text: str) -> bool:
    """Say whether a source is an http(s) address."""
    return _HTTP.match(text) is not None


def is_readable(address: str) -> bool:
    """Say whether an address can be split into its parts, and names a host."""
    parts = _read(address)
    return parts is not None and bool(parts.hostname)


def shown_address(address: str) -> str:
    """Return an address without what may be a secret; of one that cannot be read nothing but its scheme."""
    parts = _read(address)
    if parts is None or not parts.scheme:
        return f"{address.partition(':')[0][:20]}://{LEFT_OUT}" if ":/" in address else LEFT_OUT
    # An address inside the path, as of a site that shows others, may have a user of its own.
    path = re.sub(r"(:/{1,2})[^/]*@", r"\1", parts.path)
    video = _video_parameter(parts)
    query = urlencode([video]) if video else ""
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], path=path, query=query, fragment="").geturl()


def address_sha256(address: str) -> str:
    """Return what tells an address from others without telling it: the hex sha256 of all of it."""
    return hashlib.sha256(address.encode("utf-8", "surrogatepass")).hexdigest()


def without_secrets(text: str) -> str:
    """Return a text in which every address is as it is shown, and no name of a file or a path has a query.

    Where a name may end in a query or not, it is taken for one if it has a `=`, or follows a path or a suffix.
    """
    if not any(mark in text for mark in ("?", "#", "@", ":/")):
        return text
    return _WORD.sub(lambda found: _shown_word(found[0]), text)


def all_without_secrets(value: Any) -> Any:
    """Return a value of texts, mappings and sequences, without secrets in any of its texts."""
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, Mapping):
        return {key: all_without_secrets(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [all_without_secrets(one) for one in value]
    return value


def _shown_word(word: str) -> str:
    """Return a word of a text as `without_secrets` shows it."""
    body = word.rstrip(_CLOSING)
    closing = word[len(body) :]
    body = _HTTP_IN_PATH.sub(lambda found: f"{found[0]}/", body)
    address_at = _address_start(body)
    query_at = _query_start(body, len(body) if address_at is None else address_at)
    if query_at is not None:
        body = body[:query_at] + _video_of(body.lstrip(_OPENING))
    elif address_at is not None:
        body = body[:address_at] + shown_address(body[address_at:])
    return _USER.sub(r"\1", body) + closing


def _address_start(word: str) -> int | None:
    """Return where an address with its scheme begins; None where there is none."""
    mark = word.find("://")
    if mark < 0:
        return None
    before = word[:mark]
    scheme = before[len(before.rstrip(_IN_SCHEMES)) :].lstrip(string.digits + "+.-")
    return mark - len(scheme) if scheme else None


def _query_start(word: str, end: int) -> int | None:
    """Return where a query or a fragment begins that follows a name or a path before `end`; None where none does."""
    for mark in "?#":
        at = word.find(mark, 1, end)
        if at < 0 or at == len(word) - 1:
            continue
        name = word[:at]
        stem, dot, suffix = name.rpartition(".")
        has_suffix = bool(stem and dot) and suffix.isalnum() and len(suffix) <= _LONGEST_SUFFIX
        if "=" in word[at:] or (mark == "?" and (has_suffix or _PATH.search(name))):
            return at
    return None


def _video_of(word: str) -> str:
    """Return the query that names a video, of an address without a scheme; empty where there is none."""
    parts = _read(f"//{word}")
    video = _video_parameter(parts) if parts else None
    return f"?{urlencode([video])}" if video else ""


class AddressSecrets:
    """The secrets of known addresses, to be taken out of texts that quote a piece of one."""

    def __init__(self, addresses: Iterable[str] = ()) -> None:
        """Collect the secrets of addresses."""
        self._pieces: set[str] = set()
        for address in addresses:
            self.add(address)

    def add(self, address: str) -> None:
        """Collect the secrets of one more address."""
        parts = _read(address)
        if parts is None:
            return
        kept = _video_parameter(parts)
        user, _, password = parts.netloc.rpartition("@")[0].partition(":")
        pieces = [(f"{user}:{password}", 2), (password, _SHORTEST_PASSWORD), (user, _SHORTEST_VALUE)]
        pieces += [(parts.fragment, _SHORTEST_VALUE)]
        if kept is None or parts.query != urlencode([kept]):
            pieces.append((parts.query, _SHORTEST_PASSWORD))
        for pair in re.split("[&;]", parts.query):
            name, _, value = pair.partition("=")
            if kept != (unquote_plus(name), unquote_plus(value)):
                pieces += [(pair, _SHORTEST_PASSWORD), (value or name, _SHORTEST_VALUE)]
        for piece, shortest in pieces:
            if len(piece) >= shortest:
                self._pieces |= {piece, unquote(piece), unquote_plus(piece)}

    def out_of(self, text: str) -> str:
        """Return a text without them, and with every address in it as it is shown."""
        text = without_secrets(text)
        for piece in sorted(self._pieces, key=len, reverse=True):
            text = text.replace(piece, LEFT_OUT)
        return text


def _read(address: str) -> SplitResult | None:
    """Split an address; None where it cannot be read."""
    try:
        parts = urlsplit(address)
        # Reading the port checks it: what stands there may be a password with a slash in it.
        _ = parts.port
    except ValueError:
        return None
    return parts


def _video_parameter(parts: SplitResult) -> tuple[str, str] | None:
    """Return name and value of the parameter that names a video on its site."""
    host = (parts.hostname or "").lower()
    for site, (name, form) in VIDEO_PARAMETERS.items():
        if host == site or host.endswith(f".{site}"):
            value = parse_qs(parts.query).get(name, [""])[0]
            return (name, value) if form.fullmatch(value) else None
    return None
