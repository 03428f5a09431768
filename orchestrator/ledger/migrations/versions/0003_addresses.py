"""Addresses of sources in a column of their own, from which they are erased; what is kept beside it is as shown."""

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from talkmill.address import address_sha256, is_address, shown_address, without_secrets
from talkmill.pipeline.graph import FIRST

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_BATCH = 500
_SOURCE = sa.table("source", *(sa.column(name) for name in ("run_id", "name", "given", "address", "stage", "message")))
_RUN = sa.table("stage_run", *(sa.column(name) for name in ("run_id", "subject", "stage", "outputs")))


def upgrade() -> None:
    """Add the column, and take addresses out of what earlier versions wrote."""
    op.add_column("source", sa.Column("address", sa.Text(), nullable=True))
    connection = op.get_bind()
    for row in _rows(connection, sa.select(_SOURCE), _SOURCE.c.run_id, _SOURCE.c.name):
        given = json.loads(row["given"])
        address = given["uri"]
        if given["sha256"] or not is_address(address):
            continue
        shown = shown_address(address)
        given |= {"uri": shown, "original_name": shown, "address_sha256": address_sha256(address)}
        hidden = None if address == shown else address if row["stage"] == FIRST else ""
        connection.execute(
            _SOURCE.update()
            .where(_SOURCE.c.run_id == row["run_id"], _SOURCE.c.name == row["name"])
            .values(given=json.dumps(given), address=hidden, message=row["message"] and without_secrets(row["message"]))
        )
    downloads = sa.select(_RUN).where(_RUN.c.stage == FIRST, _RUN.c.outputs.is_not(None))
    for row in _rows(connection, downloads, _RUN.c.run_id, _RUN.c.subject):
        outputs = json.loads(row["outputs"])
        outputs["provenance"] = {name: without_secrets(text) for name, text in outputs["provenance"].items()}
        connection.execute(
            _RUN.update()
            .where(_RUN.c.run_id == row["run_id"], _RUN.c.subject == row["subject"], _RUN.c.stage == FIRST)
            .values(outputs=json.dumps(outputs))
        )


def downgrade() -> None:
    """Forget the addresses."""
    op.drop_column("source", "address")


def _rows(
    connection: sa.Connection, wanted: sa.Select[Any], run_id: sa.ColumnElement[Any], name: sa.ColumnClause[Any]
) -> Iterator[sa.RowMapping]:
    """Yield rows in batches, in the order of run and name."""
    after = ("", "")
    while True:
        part = wanted.where(sa.tuple_(run_id, name) > sa.tuple_(*map(sa.literal, after))).order_by(run_id, name)
        rows = connection.execute(part.limit(_BATCH)).mappings().all()
        if not rows:
            return
        yield from rows
        after = (rows[-1]["run_id"], rows[-1][name.name])
