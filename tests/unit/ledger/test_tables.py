from sqlalchemy.dialects import postgresql

from clerp.ledger.tables import ANSWERS, INSERTS


def test_the_statements_are_also_postgresql():
    insert = INSERTS["postgresql"](ANSWERS).on_conflict_do_nothing()
    written = str(insert.compile(dialect=postgresql.dialect()))
    assert written.endswith("ON CONFLICT DO NOTHING")
