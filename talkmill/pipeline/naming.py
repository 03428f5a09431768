"""Names the sources of a run."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from talkmill.address import address_sha256, is_address, is_readable, shown_address, without_secrets
from talkmill.artifacts.artifact import Artifact, sha256_of
from talkmill.dataset.names import slug, split_of_person
from talkmill.pipeline.search import DUPLICATE, UNREADABLE, FolderSearch, PassedOver, told
from talkmill.text import clean_text, path_of, path_text


class InputError(ValueError):
    """An input is neither a file, a folder with videos, nor an address."""


@dataclass(frozen=True, slots=True)
class NamedSource:
    """A source and what its clips are called.

    Attributes:
        name: Base of the clips' names, unique in the run.
        original_name: File name, or address as it is shown.
        uri: Path, or the whole address: never shown, and kept only until it is downloaded.
        sha256: Content of a local file, else empty.
        size_bytes: Length of a local file, else 0.
        person: Who is seen; None when unknown.
        link: Whether the person stands in the clips' names.
        split: `train` or `test`.
        upload: The file in the store, where it was uploaded.
        address_sha256: Of the whole address (`talkmill.address.address_sha256`); empty for a file.
    """

    name: str
    original_name: str
    uri: str
    sha256: str
    size_bytes: int
    person: str | None
    link: bool
    split: Literal["train", "test"]
    upload: Artifact | None = None
    address_sha256: str = ""

    @property
    def identity(self) -> str:
        """What the source holds: the hash of a file, that of the address of anything else."""
        return self.sha256 or self.address_sha256

    @property
    def shown_name(self) -> str:
        """What the user calls it: a file by its name, with the run's own name beside it where that was marked."""
        if not self.sha256:
            return self.name
        return (
            self.original_name
            if self.name == slug(_file_stem(self.original_name))
            else f"{self.original_name} ({self.name})"
        )

    @property
    def linked_person(self) -> str | None:
        """The person, where it stands in the clips' names."""
        return self.person if self.link else None


@dataclass(frozen=True, slots=True)
class FoundSources:
    """The sources of a run, and what its folders hold beside them.

    Attributes:
        sources: In order.
        passed_over: What was not taken, by kind.
    """

    sources: Sequence[NamedSource]
    passed_over: tuple[PassedOver, ...] = ()


def collect_sources(inputs: Iterable[str], person: str | None, link: bool, split: str) -> FoundSources:
    """Find the sources of a run.

    Args:
        inputs: Files, folders and addresses.
        person: Who is seen in all of them; None when unknown.
        link: Whether the person stands in the clips' names.
        split: `train`, `test` or `by-person`.

    Returns:
        Sources in order, named after their files; `distinct_sources` leaves out copies, `unique_names` tells the rest
        apart.

    Raises:
        InputError: An input is nothing that can be run.
        OSError: A file that was named cannot be read.
    """
    search = FolderSearch()
    sources: list[NamedSource] = []
    for uri, searched in _expand(inputs, search).items():
        if is_address(uri):
            if not is_readable(uri):
                raise InputError(f"{shown_address(uri)} is not an address that can be read")
            sources.append(name_source(uri, uri, "", 0, person, link, split))
            continue
        path = path_of(uri)
        try:
            sha256, size_bytes = sha256_of(path), path.stat().st_size
        except OSError:
            if not searched:
                raise
            search.pass_over(UNREADABLE, path)
            continue
        sources.append(name_source(uri, path.name, sha256, size_bytes, person, link, split))
    if not sources:
        raise InputError(f"no video can be read; {told(search.passed_over)}")
    return FoundSources(sources, search.passed_over)


def with_plan(sources: Sequence[NamedSource], plan: Mapping[str, tuple[str, str]], link: bool) -> list[NamedSource]:
    """Give sources the person and the split of a plan.

    Args:
        sources: Named after their files.
        plan: Name of a clip to its person and its split.
        link: Whether persons stand in the clips' names.

    Returns:
        The sources.

    Raises:
        InputError: The plan does not name one of them.
    """
    known = {slug(name): row for name, row in plan.items()}
    missing = [source.original_name for source in sources if source.name not in known]
    if missing:
        raise InputError(f"the plan does not name {', '.join(missing[:5])}{' ...' if len(missing) > 5 else ''}")
    result = []
    for source in sources:
        person, split = known[source.name]
        chosen: Literal["train", "test"] = "test" if split == "test" else "train"
        result.append(replace(source, person=person, link=link, split=chosen))
    return result


def name_source(
    uri: str,
    original_name: str,
    sha256: str,
    size_bytes: int,
    person: str | None,
    link: bool,
    split: str,
    upload: Artifact | None = None,
) -> NamedSource:
    """Name one source after its file or address.

    Args:
        uri: Path or address; the file name of an upload.
        original_name: File name or address; what may be a secret in it is left out.
        sha256: Content of a file, else empty.
        size_bytes: Length of a file, else 0.
        person: Who is seen; None when unknown.
        link: Whether the person stands in the clips' names.
        split: `train`, `test` or `by-person`.
        upload: The file in the store, where it was uploaded.
    """
    person = without_secrets(clean_text(person)) if person else None
    digest = ""
    if upload is None and is_address(uri):
        digest, original_name = address_sha256(uri), shown_address(uri)
        stem = Path(urlsplit(original_name).path).stem or urlsplit(original_name).hostname or original_name
    else:
        original_name = without_secrets(original_name)
        # Of an upload nothing is read by its name.
        uri = uri if upload is None else without_secrets(uri)
        stem = _file_stem(original_name)
    fixed: Literal["train", "test"] = "test" if split == "test" else "train"
    chosen = split_of_person(person or stem) if split == "by-person" else fixed
    # Nothing may be left of a name that is all spaces.
    name = clean_text(original_name) or slug(stem)
    return NamedSource(slug(stem), name, uri, sha256, size_bytes, person, link, chosen, upload, digest)


