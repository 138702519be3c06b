"""What is written of answers, inside a transaction that somebody else commits."""

from collections.abc import Sequence
from dataclasses import asdict, fields

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from clerp.ledger.clock import tell_time
from clerp.ledger.owners import is_gone
from clerp.ledger.record import Answer, Claim, Taken
from clerp.ledger.tables import ANSWERS, INSERTS, LEASES

_FIELDS = tuple(field.name for field in fields(Answer))
_ANSWERS = sa.select(*(ANSWERS.c[name] for name in _FIELDS))
_SELECT_ANSWERS = _ANSWERS.where(ANSWERS.c.key.in_(sa.bindparam("asked", expanding=True)))
_SELECT_LEASE = sa.select(LEASES).where(LEASES.c.key == sa.bindparam("asked"))
_DROP_LEASE = sa.delete(LEASES).where(LEASES.c.key == sa.bindparam("asked"))
_DROP_OWN_LEASE = _DROP_LEASE.where(LEASES.c.owner == sa.bindparam("holder"))
_RENEW_LEASE = (
    sa.update(LEASES)
    .where(LEASES.c.key == sa.bindparam("asked"), LEASES.c.owner == sa.bindparam("holder"))
    .values(until=sa.bindparam("later"))
)


def select_answers(connection: sa.Connection, keys: Sequence[str]) -> dict[str, Answer]:
    """Read the answers under any of these keys."""
    if not keys:
        return {}
    found = connection.execute(_SELECT_ANSWERS, {"asked": keys}).mappings()
    return {row["key"]: Answer(**row) for row in found}


def take_lease(
    insert: sqlite.Insert | postgresql.Insert,
) -> sqlite.Insert | postgresql.Insert:
    """Insert a lease, or put it in the place of one that ran out by `now`."""
    return insert.on_conflict_do_update(
        index_elements=[LEASES.c.key],
        set_={"owner": insert.excluded.owner, "until": insert.excluded.until},
        where=LEASES.c.until <= sa.bindparam("now", type_=sa.Float),
    )


# Both return the keys of the rows that they wrote.
_RECORD = {
    name: make(ANSWERS).on_conflict_do_nothing().returning(ANSWERS.c.key)
    for name, make in INSERTS.items()
}
_TAKE = {name: take_lease(make(LEASES)).returning(LEASES.c.key) for name, make in INSERTS.items()}


class LedgerWrites:
    """An open transaction for answers and leases; nothing of it is kept until it is committed."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._record = _RECORD[connection.dialect.name]
        self._take = _TAKE[connection.dialect.name]

    def record_answer(self, answer: Answer) -> Answer:
        """See `Ledger.record_answer`."""
        return self.record_answers([answer])[0]

    def record_answers(self, answers: Sequence[Answer]) -> list[Answer]:
        """Do for many what `record_answer` does for one.

        Returns:
            For each the one that is on record now: of two with one key, twice the first.
        """
        first: dict[str, Answer] = {}
        # In the order of `claim_all`.
        for answer in sorted(answers, key=lambda answer: answer.key):
            first.setdefault(answer.key, answer)
        rows = [{name: getattr(answer, name) for name in _FIELDS} for answer in first.values()]
        added = set(self._connection.execute(self._record, rows).scalars())
        self._connection.execute(_DROP_LEASE, [{"asked": key} for key in first])
        known = select_answers(self._connection, [key for key in first if key not in added])
        return [known.get(answer.key, first[answer.key]) for answer in answers]

    def claim(
        self, key: str, owner: str, seconds: float, *, now: float | None = None
    ) -> Claim | Answer | Taken:
        """See `Ledger.claim`."""
        moment = tell_time(self._connection) if now is None else now
        lease = Claim(key, owner, moment + seconds)
        # The lease comes first: between a look for the answer and the lease, another connection
        # to a server could record the one and end the other.
        taken = self._take_or_find(lease, moment)
        answer = select_answers(self._connection, [key]).get(key)
        if answer is not None:
            self.release(key, owner)
        return answer or taken or lease

    def claim_all(
        self, keys: Sequence[str], owner: str, seconds: float
    ) -> list[Claim | Answer | Taken]:
        """Do for many what `claim` does for one, in a few statements.

        Returns:
            As many outcomes as keys. A key that is given twice is claimed once, and taken then.
        """
        moment = tell_time(self._connection)
        # Everybody in the same order: on a server, two that hold what the other one waits for would
        # wait for ever.
        leases = {key: Claim(key, owner, moment + seconds) for key in sorted(keys)}
        # As `claim`: the leases come first.
        rows = [{**asdict(lease), "now": moment} for lease in leases.values()]
        taken = self._connection.execute(self._take, rows).scalars()
        mine = {key: leases[key] for key in taken}
        answers = select_answers(self._connection, list(leases))
        for key in answers.keys() & mine.keys():
            self.release(key, owner)
        # One that another holds is looked at closer: the holder may be gone.
        return [
            answers.get(key) or mine.pop(key, None) or self.claim(key, owner, seconds)
            for key in keys
        ]

    def renew(self, key: str, owner: str, seconds: float, *, now: float | None = None) -> bool:
        """See `Ledger.renew`."""
        moment = tell_time(self._connection) if now is None else now
        named = {"asked": key, "holder": owner, "later": moment + seconds}
        return self._connection.execute(_RENEW_LEASE, named).rowcount == 1

    def release(self, key: str, owner: str) -> None:
        """See `Ledger.release`."""
        self._connection.execute(_DROP_OWN_LEASE, {"asked": key, "holder": owner})

    def _take_or_find(self, lease: Claim, now: float) -> Taken | None:
        named = {**asdict(lease), "now": now}
        while self._connection.execute(self._take, named).scalar() is None:
            holder = self._connection.execute(_SELECT_LEASE, {"asked": lease.key}).first()
            if holder is not None and not is_gone(holder.owner):
                return Taken(holder.until)
            if holder is not None:
                self.release(lease.key, holder.owner)
        return None
