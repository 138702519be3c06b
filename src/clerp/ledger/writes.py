"""What is written of answers, inside a transaction that somebody else commits."""

import time
from dataclasses import asdict, fields

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from clerp.ledger.owners import is_gone
from clerp.ledger.record import Answer, Claim, Taken
from clerp.ledger.tables import ANSWERS, INSERTS, LEASES

_SELECT_ANSWER = sa.select(*(ANSWERS.c[field.name] for field in fields(Answer))).where(
    ANSWERS.c.key == sa.bindparam("asked")
)
_SELECT_LEASE = sa.select(LEASES.c.owner, LEASES.c.until).where(
    LEASES.c.key == sa.bindparam("asked")
)
_DROP_LEASE = sa.delete(LEASES).where(LEASES.c.key == sa.bindparam("asked"))
_DROP_OWN_LEASE = _DROP_LEASE.where(LEASES.c.owner == sa.bindparam("holder"))
_RENEW_LEASE = (
    sa.update(LEASES)
    .where(LEASES.c.key == sa.bindparam("asked"), LEASES.c.owner == sa.bindparam("holder"))
    .values(until=sa.bindparam("later"))
)
# Machines that share a server need not agree on the time; those that share a file are one.
_SERVER_CLOCK = sa.select(sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Float))


def select_answer(connection: sa.Connection, key: str) -> Answer | None:
    """Read the answer under a key."""
    row = connection.execute(_SELECT_ANSWER, {"asked": key}).mappings().first()
    return None if row is None else Answer(**row)


def take_lease(
    insert: sqlite.Insert | postgresql.Insert,
) -> sqlite.Insert | postgresql.Insert:
    """Insert a lease, or put it in the place of one that ran out by `now`."""
    return insert.on_conflict_do_update(
        index_elements=[LEASES.c.key],
        set_={"owner": insert.excluded.owner, "until": insert.excluded.until},
        where=LEASES.c.until <= sa.bindparam("now", type_=sa.Float),
    )


_RECORD = {name: make(ANSWERS).on_conflict_do_nothing() for name, make in INSERTS.items()}
_TAKE = {name: take_lease(make(LEASES)) for name, make in INSERTS.items()}


class LedgerWrites:
    """An open transaction for answers and leases; nothing of it is kept until it is committed."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._record = _RECORD[connection.dialect.name]
        self._take = _TAKE[connection.dialect.name]

    def record_answer(self, answer: Answer) -> None:
        """Add an answer, unless there is one under its key, and end the lease on it."""
        self._connection.execute(self._record, asdict(answer))
        self._connection.execute(_DROP_LEASE, {"asked": answer.key})

    def claim(
        self, key: str, owner: str, seconds: float, *, now: float | None = None
    ) -> Claim | Answer | Taken:
        """See `Ledger.claim`."""
        moment = self._tell_time() if now is None else now
        lease = Claim(key, owner, moment + seconds)
        # The lease comes first: between a look for the answer and the lease, another connection
        # to a server could record the one and end the other.
        taken = self._take_or_find(lease, moment)
        answer = select_answer(self._connection, key)
        if answer is not None:
            self.release(key, owner)
        return answer or taken or lease

    def renew(self, key: str, owner: str, seconds: float, *, now: float | None = None) -> bool:
        """See `Ledger.renew`."""
        moment = self._tell_time() if now is None else now
        named = {"asked": key, "holder": owner, "later": moment + seconds}
        return self._connection.execute(_RENEW_LEASE, named).rowcount == 1

    def release(self, key: str, owner: str) -> None:
        """See `Ledger.release`."""
        self._connection.execute(_DROP_OWN_LEASE, {"asked": key, "holder": owner})

    def _take_or_find(self, lease: Claim, now: float) -> Taken | None:
        named = {**asdict(lease), "now": now}
        while self._connection.execute(self._take, named).rowcount != 1:
            holder = self._connection.execute(_SELECT_LEASE, {"asked": lease.key}).first()
            if holder is not None and not is_gone(holder.owner):
                return Taken(holder.until)
            if holder is not None:
                self.release(lease.key, holder.owner)
        return None

    def _tell_time(self) -> float:
        if self._connection.dialect.name == "sqlite":
            return time.time()
        return self._connection.execute(_SERVER_CLOCK).scalar_one()
