"""The tables of a ledger, the same in SQLite and PostgreSQL."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from clerp.ledger.text import Text

SCHEMA_VERSION = 5

INSERTS = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
"""Makers of an INSERT that may say ON CONFLICT, by database."""

TABLES = sa.MetaData()


def _identity_columns(*, primary_key: bool = False) -> list[sa.Column[Any]]:
    """Make the columns that say which feature a row is about, also where no run has seen it."""
    return [
        sa.Column("feature_key", Text, primary_key=primary_key, nullable=False),
        sa.Column("transcoder_set", Text, nullable=False),
        sa.Column("revision", Text, nullable=False),
        sa.Column("layer", sa.Integer, nullable=False),
        sa.Column("feature_index", sa.BigInteger, nullable=False),
        sa.Column("kind", Text, nullable=False),
        sa.Column("identity_digest", Text, nullable=False),
    ]


VERSIONS = sa.Table(
    "schema_version",
    TABLES,
    sa.Column("made_by", Text, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
)
QUEUE = sa.Table(
    "queue",
    TABLES,
    sa.Column("feature_key", Text, primary_key=True),
    sa.Column("transcoder_set", Text, nullable=False),
    sa.Column("revision", Text, nullable=False),
    sa.Column("layer", sa.Integer, nullable=False),
    sa.Column("feature_index", sa.BigInteger, nullable=False),
    sa.Column("kind", Text, nullable=False),
    sa.Column("identity_digest", Text, nullable=False),
    sa.Column("evidence_digest", Text, nullable=False),
    sa.Column("role", Text, nullable=False),
    sa.Column("tier", sa.Integer, nullable=False),
    sa.Column("status", Text, nullable=False),
    sa.Column("reason", Text, nullable=False),
    sa.Column("hint", Text, nullable=False),
    sa.Column("share", sa.Float),
    sa.Column("first_run", Text, nullable=False),
    sa.Column("last_run", Text, nullable=False),
    sa.Column("decided", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("label", Text, nullable=False, server_default=""),
    sa.Column("method", Text, nullable=False, server_default=""),
    sa.Column("uncertainty", sa.Float, nullable=False, server_default="1"),
)
QUEUE_BY_FEATURE = sa.Index(
    "queue_by_feature",
    QUEUE.c.transcoder_set,
    QUEUE.c.revision,
    QUEUE.c.layer,
    QUEUE.c.feature_index,
)
QUEUE_GRAPHS = sa.Table(
    "queue_graphs",
    TABLES,
    sa.Column(
        "feature_key",
        Text,
        sa.ForeignKey("queue.feature_key", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("graph", Text, primary_key=True),
)
SNAPSHOTS = sa.Table(
    "snapshots",
    TABLES,
    sa.Column("feature_key", Text, primary_key=True),
    # Of the graph in which the feature is shown; empty for what all graphs share.
    sa.Column("graph", Text, primary_key=True),
    sa.Column("fingerprint", Text, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
)
GRAPH_SNAPSHOTS = sa.Table(
    "graph_snapshots",
    TABLES,
    sa.Column("transcoder_set", Text, primary_key=True),
    sa.Column("revision", Text, primary_key=True),
    sa.Column("graph", Text, primary_key=True),
    sa.Column("fingerprint", Text, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
)
DECISIONS = sa.Table(
    "decisions",
    TABLES,
    # SQLite numbers only this type of key by itself.
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("uid", Text, nullable=False, unique=True),
    *_identity_columns(),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("annotator", Text, nullable=False),
    sa.Column("act", Text, nullable=False),
    sa.Column("label", Text, nullable=False),
    sa.Column("role", Text, nullable=False),
    sa.Column("comment", Text, nullable=False),
    sa.Column("target", Text, nullable=False),
    sa.Column("proposal", Text, nullable=False),
    sa.Column("is_blind", sa.Boolean, nullable=False),
    sa.Column("is_settling", sa.Boolean, nullable=False),
    sa.Column("seconds", sa.Float),
    sa.Column("made_at", sa.DateTime, nullable=False),
    sa.Column("n_wanted", sa.Integer, nullable=False, server_default="1"),
    # Of two who decide at the same moment about a feature, one comes too late.
    sa.UniqueConstraint("feature_key", "number"),
)
DECISIONS_BY_PERSON = sa.Index(
    "decisions_by_person", DECISIONS.c.annotator, DECISIONS.c.made_at, DECISIONS.c.id
)
REVIEW_TERMS = sa.Table(
    "review_terms",
    TABLES,
    sa.Column("name", Text, primary_key=True),
    sa.Column("overlap", sa.Float, nullable=False),
    sa.Column("annotators", sa.Integer, nullable=False),
    sa.Column("is_blind", sa.Boolean, nullable=False),
)
COUNTERS = sa.Table(
    "counters",
    TABLES,
    # `queue` or `decisions`: how often it changed, by which readers know that theirs is old.
    sa.Column("name", Text, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)
# Both follow from the decisions.
STANDINGS = sa.Table(
    "standings",
    TABLES,
    sa.Column("annotator", Text, primary_key=True),
    sa.Column("feature_key", Text, primary_key=True, index=True),
    sa.Column("judgement", Text, nullable=False),
    sa.Column("label", Text, nullable=False),
    sa.Column("role", Text, nullable=False),
    sa.Column("is_skipped", sa.Boolean, nullable=False),
    sa.Column("is_flagged", sa.Boolean, nullable=False),
    sa.Column("has_judged", sa.Boolean, nullable=False),
    # The count of `decisions` when it last changed.
    sa.Column("changed", sa.BigInteger, nullable=False, index=True),
)
VERDICTS = sa.Table(
    "verdicts",
    TABLES,
    *_identity_columns(primary_key=True),
    sa.Column("state", Text, nullable=False),
    sa.Column("label", Text),
    sa.Column("role", Text, nullable=False),
    sa.Column("annotators", sa.JSON, nullable=False),
)
ANSWERS = sa.Table(
    "answers",
    TABLES,
    sa.Column("key", Text, primary_key=True),
    sa.Column("text", Text, nullable=False),
    sa.Column("model", Text, nullable=False),
    sa.Column("prompt_tokens", sa.Integer),
    sa.Column("completion_tokens", sa.Integer),
    sa.Column("cost_usd", sa.Float),
    sa.Column("finish_reason", Text, nullable=False),
    sa.Column("parameters", sa.JSON, nullable=False),
    sa.Column("created_at", sa.DateTime, nullable=False, server_default=sa.func.now()),
    sa.Column("format", Text, nullable=False, server_default=""),
    sa.Column("request_id", Text, nullable=False, server_default=""),
    sa.Column("seconds", sa.Float),
    sa.Column("method", Text, nullable=False, server_default=""),
    sa.Column("prompt_hash", Text, nullable=False, server_default=""),
    sa.Column("schema_version", Text, nullable=False, server_default=""),
    sa.Column("parsed", Text, nullable=False, server_default=""),
    sa.Column("complaint", Text, nullable=False, server_default=""),
)
LEASES = sa.Table(
    "leases",
    TABLES,
    sa.Column("key", Text, primary_key=True),
    sa.Column("owner", Text, nullable=False),
    sa.Column("until", sa.Float, nullable=False),
)
