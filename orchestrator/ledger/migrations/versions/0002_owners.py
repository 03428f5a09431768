"""Runs belong to the name of a token."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Runs that are there belong to nobody: a token that may read all reads them."""
    op.add_column("run", sa.Column("owner", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    """Forget who owns what."""
    op.drop_column("run", "owner")
