"""The tables of a ledger, the same in SQLite and PostgreSQL."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

SCHEMA_VERSION = 2

INSERTS = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
"""Makers of an INSERT that may say ON CONFLICT, by database."""

TABLES = sa.MetaData()
VERSIONS = sa.Table(
    "schema_version",
    TABLES,
    sa.Column("made_by", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
)
QUEUE = sa.Table(
    "queue",
    TABLES,
    sa.Column("feature_key", sa.Text, primary_key=True),
    sa.Column("transcoder_set", sa.Text, nullable=False),
    sa.Column("revision", sa.Text, nullable=False),
    sa.Column("layer", sa.Integer, nullable=False),
    sa.Column("feature_index", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("identity_digest", sa.Text, nullable=False),
    sa.Column("evidence_digest", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("tier", sa.Integer, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("hint", sa.Text, nullable=False),
    sa.Column("share", sa.Float),
    sa.Column("first_run", sa.Text, nullable=False),
    sa.Column("last_run", sa.Text, nullable=False),
    sa.Column("decided", sa.Boolean, nullable=False, server_default=sa.false()),
)
QUEUE_GRAPHS = sa.Table(
    "queue_graphs",
    TABLES,
    sa.Column(
        "feature_key",
        sa.Text,
        sa.ForeignKey("queue.feature_key", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("graph", sa.Text, primary_key=True),
)
ANSWERS = sa.Table(
    "answers",
    TABLES,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("prompt_tokens", sa.Integer),
    sa.Column("completion_tokens", sa.Integer),
    sa.Column("cost_usd", sa.Float),
    sa.Column("finish_reason", sa.Text, nullable=False),
    sa.Column("parameters", sa.JSON, nullable=False),
    sa.Column("created_at", sa.DateTime, nullable=False, server_default=sa.func.now()),
    sa.Column("format", sa.Text, nullable=False, server_default=""),
    sa.Column("request_id", sa.Text, nullable=False, server_default=""),
    sa.Column("seconds", sa.Float),
    sa.Column("method", sa.Text, nullable=False, server_default=""),
    sa.Column("prompt_hash", sa.Text, nullable=False, server_default=""),
    sa.Column("schema_version", sa.Text, nullable=False, server_default=""),
    sa.Column("parsed", sa.Text, nullable=False, server_default=""),
    sa.Column("complaint", sa.Text, nullable=False, server_default=""),
)
LEASES = sa.Table(
    "leases",
    TABLES,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("until", sa.Float, nullable=False),
)
