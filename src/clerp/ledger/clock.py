"""What time it is for all who share a ledger."""

import time

import sqlalchemy as sa

# Machines that share a server need not agree on the time; those that share a file are one.
_SERVER_CLOCK = sa.select(sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Float))


def tell_time(connection: sa.Connection) -> float:
    """Return the seconds since 1970, by the server's clock, or by this machine's for a file."""
    if connection.dialect.name == "sqlite":
        return time.time()
    return connection.execute(_SERVER_CLOCK).scalar_one()
