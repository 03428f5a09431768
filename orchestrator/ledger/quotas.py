"""What owners have of what the quotas of their tokens bound, counted in the transaction that adds to it."""

from collections.abc import Callable, Iterable

import sqlalchemy as sa

from orchestrator.ledger.database import now_of
from orchestrator.ledger.tables import OPEN, run, upload
from talkmill.artifacts.artifact import Artifact
from talkmill.stages.errors import QuotaExceededError

# An address to put an upload to holds for hours, and a transfer may begin in the last of them.
ANNOUNCED_SECONDS = 8 * 3600.0
LOOKED_AT_ONCE = 1000


def lock_owner(connection: sa.Connection, owner: str) -> None:
    """Let the transactions that count what an owner has wait for each other. SQLite has one writer."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:owner, 0))"), {"owner": owner})


def check_running(connection: sa.Connection, run_id: str, owner: str, limit: int) -> None:
    """Refuse a run that has been opened, where its owner has too many open sources and clips with it.

    Args:
        connection: In the transaction that opened it, which holds the owner's lock and ends with the error.
        run_id: The run.
        owner: Whose it is.
        limit: Of the token.

    Raises:
        QuotaExceededError: There are too many.
    """
    # What is still to be read from a list is open as well.
    untaken = sa.case((run.c.announced_count > run.c.source_count, run.c.announced_count - run.c.source_count), else_=0)
    wanted = sa.select(run.c.id, run.c.open_count + untaken).where(run.c.owner == owner, run.c.state.in_(OPEN))
    found = {name: int(count) for name, count in connection.execute(wanted)}
    this = found.pop(run_id)
    others = sum(found.values())
    if others + this > limit:
        raise QuotaExceededError(
            f"running clips: the limit of the token is {limit}; other runs have {others} sources and clips that have "
            f"not ended, and this run has {this}"
        )


class Uploads:
    """What was announced to the store and no run has taken in."""

    def __init__(self, database: sa.Engine) -> None:
        self._database = database

    def announce(self, owner: str, announced: Artifact, limit: int | None) -> None:
        """Count an upload as its owner's until a run takes it in.

        Raises:
            QuotaExceededError: The owner has too many bytes; nothing is counted.
        """
        with self._database.begin() as connection:
            lock_owner(connection, owner)
            # A second announcement of the same content counts once.
            forget_uploads(connection, [announced.key])
            check_at = now_of(self._database) + ANNOUNCED_SECONDS
            row = {"key": announced.key, "owner": owner, "size_bytes": announced.size_bytes, "check_at": check_at}
            connection.execute(upload.insert().values(row))
            total = sa.select(sa.func.sum(upload.c.size_bytes)).where(upload.c.owner == owner)
            found = int(connection.execute(total).scalar_one())
            if limit is not None and found > limit:
                raise QuotaExceededError(
                    f"upload bytes: the limit of the token is {limit}; {found - announced.size_bytes} are uploaded and "
                    f"not in a run, and this file has {announced.size_bytes}. What is uploaded counts until a run has "
                    "taken it in: submit it, a smaller number of files at a time"
                )

    def look(self, is_there: Callable[[str], bool]) -> int:
        """Count no longer what was announced long ago and is not in the store; returns how many.

        Args:
            is_there: Says whether the store has a key.
        """
        wanted = sa.select(upload.c.key).where(upload.c.check_at <= now_of(self._database))
        with self._database.begin() as connection:
            due = connection.execute(wanted.order_by(upload.c.check_at).limit(LOOKED_AT_ONCE)).scalars().all()
        gone = 0
        for key in due:
            found = is_there(key)
            with self._database.begin() as connection:
                if found:
                    later = now_of(self._database) + ANNOUNCED_SECONDS
                    connection.execute(upload.update().where(upload.c.key == key).values(check_at=later))
                else:
                    forget_uploads(connection, [key])
                    gone += 1
        return gone


def forget_uploads(connection: sa.Connection, keys: Iterable[str]) -> None:
    """Count uploads no longer."""
    connection.execute(upload.delete().where(upload.c.key.in_(list(keys))))
