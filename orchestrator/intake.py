"""Takes in the sources of a run in batches, so that the first ones start while the last ones are read."""

from functools import partial

from orchestrator.engine import Task
from orchestrator.ledger.database import until_answered
from orchestrator.ledger.executions import Executions
from orchestrator.ledger.runs import Runs
from talkmill.artifacts.artifact import Artifact
from talkmill.artifacts.store import Store
from talkmill.client.sources import GivenSource, decode_sources
from talkmill.pipeline.naming import NamedSource, name_source, unique_names
from talkmill.stages.errors import InputMissingError

BATCH = 1000


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
