"""Cleans text from outside: file names, pages, containers, tables, messages of other programs."""

import os
import re
import unicodedata
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

# Unicode's classes of characters that turn the direction of what follows: a name with one rearranges a line.
_TURNING = frozenset(["LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"])
# Of an absolute path; what stands before it is no part of an address or of a relative path.
_FOLDERS = re.compile(r"(?<![\w:/.%~?&=#+-])/(?:[^\s/'\"<>:]+/)+(?=[^\s/'\"])")
# Control characters, halves of surrogate pairs, separators of lines and of paragraphs.
_NO_TEXT = frozenset(["Cc", "Cs", "Zl", "Zp"])


def clean_text(text: str) -> str:
    """Return a text that every format can hold.

    Halves of surrogate pairs become U+FFFD where their other half is missing; control characters, line breaks and what
    turns the direction of writing become spaces; spaces are not repeated.

    Args:
        text: Any string, such as one that Python made of bytes that are no UTF-8.
    """
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    plain = "".join(" " if _rearranges(character) else character for character in whole)
    return " ".join(plain.split())


def is_plain(text: str) -> bool:
    """Say whether a text is one line that every format can hold: what `clean_text` gives always is.

    Joiners, private and unassigned characters are plain: names in Persian and Hindi, emoji and fonts use them.
    """
    return not any(_rearranges(character) for character in text)


def _rearranges(character: str) -> bool:
    return unicodedata.category(character) in _NO_TEXT or unicodedata.bidirectional(character) in _TURNING


def without_folders(text: str) -> str:
    """Return a text in which every absolute path is the name of its file: folders of a server are nobody's business.

    Paths inside addresses, and keys of a store, stay.
    """
    return _FOLDERS.sub("", text)


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
