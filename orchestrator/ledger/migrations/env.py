"""Run by Alembic: the connection comes from `orchestrator.ledger.database.migrate`."""

from alembic import context

from orchestrator.ledger.database import VERSION_TABLE
from orchestrator.ledger.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, version_table=VERSION_TABLE, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
