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
        InvalidRequestError: A line is not a source; the error names the line and the field.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield _GIVEN.validate_python(json.loads(line))
        except (ValidationError, ValueError, RecursionError) as error:
            told = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": str(error)}
            field = ".".join(["source_list", str(number), *(str(part) for part in told["loc"])])
            raise InvalidRequestError(f"{field}: {told['msg']}", field=field) from error
