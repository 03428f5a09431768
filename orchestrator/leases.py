"""Leases of the replicas. A replica that cannot renew its lease exits, because another one has taken over its work."""

import os
import threading
import time
from collections.abc import Callable

import sqlalchemy as sa
import structlog

from orchestrator.engine import Engine
from orchestrator.ledger.database import REAPER_LOCK, advisory_lock, is_postgres, is_transient, now_of, until_answered
from orchestrator.ledger.tables import lease

log = structlog.get_logger()

# The exit code of a replica that lost its lease; whoever supervises it starts it anew.
EXIT_LEASE_LOST = 75


class LeaseLostError(RuntimeError):
    """Another replica has declared this one dead."""


class Leases:
    """This replica's lease, and the reaper of the others'."""

    def __init__(
        self, database: sa.Engine, executor_id: str, ttl_seconds: float, renew_seconds: float, reap_seconds: float
    ) -> None:
        """Create the lease; `acquire` writes it.

        Args:
            database: The ledger's.
            executor_id: Of this process and of no other, ever.
            ttl_seconds: How long a lease holds.
            renew_seconds: How often it is renewed.
            reap_seconds: How often the leases of others are looked at.
        """
        self._database, self._executor_id = database, executor_id
        self._ttl, self._renew, self._reap = ttl_seconds, renew_seconds, reap_seconds

    def acquire(self) -> None:
        """Write the lease, before anything is handled in its name."""

        def insert() -> None:
            with self._database.begin() as connection:
                connection.execute(
                    lease.insert().values(executor_id=self._executor_id, expires_at=now_of(self._database) + self._ttl)
                )

        until_answered(insert, "lease")

    def check(self, connection: sa.Connection) -> None:
        """Make sure, in a transaction, that this replica may still write.

        The row stays locked until the commit: a reaper waits for it, and what was written under the lease is seen.

        Raises:
            LeaseLostError: Another replica has taken over.
        """
        wanted = sa.select(lease.c.executor_id).where(lease.c.executor_id == self._executor_id)
        if is_postgres(self._database):
            wanted = wanted.with_for_update(read=True, key_share=True)
        if connection.execute(wanted).first() is None:
            raise LeaseLostError(f"the lease of {self._executor_id} is gone")

    def keep(self, engine: Engine, die: Callable[[int], None] = os._exit) -> None:
        """Renew and reap on threads of their own until the process ends."""
        for work, seconds, name in (
            (self._renew_once, self._renew, "lease"),
            (self._reaping(engine), self._reap, "reaper"),
        ):
            threading.Thread(target=self._repeat, args=(work, seconds, die), name=name, daemon=True).start()

    def release(self) -> None:
        """Give the lease up at an orderly end: others take over at once."""
        with self._database.begin() as connection:
            connection.execute(lease.delete().where(lease.c.executor_id == self._executor_id))

    def reap(self, engine: Engine) -> int:
        """Take over the work of replicas whose lease has run out; returns how many there were."""
        with advisory_lock(self._database, REAPER_LOCK) as free:
            if not free:
                return 0
            with self._database.begin() as connection:
                connection.execute(lease.delete().where(lease.c.expires_at < now_of(self._database)))
                live = {row[0] for row in connection.execute(sa.select(lease.c.executor_id))}
            # From here on the dead can write nothing: their transactions look for the rows that are gone.
            if self._executor_id not in live:
                return 0
            return engine.recover(live)

    def _repeat(self, work: Callable[[], None], seconds: float, die: Callable[[int], None]) -> None:
        done = time.monotonic()
        while True:
            try:
                work()
                done = time.monotonic()
            except LeaseLostError as error:
                log.error("another replica took over; this one ends", error=str(error))
                die(EXIT_LEASE_LOST)
            except Exception as error:
                if not is_transient(error):
                    log.error("unexpected error", exc_info=error)
                elif time.monotonic() - done > self._ttl:
                    log.error("the lease could not be renewed in time; this replica ends", error=type(error).__name__)
                    die(EXIT_LEASE_LOST)
                time.sleep(min(1.0, seconds))
                continue
            time.sleep(seconds)

    def _renew_once(self) -> None:
        with self._database.begin() as connection:
            renewed = connection.execute(
                lease.update()
                .where(lease.c.executor_id == self._executor_id)
                .values(expires_at=now_of(self._database) + self._ttl)
            )
        if renewed.rowcount == 0:
            raise LeaseLostError(f"the lease of {self._executor_id} is gone")

    def _reaping(self, engine: Engine) -> Callable[[], None]:
        def work() -> None:
            dead = self.reap(engine)
            if dead:
                log.warning("took over the work of dead replicas", count=dead)

        return work