def _file_stem(original_name: str) -> str:
    return clean_text(Path(original_name).stem)


def _expand(inputs: Iterable[str], search: FolderSearch) -> dict[str, bool]:
    """Return paths and addresses, each once, with whether it was found in a folder."""
    found: dict[str, bool] = {}
    for text in inputs:
        path = Path(text)
        if is_address(text):
            found[clean_text(text)] = False
        elif path.is_dir():
            files = search.videos(path)
            if not files:
                raise InputError(_no_video(text, search))
            for file in files:
                found.setdefault(path_text(file.resolve()), True)
        elif path.is_file():
            found[path_text(path.resolve())] = False
        else:
            shown = without_secrets(clean_text(text))
            raise InputError(f"{shown} is neither a file, a folder nor an http(s) address")
    return found


def _no_video(folder: str, search: FolderSearch) -> str:
    text = f"folder {clean_text(folder)} holds no video to run"
    if search.passed_over:
        text += f"; {told(search.passed_over)}. A file that you name is tried whatever it is called"
    return text


# Characters of a source's hash that tell it from others of its name, more where that is not enough.
MARKS = (0, 8, 16, 64)


def distinct_sources(found: FoundSources, taken: Mapping[str, str] | None = None) -> FoundSources:
    """Take each content once, whatever its files are called.

    Args:
        found: Sources, named after their files.
        taken: Name of a source that a data set holds to its identity. Of several files of one content the one that the
            set holds is taken, else the one with the shortest name: a copy has the longer.

    Returns:
        The sources that are left, in order, with the others among what was passed over.
    """
    by_preference = sorted(
        found.sources, key=lambda source: (not _is_held(source, taken or {}), len(source.original_name))
    )
    kept: dict[str, NamedSource] = {}
    for source in by_preference:
        kept.setdefault(source.identity, source)
    copies = [source for source in found.sources if kept[source.identity] is not source]
    if not copies:
        return found
    first, same_as = (_place(one) for one in (copies[0], kept[copies[0].identity]))
    row = PassedOver(DUPLICATE, len(copies), clean_text(first), clean_text(same_as))
    left = [source for source in found.sources if kept[source.identity] is source]
    return FoundSources(left, (row, *found.passed_over))


def unique_names(sources: Sequence[NamedSource], taken: Mapping[str, str] | None = None) -> list[NamedSource]:
    """Tell same-named sources apart by what they hold; the same content twice under one name is one source.

    Names that differ in capitals alone count as the same: some file systems keep one file for both.

    Args:
        sources: What is to be run.
        taken: Name of a source that a data set holds to its identity. What the set holds keeps the name that it has
            there.

    Returns:
        The sources, in order; where a name stands for several, each gets the beginning of its hash.
    """
    first = {(source.name.casefold(), source.identity): source for source in reversed(sources)}
    kept = [source for source in sources if first[source.name.casefold(), source.identity] is source]
    held = {name.casefold(): identity for name, identity in (taken or {}).items()}
    levels = [_known_level(source, taken or {}) for source in kept]
    while True:
        named = [_marked(source, MARKS[level]) for source, level in zip(kept, levels, strict=True)]
        counts = Counter(source.name.casefold() for source in named)
        clashing = [
            index
            for index, source in enumerate(named)
            if levels[index] < len(MARKS) - 1
            and (
                counts[source.name.casefold()] > 1
                or held.get(source.name.casefold(), source.identity) != source.identity
            )
        ]
        # What the set holds already stays, where another can move; of several, the one with the shortest mark.
        holders: dict[str, int] = {}
        for index in sorted(clashing, key=lambda index: levels[index]):
            if (taken or {}).get(named[index].name) == named[index].identity:
                holders.setdefault(named[index].name.casefold(), index)
        movable = [index for index in clashing if index not in holders.values()]
        if not movable:
            return named
        for index in movable:
            levels[index] += 1


def _place(source: NamedSource) -> str:
    return source.original_name if source.address_sha256 else str(path_of(source.uri))


def _is_held(source: NamedSource, taken: Mapping[str, str]) -> bool:
    """Say whether a set holds a source, under its own name or a marked one."""
    return any(taken.get(_marked(source, mark).name) == source.identity for mark in MARKS)


def _known_level(source: NamedSource, taken: Mapping[str, str]) -> int:
    """Return how many marks a source has in the set; 0 where the set does not hold it."""
    for level, mark in enumerate(MARKS):
        if taken.get(_marked(source, mark).name) == source.identity:
            return level
    return 0


def _marked(source: NamedSource, characters: int) -> NamedSource:
    if not characters:
        return source
    return replace(source, name=f"{source.name}.{source.identity[:characters]}")
