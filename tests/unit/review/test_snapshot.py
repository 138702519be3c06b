"""Snapshots to bytes and back."""

import zlib
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.errors import LedgerError
from clerp.report.verbalized import ClaimView, Piece, SignalView, TextView, VerbalizedView
from clerp.review.snapshot import (
    VERSION,
    CandidateView,
    ExampleView,
    FeatureSnapshot,
    GraphSnapshot,
    NeighbourKind,
    NeighbourView,
    NodeView,
    OccurrenceSnapshot,
    ProposalView,
    ScoreView,
    decode,
    encode,
)
from clerp.router import Role

KINDS = (FeatureSnapshot, OccurrenceSnapshot, GraphSnapshot)

numbers = st.floats(allow_nan=False, allow_infinity=False)
perhaps = st.none() | numbers
# Lone surrogates do not get past the readers of files.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
whole = st.integers(0, 2**63 - 1)


def tuples_of(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(strategy, max_size=3).map(tuple)


scores = st.builds(ScoreView, raw=numbers, z=perhaps, p=perhaps, n=whole)
candidates = st.builds(CandidateView, texts, texts, texts)
pieces = tuples_of(st.builds(Piece, texts, st.booleans()))
said = tuples_of(st.builds(TextView, texts, pieces, texts))
verbalized = st.builds(
    VerbalizedView,
    whose=texts,
    status=texts,
    status_line=texts,
    proposal=pieces,
    method=texts,
    first=said,
    more=said,
    where_off=said,
    kept_claims=tuples_of(st.builds(ClaimView, pieces, texts)),
    signals=tuples_of(st.builds(SignalView, texts, texts, texts)),
    notes=tuples_of(texts),
    unavailable=texts,
)
proposals = st.builds(
    ProposalView,
    role=st.sampled_from(get_args(Role)),
    tier=st.sampled_from([1, 2, 3]),
    confidence=texts,
    route_reason=texts,
    steps=tuples_of(texts),
    scores=st.dictionaries(texts, scores, max_size=3),
    margin=perhaps,
    p=perhaps,
    status=texts,
    label=texts,
    method=texts,
    model=texts,
    reason=texts,
    hint=texts,
    notes=tuples_of(texts),
    candidates=tuples_of(candidates),
    verbalized=st.none() | verbalized,
)
examples = st.builds(
    ExampleView,
    id=texts,
    quantile=whole,
    tokens=tuples_of(texts),
    activations=tuples_of(numbers),
    peak=whole,
)
features = st.builds(
    FeatureSnapshot,
    proposal=st.none() | proposals,
    examples=tuples_of(examples),
    set_aside=tuples_of(st.tuples(texts, whole)),
    promoted=tuples_of(texts),
    suppressed=tuples_of(texts),
    density=perhaps,
    act_min=numbers,
    act_max=numbers,
    histogram=tuples_of(numbers),
)
neighbours = tuples_of(
    st.builds(NeighbourView, st.sampled_from(get_args(NeighbourKind)), texts, numbers)
)
occurrences = st.builds(
    OccurrenceSnapshot,
    nodes=tuples_of(st.builds(NodeView, texts, whole, perhaps, perhaps, perhaps)),
    upstream=neighbours,
    downstream=neighbours,
)
graphs = st.builds(GraphSnapshot, texts, tuples_of(texts))


def write(version: int, content: object) -> bytes:
    return zlib.compress(msgspec.json.encode({"version": version, "content": content}))


@given(features)
def test_a_feature_comes_back_as_it_was(snapshot: FeatureSnapshot):
    assert decode(encode(snapshot), FeatureSnapshot) == snapshot


@given(occurrences)
def test_an_occurrence_comes_back_as_it_was(snapshot: OccurrenceSnapshot):
    assert decode(encode(snapshot), OccurrenceSnapshot) == snapshot


@given(graphs)
def test_a_graph_comes_back_as_it_was(snapshot: GraphSnapshot):
    assert decode(encode(snapshot), GraphSnapshot) == snapshot


@given(features)
def test_the_same_snapshot_is_the_same_bytes(snapshot: FeatureSnapshot):
    again = decode(encode(snapshot), FeatureSnapshot)
    assert again is not None
    assert encode(again) == encode(snapshot)


@pytest.mark.parametrize("kind", KINDS)
def test_where_nothing_is_kept_there_is_no_snapshot(kind: type[GraphSnapshot]):
    assert decode(None, kind) is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", [0, VERSION + 1])
def test_what_another_version_kept_is_none_whatever_it_looks_like(
    kind: type[GraphSnapshot], version: int
):
    for content in (GraphSnapshot("dallas"), {}, [], "text", None, {"name": 3}):
        assert decode(write(version, content), kind) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no zlib",
        encode(GraphSnapshot("dallas"))[:-3],
        encode(GraphSnapshot("dallas")).replace(b"x", b"y", 1),
        zlib.compress(b""),
        zlib.compress(b"[]"),
        zlib.compress(b"{}"),
        zlib.compress(b'{"version": "1", "content": {}}'),
        zlib.compress(b'{"version": 2, "content": {"name": "\xff"}}'),
        zlib.compress(b'{"version": 2, "content": {"name": "\\ud800"}}'),
        zlib.compress(b'{"version": 2, "content": ' + b"[" * 99_999 + b"]" * 99_999 + b"}"),
        write(VERSION, None),
        write(VERSION, {"name": 3}),
        write(VERSION, {"name": "dallas", "prompt_tokens": [None]}),
        write(VERSION, OccurrenceSnapshot()),
    ],
    ids=lambda content: repr(content)[:30],
)
def test_damage_is_one_error_that_says_what_to_do(content: bytes):
    with pytest.raises(LedgerError, match=r"damaged .*\. Restore the ledger"):
        decode(content, GraphSnapshot)


@given(features, st.data())
def test_no_damage_raises_anything_else_or_passes_unseen(
    snapshot: FeatureSnapshot, data: st.DataObject
):
    damaged = bytearray(encode(snapshot))
    place = data.draw(st.integers(0, len(damaged) - 1))
    damaged[place] ^= data.draw(st.integers(1, 255))
    try:
        read = decode(bytes(damaged), FeatureSnapshot)
    except LedgerError:
        return
    # Some bits of the header change nothing.
    assert read == snapshot
