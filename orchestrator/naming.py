"""Inputs of the command line to named sources."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from services.download.stage import is_address
from talkmill.artifacts.artifact import sha256_of
from talkmill.dataset.names import slug, split_of_person

# What a folder is searched for. A file that is named is tried whatever it is called.
VIDEO_SUFFIXES = frozenset(
    [
        ".mp4",
        ".m4v",
        ".mov",
        ".mkv",
        ".webm",
        ".avi",
        ".mpg",
        ".mpeg",
        ".ts",
        ".mts",
        ".m2ts",
        ".wmv",
        ".flv",
        ".3gp",
        ".ogv",
    ]
)


class InputError(ValueError):
    """An input is neither a file, a folder with videos, nor an address."""


@dataclass(frozen=True, slots=True)
class NamedSource:
    """A source and what its clips are called.

    Attributes:
        name: Base of the clips' names, unique in the run.
        original_name: File name or address.
        uri: Path or address.
        sha256: Content of a local file, else empty.
        size_bytes: Length of a local file, else 0.
        person: Who is seen; None when unknown.
        link: Whether the person stands in the clips' names.
        split: `train` or `test`.
    """

    name: str
    original_name: str
    uri: str
    sha256: str
    size_bytes: int
    person: str | None
    link: bool
    split: str

    @property
    def linked_person(self) -> str | None:
        """The person, where it stands in the clips' names."""
        return self.person if self.link else None


def collect_sources(inputs: Iterable[str], person: str | None, link: bool, split: str) -> list[NamedSource]:
    """Find the sources of a run, once each.

    Args:
        inputs: Files, folders and addresses.
        person: Who is seen in all of them; None when unknown.
        link: Whether the person stands in the clips' names.
        split: `train`, `test` or `by-person`.

    Returns:
        Sources in order, with unique names: two files of one name get the beginning of their hash.

    Raises:
        InputError: An input is nothing that can be run.
    """
    sources: list[NamedSource] = []
    for uri in _expand(inputs):
        if is_address(uri):
            stem = Path(urlsplit(uri).path).stem or urlsplit(uri).hostname or uri
            digest, size, original = "", 0, uri
        else:
            path = Path(uri)
            stem, digest, size, original = path.stem, sha256_of(path), path.stat().st_size, path.name
        chosen = split_of_person(person or stem) if split == "by-person" else split
        sources.append(NamedSource(slug(stem), original, uri, digest, size, person, link, chosen))
    return _with_unique_names(sources)


def _expand(inputs: Iterable[str]) -> list[str]:
    found: dict[str, None] = {}
    for text in inputs:
        path = Path(text)
        if is_address(text):
            found[text] = None
        elif path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.suffix.lower() in VIDEO_SUFFIXES and file.is_file())
            if not files:
                raise InputError(f"folder {text} holds no video ({', '.join(sorted(VIDEO_SUFFIXES))})")
            found |= {str(file.resolve()): None for file in files}
        elif path.is_file():
            found[str(path.resolve())] = None
        else:
            raise InputError(f"{text} is neither a file, a folder nor an http(s) address")
    return list(found)


def _with_unique_names(sources: list[NamedSource]) -> list[NamedSource]:
    """Tell same-named sources apart by what they hold; the same content twice is one source."""
    unique: dict[tuple[str, str], NamedSource] = {}
    for source in sources:
        unique.setdefault((source.name, source.sha256 or source.uri), source)
    names = [name for name, _ in unique]
    result = []
    for (name, identity), source in unique.items():
        if names.count(name) > 1:
            digest = source.sha256 or hashlib.sha256(identity.encode()).hexdigest()
            source = replace(source, name=f"{name}.{digest[:8]}")
        result.append(source)
    return result
