"""What quotas count: sources that a run has announced, and uploads that no run has taken in."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Count from here on; what is open or uploaded already is not looked for."""
    op.add_column("run", sa.Column("announced_count", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_table(
        "upload",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("check_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("upload_owner", "upload", ["owner"], unique=False)


def downgrade() -> None:
    """Count no more."""
    op.drop_table("upload")
    op.drop_column("run", "announced_count")
