"""Takes the sources of a run in, batch by batch: the first are on their way while the last are read."""

import json
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from orchestrator.engine import Task
from orchestrator.ledger.database import until_answered
from orchestrator.ledger.executions import Executions
from orchestrator.ledger.runs import Runs
from orchestrator.naming import NamedSource, name_source, unique_names
from services.download.messages import is_address
from talkmill.artifacts.artifact import Artifact
from talkmill.artifacts.store import Store
from talkmill.stage.errors import InputMissingError, InvalidRequestError

BATCH = 1000


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
        if self.upload is not None and ("/" in self.uri or "\\" in self.uri or not self.uri.isprintable()):
            raise ValueError("uri: the plain name of the uploaded file is wanted")
        if self.link_person and not self.person:
            raise ValueError("link_person: needs a person")


_GIVEN = TypeAdapter(GivenSource)


def encode_sources(sources: Iterable[GivenSource]) -> bytes:
    """Return sources as JSON Lines."""
    return b"".join(_GIVEN.dump_json(source) + b"\n" for source in sources)


def decode_sources(content: bytes) -> Iterator[GivenSource]:
    """Read JSON Lines of sources.

    Raises:
        InvalidRequestError: A line is not a source; the error names the line and the field.
    """
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            yield _GIVEN.validate_python(json.loads(line))
        except (ValidationError, ValueError) as error:
            told = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": str(error)}
            field = ".".join(["source_list", str(number), *(str(part) for part in told["loc"])])
            raise InvalidRequestError(f"{field}: {told['msg']}", field=field) from error


class Intake:
    """Reads a run's list of sources and writes it into the ledger."""

    def __init__(self, runs: Runs, executions: Executions, store: Store) -> None:
        self._runs, self._executions, self._store = runs, executions, store

    def run(self, task: Task) -> None:
        """Take every source in that has not been taken in before.

        Raises:
            InvalidRequestError: A line of the list is not a source.
            InputMissingError: The list is not in the store.
        """
        where = until_answered(lambda: self._runs.source_list(task.run_id), "source list")
        content = self._store.read(where.bucket, where.key)
        if content is None:
            raise InputMissingError(f"{where.bucket}/{where.key}, the list of sources, is not in the store")
        named = unique_names([_named(source) for source in decode_sources(content)])
        del content
        for begin in range(0, max(1, len(named)), BATCH):
            batch = named[begin : begin + BATCH]
            last = begin + BATCH >= len(named)
            if not until_answered(partial(self._executions.take_in, task, begin, batch, last), "intake"):
                return

    def discard(self, upload: Artifact) -> None:
        """Delete an upload that is not what was announced: the next one of that content is put again."""
        self._store.remove_key(upload.bucket, upload.key)


def _named(given: GivenSource) -> NamedSource:
    upload = given.upload
    return name_source(
        given.uri,
        given.uri,
        upload.sha256 if upload else "",
        upload.size_bytes if upload else 0,
        given.person or None,
        given.link_person,
        given.split,
        upload,
    )
