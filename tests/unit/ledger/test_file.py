"""A ledger whose file is gone takes nothing more, so that nothing seems to be kept that is not."""

from pathlib import Path

import pytest
from tests.unit.ledger.records import make_answer

from clerp.errors import LedgerError
from clerp.ledger import open_ledger


def test_nothing_is_written_into_a_deleted_file(path: Path):
    with open_ledger(str(path)) as ledger:
        ledger.record_answer(make_answer("a"))
        path.unlink()
        with pytest.raises(LedgerError, match="was deleted"):
            ledger.record_answer(make_answer("b"))


def test_nothing_is_written_where_another_file_is_in_its_place(path: Path, tmp_path: Path):
    with open_ledger(str(path)) as ledger:
        path.rename(tmp_path / "moved.db")
        open_ledger(str(path)).close()
        with pytest.raises(LedgerError, match="was replaced"):
            ledger.record_answer(make_answer("b"))
    with open_ledger(str(path)) as other:
        assert other.find_answer("b") is None


def test_a_file_that_is_put_back_is_used_again(path: Path, tmp_path: Path):
    with open_ledger(str(path)) as ledger:
        path.rename(tmp_path / "moved.db")
        with pytest.raises(LedgerError):
            ledger.record_answer(make_answer("a"))
        (tmp_path / "moved.db").rename(path)
        ledger.record_answer(make_answer("a"))
    with open_ledger(str(path)) as again:
        assert again.find_answer("a") == make_answer("a")
