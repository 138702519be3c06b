import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clerp.errors import EvidenceError
from clerp_circuit_tracer.collect.activity import Row
from clerp_circuit_tracer.collect.batches import cut_shards
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
    for shard in cut_shards(rows, chosen, first_row=0, prefix=1):
        for batch in shard.batches:
            n, longest = batch.tokens.shape
            assert n == 1 or n * longest <= batch_tokens
            assert batch.lengths.max() == longest
            for row, line, length in zip(
                batch.rows, batch.tokens, batch.lengths.tolist(), strict=True
            ):
                assert torch.equal(line[:length], row.tokens)
                seen.append(row.number)
        assert sorted(seen) == list(range(shard.next_row))
    assert len(seen) == n_rows


@settings(deadline=None)
@given(start=st.integers(0, 4))
def test_a_run_that_begins_at_a_later_shard_has_the_same_batches(start: int) -> None:
    rows, chosen = make_rows(50), CollectSettings(batch_tokens=300, shard_rows=10)
    whole = list(cut_shards(rows, chosen, first_row=0, prefix=1))
    rest = cut_shards(rows[10 * start :], chosen, first_row=10 * start, prefix=1)
    for one, other in zip(whole[start:], rest, strict=True):
        assert one.next_row == other.next_row
        numbers = [[[row.number for row in b.rows] for b in s.batches] for s in (one, other)]
        assert numbers[0] == numbers[1]


def test_rows_are_read_one_shard_at_a_time() -> None:
    taken = []

    def rows():
        for row in make_rows(100):
            taken.append(row.number)
            yield row

    shards = cut_shards(rows(), CollectSettings(shard_rows=7), first_row=0, prefix=1)
    next(shards)
    assert len(taken) == 7


def test_a_gap_in_the_numbers_is_an_error() -> None:
    rows = make_rows(3)
    with pytest.raises(EvidenceError, match="row 2 of the corpus came where row 1 should"):
        list(cut_shards([rows[0], rows[2]], CollectSettings(), first_row=0, prefix=1))


def test_a_row_without_tokens_is_an_error() -> None:
    rows = [Row(0, torch.zeros(0, dtype=torch.long))]
    with pytest.raises(EvidenceError, match="row 0 of the corpus has no token"):
        list(cut_shards(rows, CollectSettings(), first_row=0, prefix=1))
