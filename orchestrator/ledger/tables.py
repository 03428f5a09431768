"""The tables of the ledger. Execution state is DBOS's own; artifacts are the store's."""

import sqlalchemy as sa

PENDING, RUNNING, SUCCEEDED, FAILED, CANCELLED = "PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"
ENDED = (SUCCEEDED, FAILED, CANCELLED)
OPEN = (PENDING, RUNNING)

metadata = sa.MetaData()

# Why something failed: reason of the error table, one line, and where there are any the measure and its bound.
_VERDICT = (("reason", sa.Text), ("message", sa.Text), ("measure", sa.Float), ("threshold", sa.Float))

run = sa.Table(
    "run",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    # Name of the token that made it; empty without tokens, and for runs of 0.1.
    sa.Column("owner", sa.Text, nullable=False, default="", server_default=""),
    # Names the owner and the id of the request.
    sa.Column("request_id", sa.Text, unique=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("parameters", sa.Text, nullable=False),
    sa.Column("source_list", sa.Text, nullable=False),
    sa.Column("source_count", sa.BigInteger, nullable=False, default=0),
    # Sources that the request has, as far as they were counted for a quota.
    sa.Column("announced_count", sa.BigInteger, nullable=False, default=0, server_default="0"),
    # Sources that the engine has been given: the others wait, and are counted without looking at them.
    sa.Column("fed_count", sa.BigInteger, nullable=False, default=0),
    sa.Column("sources_complete", sa.Boolean, nullable=False, default=False),
    # Sources and clips that have not ended: at zero the set is packed.
    sa.Column("open_count", sa.BigInteger, nullable=False, default=0),
    # Counts the retries of the run; part of every execution's id.
    sa.Column("generation", sa.Integer, nullable=False, default=0),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("ended_at", sa.Float),
    sa.Column("reason", sa.Text),
    sa.Column("message", sa.Text),
    # W3C's headers of the call that made it, as JSON; NULL where that was not traced.
    sa.Column("trace_context", sa.Text),
)

source = sa.Table(
    "source",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),
    # NamedSource as JSON; an address is as it is shown.
    sa.Column("given", sa.Text, nullable=False),
    # The whole address until it is downloaded, then an empty text; NULL where nothing of it is hidden. Never shown.
    sa.Column("address", sa.Text),
    # A run keeps a bounded number of its sources with the engine; the others wait here.
    sa.Column("queued", sa.Boolean, nullable=False, default=False),
    sa.Column("skip_cache", sa.Boolean, nullable=False, default=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    *(sa.Column(name, kind) for name, kind in _VERDICT),
    sa.Index("source_position", "run_id", "position"),
    sa.Index(
        "source_waiting",
        "run_id",
        "position",
        postgresql_where=sa.text("NOT queued"),
        sqlite_where=sa.text("NOT queued"),
    ),
    sa.Index("source_state", "run_id", "state"),
)

clip = sa.Table(
    "clip",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("source_name", sa.Text, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    # Split's CutClip as JSON.
    sa.Column("given", sa.Text, nullable=False),
    sa.Column("frame_count", sa.BigInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    *(sa.Column(name, kind) for name, kind in _VERDICT),
    sa.Index("clip_position", "run_id", "position", "number"),
    sa.Index("clip_source", "run_id", "source_name"),
    sa.Index("clip_state", "run_id", "state"),
)

stage_run = sa.Table(
    "stage_run",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    # A source, a clip, or empty for what is done once a run.
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("stage", sa.Text, primary_key=True),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False, default=0),
    sa.Column("losses", sa.Integer, nullable=False, default=0),
    sa.Column("retries", sa.Integer, nullable=False, default=0),
    sa.Column("skip_cache", sa.Boolean, nullable=False, default=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("enqueued_at", sa.Float, nullable=False),
    sa.Column("started_at", sa.Float),
    sa.Column("ended_at", sa.Float),
    sa.Column("outputs", sa.Text),
    # StageRecord as JSON.
    sa.Column("record", sa.Text),
    sa.Column("reason", sa.Text),
    # The backlog is counted every few seconds: only what is open is in its index.
    sa.Index(
        "stage_run_open",
        "stage",
        "state",
        "enqueued_at",
        postgresql_where=sa.text("state IN ('PENDING', 'RUNNING')"),
        sqlite_where=sa.text("state IN ('PENDING', 'RUNNING')"),
    ),
    sa.Index("stage_run_run", "run_id", "stage", "state"),
)

# What was announced to the store and no run has taken in: counted for a quota.
upload = sa.Table(
    "upload",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    # When the store is asked whether it is there.
    sa.Column("check_at", sa.Float, nullable=False),
    sa.Index("upload_owner", "owner"),
)

lease = sa.Table(
    "lease",
    metadata,
    sa.Column("executor_id", sa.Text, primary_key=True),
    sa.Column("expires_at", sa.Float, nullable=False),
)
