"""The trace that a run belongs to: the executions of a run are spans of it, whichever replica handles them."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keep the context of new runs; those that are there have none."""
    op.add_column("run", sa.Column("trace_context", sa.Text(), nullable=True))


def downgrade() -> None:
    """Keep none."""
    op.drop_column("run", "trace_context")
