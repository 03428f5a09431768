"""Takes in the sources of a run in batches, so that the first ones start while the last ones are read."""

from functools import partial

from orchestrator.engine import Task
from orchestrator.ledger.database import until_answered
from orchestrator.ledger.executions import Executions
from orchestrator.ledger.runs import Runs
from orchestrator.uploads import check_upload, is_whole, opened_list
from talkmill.artifacts.artifact import Artifact
from talkmill.artifacts.store import Store
from talkmill.client.sources import GivenSource, decode_sources
from talkmill.pipeline.naming import NamedSource, name_source, unique_names

BATCH = 1000


class Intake:
    """Reads a run's list of sources and writes it into the ledger."""

    def __init__(self, runs: Runs, executions: Executions, store: Store, bucket: str) -> None:
        """Create it; uploads lie in a bucket of the store."""
        self._runs, self._executions, self._store, self._bucket = runs, executions, store, bucket

    def run(self, task: Task) -> None:
        """Take every source in that has not been taken in before.

        Raises:
            InvalidRequestError: A line of the list is not a source.
            InputMissingError: The list is not in the store.
            CorruptInputError: The list is not what was announced.
        """
        where = until_answered(lambda: self._runs.source_list(task.run_id), "source list")
        owner = until_answered(lambda: self._runs.owner(task.run_id), "owner")
        with opened_list(self._store, where) as lines:
            named = unique_names([_named(self._checked(source, owner)) for source in decode_sources(lines)])
        for begin in range(0, max(1, len(named)), BATCH):
            batch = named[begin : begin + BATCH]
            last = begin + BATCH >= len(named)
            if not until_answered(partial(self._executions.take_in, task, begin, batch, last), "intake"):
                return
        # The list holds whole addresses; from here on the ledger has those that are still to be downloaded.
        if not until_answered(lambda: self._runs.wants_list(where), "source list"):
            self._store.remove_key(where.bucket, where.key)

    def holds(self, upload: Artifact) -> bool:
        """Say whether the store holds an upload that could not be read; see `uploads.is_whole`."""
        return is_whole(self._store, upload)

    def _checked(self, given: GivenSource, owner: str) -> GivenSource:
        """Return a source of a list; raises InvalidRequestError where it names what was not uploaded."""
        if given.upload is not None:
            check_upload(given.upload, owner, self._bucket, "source_list.upload")
        return given


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
