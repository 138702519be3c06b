from collections.abc import Iterable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clerp.errors import EvidenceError
from clerp_circuit_tracer.collect.activity import Row
from clerp_circuit_tracer.collect.batches import Mark, Step, cut_batches
from clerp_circuit_tracer.collect.settings import CollectSettings

from .collect_reader import make_rows


@settings(deadline=None)
@given(n_rows=st.integers(0, 50), batch_tokens=st.integers(1, 500), shard_rows=st.integers(1, 20))
def test_every_row_is_in_one_batch_padded_on_the_right(
    n_rows: int, batch_tokens: int, shard_rows: int
) -> None:
    rows = make_rows(n_rows)
    chosen = CollectSettings(batch_tokens=batch_tokens, shard_rows=shard_rows)
    seen = []
    for step in cut_batches(rows, chosen, start=Mark(), prefix=1):
        batch = step.batch
        n, longest = batch.tokens.shape
        assert n == 1 or n * longest <= batch_tokens
        assert batch.lengths.max() == longest
        for row, line, length in zip(batch.rows, batch.tokens, batch.lengths.tolist(), strict=True):
            assert torch.equal(line[:length], row.tokens)
            seen.append(row.number)
        assert len(seen) == step.mark.first_row + step.mark.n_rows
        assert set(seen) >= set(range(step.mark.first_row))
    assert sorted(seen) == list(range(n_rows))


@settings(deadline=None)
@given(n_steps=st.integers(0, 20))
def test_a_run_that_goes_on_after_any_batch_has_the_same_batches(n_steps: int) -> None:
    rows, chosen = make_rows(50), CollectSettings(batch_tokens=300, shard_rows=10)
    whole = list(cut_batches(rows, chosen, start=Mark(), prefix=1))
    mark = whole[:n_steps][-1].mark if n_steps else Mark()
    rest = list(cut_batches(rows[mark.first_row :], chosen, start=mark, prefix=1))
    assert list_numbers(rest) == list_numbers(whole[n_steps:])
    assert [step.mark for step in rest] == [step.mark for step in whole[n_steps:]]


@settings(deadline=None)
@given(n_steps=st.integers(0, 20), batch_tokens=st.integers(1, 900))
def test_a_run_that_goes_on_with_other_batches_sees_every_row_once(
    n_steps: int, batch_tokens: int
) -> None:
    rows, chosen = make_rows(50), CollectSettings(batch_tokens=300, shard_rows=10)
    seen = list(cut_batches(rows, chosen, start=Mark(), prefix=1))[:n_steps]
    mark = seen[-1].mark if seen else Mark()
    other = chosen.model_copy(update={"batch_tokens": batch_tokens})
    rest = list(cut_batches(rows[mark.first_row :], other, start=mark, prefix=1))
    numbers = [number for batch in list_numbers([*seen, *rest]) for number in batch]
    assert sorted(numbers) == list(range(50))


def list_numbers(steps: Iterable[Step]) -> list[list[int]]:
    return [[row.number for row in step.batch.rows] for step in steps]


def test_rows_are_read_one_shard_at_a_time() -> None:
    taken = []

    def rows():
        for row in make_rows(100):
            taken.append(row.number)
            yield row

    steps = cut_batches(rows(), CollectSettings(shard_rows=7), start=Mark(), prefix=1)
    next(steps)
    assert len(taken) == 7


def test_a_gap_in_the_numbers_is_an_error() -> None:
    rows = make_rows(3)
    with pytest.raises(EvidenceError, match="row 2 of the corpus came where row 1 should"):
        list(cut_batches([rows[0], rows[2]], CollectSettings(), start=Mark(), prefix=1))


def test_a_row_without_tokens_is_an_error() -> None:
    rows = [Row(0, torch.zeros(0, dtype=torch.long))]
    with pytest.raises(EvidenceError, match="row 0 of the corpus has no token"):
        list(cut_batches(rows, CollectSettings(), start=Mark(), prefix=1))
