"""Addresses as they are shown and kept. The one place that says which part of an address may be a secret.

User, password, query and fragment may be. Of a query stays what names a video on a site of VIDEO_PARAMETERS.
"""

import hashlib
import re
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
_ANY = re.compile(r"\b(?:[a-z][a-z0-9+.-]*://|https?:/)[^\s'\"<>`\\]+", re.IGNORECASE)
# Paths with a query, as HTTP libraries name what they ask for.
_PATH_WITH_QUERY = re.compile(r"(?<![\w/:])(/[^\s?'\"<>`]*)\?[^\s'\"<>`]+")
# Names of files with the query of the address that they were saved from, as wget leaves it.
_NAME_WITH_QUERY = re.compile(r"(?<![\w./:%~@-])([\w.%~-]*[\w%~-])\?[\w.%~-]+=[^\s'\"<>`]+")
# Closes a sentence or a bracket around an address more often than it ends one.
_CLOSING = ".,;:!?)]}"


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
    """Return a text in which every address is as it is shown, and no name of a file or a path has a query."""
    if "/" in text:
        text = _PATH_WITH_QUERY.sub(r"\1", _ANY.sub(_shown_in_text, text))
    return _NAME_WITH_QUERY.sub(r"\1", text) if "?" in text else text


def all_without_secrets(value: Any) -> Any:
    """Return a value of texts, mappings and sequences, without secrets in any of its texts."""
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, Mapping):
        return {key: all_without_secrets(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [all_without_secrets(one) for one in value]
    return value


def _shown_in_text(found: re.Match[str]) -> str:
    address = found[0].rstrip(_CLOSING)
    # A path of Python's has one slash where the address had two.
    whole = re.sub(r"^(https?):/(?!/)", r"\1://", address, flags=re.IGNORECASE)
    return shown_address(whole) + found[0][len(address) :]


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
