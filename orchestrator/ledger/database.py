"""The database of the orchestrator: opening, migrations, and waiting while it is away."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
import structlog
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from orchestrator.ledger.tables import lease

log = structlog.get_logger()

ResultT = TypeVar("ResultT")

VERSION_TABLE = "talkmill_migration"
# Any number will do, as long as it is the same in every replica.
MIGRATION_LOCK, REAPER_LOCK = 7_401_001, 7_401_002
SQLITE_BUSY_SECONDS = 30
IDLE_TRANSACTION_SECONDS = 15


def open_database(url: str, pool_size: int) -> sa.Engine:
    """Open a database.

    Args:
        url: `postgresql+psycopg://...` or `sqlite:///file`.
        pool_size: Connections at a time.
    """
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = sa.create_engine(
            url, pool_size=pool_size, max_overflow=4, connect_args={"timeout": SQLITE_BUSY_SECONDS}
        )
        sa.event.listen(engine, "connect", _prepare_sqlite)
        # A transaction that reads first and writes later cannot wait for its lock: every one takes it at its start.
        sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        return engine
    # A replica that is frozen in a transaction must not hold its locks for longer than its lease.
    options = f"-c idle_in_transaction_session_timeout={IDLE_TRANSACTION_SECONDS * 1000}"
    return sa.create_engine(
        url,
        pool_size=pool_size,
        max_overflow=4,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 5, "options": options},
    )


class NewerLedgerError(ValueError):
    """The tables are those of a later version of talkmill."""


def migrate(engine: sa.Engine) -> None:
    """Bring the ledger's tables to the newest version; replicas that start together wait for each other.

    Replicas of an earlier version may still be at work. Before tables change, their leases are taken from them: they
    write nothing more, end, and what they were at is taken over.

    Raises:
        NewerLedgerError: A later version was here; this one does not know its tables.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    with engine.begin() as connection:
        if is_postgres(engine):
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        found, newest = context.get_current_revision(), scripts.get_current_head()
        if found == newest:
            return
        if found is not None:
            if found not in {script.revision for script in scripts.walk_revisions()}:
                raise NewerLedgerError(
                    f"the database has migration {found}, and this version knows {newest} as the newest: start the "
                    "version that migrated it, or restore the backup from before (UPGRADING.md)"
                )
            # First of all: a transaction under a lease holds its row, and may be about to want what is locked below.
            connection.execute(sa.delete(lease))
            log.warning("the tables change; replicas of earlier versions end", found=found, newest=newest)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def is_postgres(engine: sa.Engine) -> bool:
    """Say whether a database is Postgres."""
    return engine.dialect.name == "postgresql"


def now_of(engine: sa.Engine) -> sa.ColumnElement[float]:
    """Return the database's own clock in seconds since 1970: the one clock that all replicas share."""
    text = (
        "extract(epoch from clock_timestamp())" if is_postgres(engine) else "((julianday('now') - 2440587.5) * 86400.0)"
    )
    return sa.literal_column(text, sa.Float)


def is_transient(error: BaseException) -> bool:
    """Say whether a database error may pass: the server is away, a lock was busy, two transactions collided."""
    if isinstance(error, OperationalError | InterfaceError):
        return True
    state = getattr(getattr(error, "orig", None), "sqlstate", None) or ""
    # Class 40: rollback by the server (serialization, deadlock); 57P: it shuts down; 08: the connection broke.
    return isinstance(error, DBAPIError) and (error.connection_invalidated or state.startswith(("40", "57P", "08")))


def until_answered(work: Callable[[], ResultT], what: str, seconds: float = float("inf")) -> ResultT:
    """Do a transaction, again for as long as the database is away.

    Args:
        work: The whole transaction; doing it twice must do no harm.
        what: For the log.
        seconds: After so long the error is raised.
    """
    wait, began = 0.05, time.monotonic()
    while True:
        try:
            return work()
        except Exception as error:
            if not is_transient(error) or time.monotonic() - began > seconds:
                raise
            log.warning(
                "the database does not answer; trying again",
                what=what,
                error=type(error).__name__,
                seconds=round(time.monotonic() - began, 1),
            )
            time.sleep(wait)
            wait = min(2.0, wait * 2)


@contextmanager
def advisory_lock(engine: sa.Engine, number: int) -> Iterator[bool]:
    """Hold a lock that one replica at a time may have; yields whether it was free. SQLite has one replica."""
    if not is_postgres(engine):
        yield True
        return
    with engine.connect() as connection, connection.begin():
        yield bool(connection.execute(sa.text("SELECT pg_try_advisory_xact_lock(:n)"), {"n": number}).scalar())


def _prepare_sqlite(connection: Any, record: Any) -> None:
    # The driver must not begin transactions by itself: the listener above does.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    # What is erased is overwritten.
    connection.execute("PRAGMA secure_delete=ON")
