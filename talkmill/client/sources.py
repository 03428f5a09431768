"""The sources of a run, as a request or a list of sources describes them."""

import json
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from talkmill.address import is_address, is_readable
from talkmill.artifacts.artifact import Artifact
from talkmill.stages.errors import InvalidRequestError
from talkmill.text import clean_text, is_plain

# What a server holds of one run at a time is bounded: its memory is.
MAX_SOURCES = 100_000
# The longest source has an address of 4096 characters, each of which may be written as an escape of 6 bytes, or of 12.
MAX_LINE_BYTES = 64 << 10


@dataclass(frozen=True)
class GivenSource:
    """A source as a request or a line of a list gives it.

    Attributes:
        uri: An http(s) address, or the file name of the upload.
        upload: A file in the store; None for an address.
        person: Who is seen; empty when unknown.
        link_person: Whether the clips are named person#clip.
        split: Which list the clips go to.
    """

    uri: Annotated[str, Field(min_length=1, max_length=4096)]
    upload: Artifact | None = None
    person: Annotated[str, Field(max_length=256)] = ""
    link_person: bool = False
    split: Literal["train", "test", "by-person"] = "train"

    def __post_init__(self) -> None:
        if self.upload is None and not is_address(self.uri):
            raise ValueError("uri: an http(s) address is wanted; upload files instead")
        if self.upload is None and not is_readable(self.uri):
            raise ValueError("uri: an address that can be read is wanted")
        if self.upload is not None and ("/" in self.uri or not is_plain(self.uri)):
            raise ValueError(f"uri: {clean_text(self.uri)!r}: the plain name of the uploaded file is wanted")
        if self.link_person and not self.person:
            raise ValueError("link_person: needs a person")


_GIVEN = TypeAdapter(GivenSource)


def encode_sources(sources: Iterable[GivenSource]) -> bytes:
    """Return sources as JSON Lines."""
    return b"".join(_GIVEN.dump_json(source) + b"\n" for source in sources)


def decode_sources(lines: Iterable[bytes]) -> Iterator[GivenSource]:
    """Read JSON Lines of sources.

    Raises:
        InvalidRequestError: A line is not a source, or is too long, or there are too many; the error names the line and
            the field.
    """
    for number, line in source_lines(lines):
        if len(line) > MAX_LINE_BYTES:
            field = f"source_list.{number}"
            raise InvalidRequestError(f"{field}: {len(line)} bytes; a source has at most {MAX_LINE_BYTES}", field=field)
        try:
            yield _GIVEN.validate_python(json.loads(line))
        except (ValidationError, ValueError, RecursionError) as error:
            told = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": str(error)}
            field = ".".join(["source_list", str(number), *(str(part) for part in told["loc"])])
            raise InvalidRequestError(f"{field}: {told['msg']}", field=field) from error


def source_lines(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Give the lines of a list that hold something, with their numbers from 1.

    Raises:
        InvalidRequestError: There are more than a run may have.
    """
    count = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        count += 1
        if count > MAX_SOURCES:
            raise InvalidRequestError(
                f"source_list: more than {MAX_SOURCES} sources: split the list into several runs", field="source_list"
            )
        yield number, line
