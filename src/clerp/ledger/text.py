"""Text that is the same in every database."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

_NUL, _ESCAPE = "\0", "\x1a"
_ESCAPED = str.maketrans({_NUL: f"{_ESCAPE}0", _ESCAPE: f"{_ESCAPE}{_ESCAPE}"})


class Text(sa.TypeDecorator[str]):
    """Any text, sorted by code point as SQLite and Python sort.

    PostgreSQL sorts by the language of the server if it is not told otherwise, and cannot hold
    NUL, which a model may write: there it is kept as U+001A, SUBSTITUTE, and `0`.
    """

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """See `sqlalchemy.TypeDecorator`."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.TEXT(collation="C"))
        return super().load_dialect_impl(dialect)

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        """See `sqlalchemy.TypeDecorator`."""
        if value is None or dialect.name != "postgresql":
            return value
        return value.translate(_ESCAPED)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> str | None:
        """See `sqlalchemy.TypeDecorator`."""
        if value is None or dialect.name != "postgresql" or _ESCAPE not in value:
            return value
        runs = value.split(_ESCAPE * 2)
        return _ESCAPE.join(run.replace(f"{_ESCAPE}0", _NUL) for run in runs)
