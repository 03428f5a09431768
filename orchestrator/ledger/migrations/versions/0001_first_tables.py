"""The first tables: run, source, clip, stage_run, lease."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "clip",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("source_name", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("given", sa.Text(), nullable=False),
        sa.Column("frame_count", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("measure", sa.Float(), nullable=True),
        sa.Column("threshold", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("run_id", "name"),
    )
    op.create_index("clip_position", "clip", ["run_id", "position", "number"], unique=False)
    op.create_index("clip_source", "clip", ["run_id", "source_name"], unique=False)
    op.create_index("clip_state", "clip", ["run_id", "state"], unique=False)
    op.create_table(
        "lease",
        sa.Column("executor_id", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("executor_id"),
    )
    op.create_table(
        "run",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.Column("source_list", sa.Text(), nullable=False),
        sa.Column("source_count", sa.BigInteger(), nullable=False),
        sa.Column("fed_count", sa.BigInteger(), nullable=False),
        sa.Column("sources_complete", sa.Boolean(), nullable=False),
        sa.Column("open_count", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("request_id"),
    )
    op.create_table(
        "source",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("given", sa.Text(), nullable=False),
        sa.Column("queued", sa.Boolean(), nullable=False),
        sa.Column("skip_cache", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("measure", sa.Float(), nullable=True),
        sa.Column("threshold", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("run_id", "name"),
    )
    op.create_index("source_position", "source", ["run_id", "position"], unique=False)
    op.create_index("source_state", "source", ["run_id", "state"], unique=False)
    op.create_index(
        "source_waiting",
        "source",
        ["run_id", "position"],
        unique=False,
        postgresql_where=sa.text("NOT queued"),
        sqlite_where=sa.text("NOT queued"),
    )
    op.create_table(
        "stage_run",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("losses", sa.Integer(), nullable=False),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("skip_cache", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("enqueued_at", sa.Float(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=True),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.Column("outputs", sa.Text(), nullable=True),
        sa.Column("record", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("run_id", "subject", "stage"),
    )
    op.create_index(
        "stage_run_open",
        "stage_run",
        ["stage", "state", "enqueued_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('PENDING', 'RUNNING')"),
        sqlite_where=sa.text("state IN ('PENDING', 'RUNNING')"),
    )
    op.create_index("stage_run_run", "stage_run", ["run_id", "stage", "state"], unique=False)
    if op.get_bind().dialect.name == "postgresql":
        # Every execution's row is written several times: its dead versions must not pile up in the index of open ones.
        op.execute("ALTER TABLE stage_run SET (autovacuum_vacuum_scale_factor = 0.01, fillfactor = 80)")
        op.execute("ALTER TABLE run SET (autovacuum_vacuum_threshold = 1000, fillfactor = 20)")
