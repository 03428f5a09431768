"""Cleans text from outside: file names, pages, containers, tables, messages of other programs."""

import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes, urlencode, urlsplit

# Addresses in a text, and paths with a query, as HTTP libraries name what they ask for.
_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s'\"<>`]+", re.IGNORECASE)
_PATH_WITH_QUERY = re.compile(r"(?<![\w/:])(/[^\s?'\"<>`]*)\?[^\s'\"<>`]+")
# What a query says of which video is meant, by site.
_NAMES_A_VIDEO = {"youtube.com": ("v",)}


def clean_text(text: str) -> str:
    """Return a text that every format can hold.

    Halves of surrogate pairs become U+FFFD where their other half is missing; control characters and line breaks become
    spaces; spaces are not repeated.

    Args:
        text: Any string, such as one that Python made of bytes that are no UTF-8.
    """
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    plain = "".join(" " if unicodedata.category(character) == "Cc" else character for character in whole)
    return " ".join(plain.split())


def shown_address(address: str) -> str:
    """Return an address as it may be shown and kept: without user, password, query and fragment, which may be secrets.

    Of YouTube's query the name of the video stays.
    """
    try:
        parts = urlsplit(address)
        site = (parts.hostname or "").removeprefix("www.").removeprefix("m.")
    except ValueError:
        return f"{address.partition('://')[0]}://..."
    kept = [(name, value) for name, value in parse_qsl(parts.query) if name in _NAMES_A_VIDEO.get(site, ())]
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query=urlencode(kept), fragment="").geturl()


def without_secrets(text: str) -> str:
    """Return a text in which every address is one that may be shown; see `shown_address`."""
    if "/" not in text:
        return text
    return _PATH_WITH_QUERY.sub(r"\1", _ADDRESS.sub(lambda found: shown_address(found[0]), text))


def all_without_secrets(value: Any) -> Any:
    """Return a value of texts, mappings and sequences, without secrets in any of its texts."""
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, Mapping):
        return {key: all_without_secrets(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [all_without_secrets(one) for one in value]
    return value


def path_text(path: Path) -> str:
    """Return a path as a text that every format can hold, and that `path_of` leads back.

    A path whose bytes are UTF-8 stays as it is; any other becomes a file: address with its bytes escaped.
    """
    text = str(path)
    return text if clean_text(text) == text else path.absolute().as_uri()


def path_of(text: str) -> Path:
    """Return the path that `path_text` made a text of."""
    if not text.startswith("file:///"):
        return Path(text)
    return Path(os.fsdecode(unquote_to_bytes(urlsplit(text).path)))


def counted(count: int, thing: str, things: str = "") -> str:
    """Return a number of things in words, such as `1 clip` or `3 clips`; `things` where an s does not make it many."""
    return f"{count} {thing if count == 1 else things or f'{thing}s'}"
