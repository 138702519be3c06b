import sqlalchemy as sa
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql
from tests.unit.ledger.databases import connect

from clerp.ledger.text import Text

WORDS = sa.Table("words", sa.MetaData(), sa.Column("word", Text))


def test_text_is_sorted_by_code_point_and_found_as_it_was(url: str):
    words = ["Zebra", "_under", "apple", "nul\0", "sub\x1a", "sub\x1a0", "Äpfel", "😀"]
    with connect(url) as connection:
        WORDS.create(connection)
        connection.execute(sa.insert(WORDS), [{"word": word} for word in reversed(words)])
        kept = connection.execute(sa.select(WORDS).order_by(WORDS.c.word)).scalars().all()
        found = [
            connection.execute(sa.select(WORDS).where(WORDS.c.word == word)).scalars().all()
            for word in words
        ]
    assert kept == words
    assert found == [[word] for word in words]


@given(st.text(st.characters() | st.sampled_from("\0\x1a0")))
@example("\0\x1a\0\x1a0\x1a\x1a0")
def test_no_two_texts_are_written_alike_and_none_with_nul(text: str):
    dialect = postgresql.dialect()
    written = Text().process_bind_param(text, dialect)
    assert written is not None
    assert "\0" not in written
    assert Text().process_result_value(written, dialect) == text


def test_what_is_missing_stays_missing(url: str):
    with connect(url) as connection:
        WORDS.create(connection)
        connection.execute(sa.insert(WORDS), {"word": None})
        assert connection.execute(sa.select(WORDS)).scalars().all() == [None]
