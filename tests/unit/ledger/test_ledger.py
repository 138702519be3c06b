"""Answers, and what survives threads, processes and faults."""

import itertools
import signal
import subprocess
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import event
from tests.unit.ledger.databases import add_trigger, ask, connect
from tests.unit.ledger.records import SET, make_answer, make_item, queue

from clerp.errors import LedgerError
from clerp.feature import FeatureId
from clerp.ledger import FeatureKey, Ledger, open_ledger

EXAMPLES = itertools.count()
"""Each has a key of its own in a ledger that all share."""


@contextmanager
def counting_reads(connection: sa.Connection) -> Generator[list[str]]:
    read: list[str] = []

    def note(*said: Any) -> None:
        if said[2].startswith("SELECT"):
            read.append(said[2])

    event.listen(connection, "before_cursor_execute", note)
    yield read
    event.remove(connection, "before_cursor_execute", note)


WRITER = """
import itertools, sys
from clerp.ledger import Answer, open_ledger
path, name = sys.argv[1:3]
count = int(sys.argv[3]) if len(sys.argv) > 3 else None
with open_ledger(path) as ledger:
    for n in itertools.count() if count is None else range(count):
        ledger.record_answer(Answer(f"{name}-{n}", "text", "model", 1, 1, None, "stop"))
        sys.stdout.write(f"{name}-{n}\\n")
        sys.stdout.flush()
"""


def test_answers_and_queue_survive_reopening(url: str):
    item = make_item(key=FeatureKey(SET, FeatureId(3, 2**40, "lor"), digest="e" * 64), share=None)
    unpriced = make_answer(cost_usd=None, prompt_tokens=None, parameters={"temperature": 0})
    with open_ledger(url) as first:
        first.record_answer(unpriced)
        queue(first, item)
    with open_ledger(url) as second:
        assert second.find_answer("k") == unpriced
        assert second.queued() == [item]


def test_an_unknown_key_has_no_answer(ledger: Ledger):
    ledger.record_answer(make_answer("one"))
    assert ledger.find_answer("two") is None


def test_the_first_answer_under_a_key_stays(ledger: Ledger):
    first = make_answer(text="first")
    assert ledger.record_answer(first) == first
    assert ledger.record_answer(make_answer(text="second")) == first
    assert ledger.find_answer("k") == first


def test_answers_that_are_all_new_are_not_read_again(ledger: Ledger):
    ledger.record_answer(make_answer("old", text="first"))
    with ledger.writing() as writes, counting_reads(writes._connection) as read:
        answers = [make_answer(str(n)) for n in range(3)]
        assert writes.record_answers(answers) == answers
        assert read == []
        again = [make_answer("old", text="second"), make_answer("3"), make_answer("old")]
        assert [answer.text for answer in writes.record_answers(again)] == [
            "first",
            make_answer().text,
            "first",
        ]
        assert len(read) == 1


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
@example(text="\0 \x1a\0 \x1a0 \x1a\x1a")
def test_an_answer_comes_back_as_it_was(lasting: Ledger, text: str):
    answer = make_answer(str(next(EXAMPLES)), text=text)
    lasting.record_answer(answer)
    assert lasting.find_answer(answer.key) == answer


def test_a_failed_queueing_changes_nothing(ledger: Ledger, url: str):
    queue(ledger, make_item(1))
    with connect(url) as connection:
        # Fails once the queue itself has been written.
        fault = "INSERT INTO injected VALUES (NEW.graph)"
        connection.exec_driver_sql("CREATE TABLE injected (what TEXT CHECK (what = 'dallas'))")
        add_trigger(connection, "BEFORE INSERT ON queue_graphs", fault)
    with pytest.raises(LedgerError, match=r"(?i)check constraint"):
        queue(ledger, make_item(2, ("dallas", "oakland")))
    assert ledger.queued() == [make_item(1)]


def test_threads_share_one_ledger(ledger: Ledger):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: ledger.record_answer(make_answer(str(n % 20))), range(60)))
    assert all(ledger.find_answer(str(n)) for n in range(20))


def write_answers(url: str, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WRITER, url, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_processes_write_one_new_ledger(url: str):
    writers = [write_answers(url, name, "25") for name in ("left", "right")]
    acknowledged = [line for writer in writers for line in writer.communicate()[0].split()]
    assert [writer.returncode for writer in writers] == [0, 0]
    assert len(acknowledged) == 50
    with open_ledger(url) as ledger:
        assert all(ledger.find_answer(key) for key in acknowledged)


def test_what_was_acknowledged_survives_kill_9(url: str):
    writer = write_answers(url, "doomed")
    assert writer.stdout is not None
    acknowledged = [writer.stdout.readline().strip() for _ in range(30)]
    writer.send_signal(signal.SIGKILL)
    acknowledged += writer.communicate()[0].split()
    with open_ledger(url) as ledger:
        assert all(ledger.find_answer(key) for key in acknowledged)
    if "://" not in url:
        assert ask(url, "PRAGMA integrity_check") == [("ok",)]
