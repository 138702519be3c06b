import gzip
import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.loopback import Reply

from clerp.errors import EvidenceError, MissingEvidenceError, RemoteError, UsageError
from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.feature import FeatureId
from clerp.plugins import Source, find
from clerp.testing import check_registered, check_source
from clerp_neuronpedia import server
from clerp_neuronpedia.api import NO_FEATURE, NO_LORSA, NOT_CACHED, NeuronpediaSource
from clerp_neuronpedia.place import Place

ARGUMENT = "gemma-2-2b/clt-hp"
FEATURE = FeatureId(3, 7)
OTHER = FeatureId(4, 7)
SOME = [FeatureId(layer, index) for layer in range(3) for index in (2, 10, 1)]


@pytest.fixture
def waits():
    """The seconds that the client waited, without waiting."""
    return []


@pytest.fixture
def source(neuronpedia, waits):
    return NeuronpediaSource(ARGUMENT, sleep=waits.append)


def read(source, *features):
    return list(source.read(features))


def read_one(source, feature=FEATURE):
    (item,) = source.read([feature])
    return item


def digests(items):
    return [item.digest for item in items]


def list_features(items):
    assert all(isinstance(item, FeatureEvidence) for item in items), items
    return [item.feature for item in items]


def first_tokens(items):
    return [item.top[0].tokens[0] for item in items]


def build_rows(build, features):
    return [build.row(f.layer, f.index) for f in features]


def test_it_keeps_the_contract(neuronpedia, build):
    neuronpedia.rows = build_rows(build, SOME)
    check_source(NeuronpediaSource(ARGUMENT), SOME)
    check_registered("sources", f"neuronpedia:{ARGUMENT}", features=SOME)


def test_it_is_found_by_name_and_makes_no_request_until_it_is_read(neuronpedia):
    source = find("sources", f"neuronpedia:{ARGUMENT}")
    assert isinstance(source, Source)
    assert source.name == f"neuronpedia:{ARGUMENT}"
    source.read([FEATURE])
    assert neuronpedia.loopback.requests == []


@pytest.mark.parametrize("argument", ["", "gemma-2-2b", "a/b/c", "a/b+", "a b/c", "/x", "a/x?y"])
def test_an_argument_that_names_no_source_set_is_refused(argument):
    with pytest.raises(UsageError, match="MODEL/SET"):
        NeuronpediaSource(argument)


def test_four_hundred_features_take_two_requests(neuronpedia, source, build):
    features = [FeatureId(n % 26, n) for n in range(400)]
    neuronpedia.rows = build_rows(build, features)
    assert list_features(read(source, *features)) == features
    assert [len(batch) for batch in neuronpedia.batches] == [250, 150]


def test_a_request_asks_for_all_activations_with_the_index_as_a_number(neuronpedia, source):
    read(source, FEATURE)
    assert neuronpedia.batches == [[{"modelId": "gemma-2-2b", "layer": "3-clt-hp", "index": 7}]]


def test_rows_are_told_apart_by_layer_and_index_whatever_their_order(neuronpedia, source, build):
    neuronpedia.rows = build_rows(build, reversed(SOME))
    items = read(source, *SOME)
    assert list_features(items) == SOME
    assert [item.top[0].tokens[0] for item in items] == [f" l{f.layer}i{f.index}n00" for f in SOME]


def test_duplicates_and_unasked_rows_change_nothing(neuronpedia, source, build):
    row = build.row(activations=[build.activation("a"), build.activation("b", 4.0)])
    again = {**row, "activations": row["activations"][::-1], "createdAt": "later"}
    strange = [build.row(9, 9), {**row, "modelId": "gemma-2-9b"}, {"index": "7"}, 3, None, [row]]
    neuronpedia.loopback.script.append(neuronpedia.reply([*strange, again, row, *strange]))
    assert [e.tokens[0] for e in read_one(source).top] == [" a0", " b0"]


def test_an_index_may_be_text_or_number(neuronpedia, source, build):
    neuronpedia.loopback.script.append(neuronpedia.reply([build.row(index=7) | {"index": 7}]))
    assert isinstance(read_one(source), FeatureEvidence)


def test_two_rows_that_differ_are_a_gap(neuronpedia, source, build):
    rows = [build.row(pos_str=[" one"]), build.row(pos_str=[" other"])]
    neuronpedia.loopback.script.append(neuronpedia.reply(rows))
    assert read_one(source) == EvidenceGap(FEATURE, "3-clt-hp/7: the answer has two different rows")


def test_a_feature_asked_twice_is_requested_once_and_told_twice(neuronpedia, source, build):
    neuronpedia.rows = [build.row()]
    assert list_features(read(source, FEATURE, FEATURE)) == [FEATURE, FEATURE]
    assert neuronpedia.asked == [("3-clt-hp", 7)]


def test_features_that_are_left_out_are_gaps_also_when_all_are(neuronpedia, source, build):
    neuronpedia.rows = [build.row()]
    assert read(source, OTHER, FEATURE)[0] == EvidenceGap(OTHER, NO_FEATURE)
    assert read(source, OTHER) == [EvidenceGap(OTHER, NO_FEATURE)]


def test_candidates_come_with_the_evidence(neuronpedia, source, build):
    neuronpedia.rows = [build.row(explanations=[build.explanation("heat")])]
    evidence = read_one(source)
    assert [candidate.text for candidate in evidence.candidates] == ["heat"]


def test_attention_features_are_read_from_their_own_set(neuronpedia, waits, build):
    lorsa = FeatureId(3, 7, "lor")
    neuronpedia.rows = [
        build.row(activations=[build.activation("mlp")]),
        build.row(source_set="lorsa-8x", activations=[build.activation("attention")]),
    ]
    both = NeuronpediaSource(f"{ARGUMENT}+lorsa-8x", sleep=waits.append)
    assert both.name == f"neuronpedia:{ARGUMENT}+lorsa-8x"
    items = read(both, FEATURE, lorsa)
    assert list_features(items) == [FEATURE, lorsa]
    assert first_tokens(items) == [" mlp0", " attention0"]
    assert len(neuronpedia.batches) == 1


def test_attention_features_without_a_set_are_gaps(neuronpedia, source):
    lorsa = FeatureId(3, 7, "lor")
    assert read_one(source, lorsa) == EvidenceGap(lorsa, NO_LORSA)
    assert neuronpedia.loopback.requests == []


def test_a_key_is_sent_only_where_there_is_one(neuronpedia, source, monkeypatch):
    read(source, FEATURE)
    monkeypatch.setenv("NEURONPEDIA_API_KEY", "sk-np-secret")
    read(source, FEATURE)
    sent = [asked.headers.get("x-api-key") for asked in neuronpedia.loopback.requests]
    assert sent == [None, "sk-np-secret"]


@pytest.mark.parametrize(("key", "sent"), [(" sk-np-secret\r\n", "sk-np-secret"), (" \n", None)])
def test_white_space_around_a_key_is_no_part_of_it(neuronpedia, source, monkeypatch, key, sent):
    monkeypatch.setenv("NEURONPEDIA_API_KEY", key)
    read(source, FEATURE)
    assert neuronpedia.loopback.requests[0].headers.get("x-api-key") == sent


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_says_which_variable_takes_the_key_and_not_the_key(
    neuronpedia, source, monkeypatch, status
):
    monkeypatch.setenv("NEURONPEDIA_API_KEY", "sk-np-secret")
    neuronpedia.loopback.script.append(Reply(status=status))
    with pytest.raises(RemoteError, match="NEURONPEDIA_API_KEY") as raised:
        read(source, FEATURE)
    assert "sk-np-secret" not in str(raised.value)


def test_a_429_is_waited_for_as_long_as_it_says(neuronpedia, source, waits, build):
    neuronpedia.rows = [build.row()]
    neuronpedia.loopback.script += [
        Reply(b"{}", 429, {"Retry-After": "7"}),
        Reply(b"{}", 429),
    ]
    assert isinstance(read_one(source), FeatureEvidence)
    assert len(waits) == 2
    assert waits[0] == 7


def test_a_429_without_an_end_says_how_much_is_kept(neuronpedia, source, build):
    features = [FeatureId(0, n) for n in range(300)]
    neuronpedia.rows = build_rows(build, features)
    read(source, *features[:250])
    neuronpedia.loopback.script += [Reply(b"{}", 429)] * 10
    with pytest.raises(RemoteError, match=r"429.*after 250 of 300 features.*is kept"):
        read(source, *features)


def test_it_stops_before_the_429_and_the_next_run_asks_for_the_rest(neuronpedia, source, build):
    features = [FeatureId(0, n) for n in range(600)]
    neuronpedia.rows = build_rows(build, features)
    neuronpedia.headers = {"x-limit-remaining": "1"}
    neuronpedia.loopback.script.append(Reply(b"[]", headers={"x-limit-remaining": "0"}))
    with pytest.raises(RemoteError, match=r"used up, after 250 of 600 features.*an hour"):
        read(source, *features)
    assert len(neuronpedia.batches) == 1
    assert len(read(source, *features)) == 600


def test_the_last_request_of_the_hour_is_used(neuronpedia, source, build):
    neuronpedia.rows = [build.row()]
    neuronpedia.headers = {"x-limit-remaining": "0"}
    assert isinstance(read_one(source), FeatureEvidence)


@pytest.mark.parametrize("remaining", ["", "many", "-1", "0.5"])
def test_a_header_without_sense_stops_nothing(neuronpedia, source, build, remaining):
    features = [FeatureId(0, n) for n in range(300)]
    neuronpedia.rows = build_rows(build, features)
    neuronpedia.headers = {"x-limit-remaining": remaining}
    assert list_features(read(source, *features)) == features


@pytest.mark.parametrize(
    "fault",
    [Reply(status=500), Reply(status=502), Reply(refuses=True), Reply(b"[]" * 99, cut=9)],
    ids=["500", "502", "lost connection", "cut body"],
)
def test_a_passing_fault_is_tried_again(neuronpedia, source, waits, build, fault):
    neuronpedia.rows = [build.row()]
    neuronpedia.loopback.script += [fault, fault]
    assert isinstance(read_one(source), FeatureEvidence)
    assert len(waits) == 2


def test_after_a_fault_only_the_rest_is_asked_for(neuronpedia, source, build):
    features = [FeatureId(0, n) for n in range(600)]
    neuronpedia.rows = build_rows(build, features)
    items = source.read(features)
    first = [next(items) for _ in range(250)]
    neuronpedia.loopback.script += [Reply(status=500)] * 5
    with pytest.raises(RemoteError, match="after 250 of 600 features"):
        next(items)
    n_requests = len(neuronpedia.batches)
    second = read(source, *features)
    assert [len(batch) for batch in neuronpedia.batches[n_requests:]] == [250, 100]
    assert {index for _, index in neuronpedia.asked[-350:]} == set(range(250, 600))
    assert digests(second[:250]) == digests(first)


def test_a_fault_says_how_much_is_kept_wherever_it_stands(neuronpedia, source, build):
    neuronpedia.rows = build_rows(build, SOME[:2])
    read(source, *SOME[:2])
    neuronpedia.loopback.script += [Reply(status=500)] * 5
    with pytest.raises(RemoteError, match="after 2 of 3 features"):
        read(source, FEATURE, *SOME[:2])


def test_what_was_absent_or_malformed_stays_so_when_nobody_answers(neuronpedia, source, build):
    neuronpedia.rows = [build.row(), build.row(5, 5, pos_str=3)]
    features = [FEATURE, OTHER, FeatureId(5, 5)]
    first = read(source, *features)
    neuronpedia.loopback.script += [Reply(b"{}", 429)] * 5
    second = read(source, *features)
    assert second[0].digest == first[0].digest
    for before, after in zip(first[1:], second[1:], strict=True):
        assert after.reason.startswith(f"{before.reason} (by an earlier run; now ")
        assert "429" in after.reason
        assert neuronpedia.loopback.address not in after.reason
    assert neuronpedia.asked[3:] == [("4-clt-hp", 7), ("5-clt-hp", 5)] * 5


@pytest.mark.parametrize(
    "body",
    [
        *(b"<!DOCTYPE html><html></html>", b"", b"{}", b"null", b'{"message": "no"}'),
        *(b"[1, 2", b"\xff\xfe", b"[" * 100_000),
    ],
)
def test_what_is_no_list_is_refused(neuronpedia, source, body):
    neuronpedia.loopback.script.append(Reply(body))
    with pytest.raises(RemoteError, match=r"/api/features: the answer is no list of at most 500"):
        read(source, FEATURE)


def test_more_rows_than_anybody_asked_for_are_refused_without_reading_them(
    neuronpedia, source, build
):
    rows = json.dumps([build.row(), *[0] * (server.MAX_ROWS - 1)]).encode()
    neuronpedia.loopback.script += [Reply(rows), Reply(rows[:-1] + b", 0" * 500_000 + b"]")]
    assert isinstance(read_one(source), FeatureEvidence)
    tracemalloc.start()
    try:
        with pytest.raises(RemoteError, match="no list of at most 500 features"):
            read(source, OTHER)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_a_server_without_this_interface_is_missing(neuronpedia, source):
    neuronpedia.loopback.script.append(Reply(b"<!DOCTYPE html>", 404))
    with pytest.raises(MissingEvidenceError):
        read(source, FEATURE)


@pytest.mark.parametrize("packed", [False, True])
def test_an_answer_beyond_all_measure_is_refused(neuronpedia, source, monkeypatch, packed):
    monkeypatch.setattr(server, "MAX_ANSWER_BYTES", 10_000)
    body = b"[" + b" " * 1_000_000
    reply = Reply(gzip.compress(body), headers={"Content-Encoding": "gzip"})
    neuronpedia.loopback.script.append(reply if packed else Reply(body))
    with pytest.raises(RemoteError, match="larger than 10,000 bytes"):
        read(source, FEATURE)


def test_the_largest_documented_answer_fits(build):
    tokens = [" unbelievable"] * 128
    values = [-123.456789012345] * 128
    full = {"tokens": tokens, "values": values, "dfaValues": values, "lossValues": values}
    activations = [build.activation("a") | full] * 50
    vector = {"vector": [-0.123456789012345] * 8192, "hasVector": True}
    row = json.dumps(build.row(activations=activations, **vector))
    assert 250 * len(row) < server.MAX_ANSWER_BYTES


def test_a_malformed_row_is_a_gap_and_asked_for_again(neuronpedia, source, build):
    neuronpedia.loopback.script.append(neuronpedia.reply([build.row(pos_str=3)]))
    item = read_one(source)
    assert isinstance(item, EvidenceGap)
    assert item.reason.startswith("3-clt-hp/7: pos_str: ")
    assert read_one(source.offline()) == item
    neuronpedia.rows = [build.row()]
    assert isinstance(read_one(source), FeatureEvidence)


def test_what_is_known_is_not_asked_for_again(neuronpedia, source, build):
    neuronpedia.rows = build_rows(build, SOME)
    first = read(source, *SOME)
    again = read(NeuronpediaSource(ARGUMENT), *SOME)
    assert digests(again) == digests(first)
    assert len(neuronpedia.batches) == 1


def test_a_dead_feature_is_not_asked_for_again(neuronpedia, source, build):
    neuronpedia.rows = [build.row(activations=[])]
    reasons = [read_one(source).reason for _ in range(2)]
    assert reasons == ["no activation example in the record"] * 2
    assert len(neuronpedia.batches) == 1


def test_an_absent_feature_is_asked_for_again_because_sets_grow(neuronpedia, source, build):
    assert read_one(source) == EvidenceGap(FEATURE, NO_FEATURE)
    neuronpedia.rows = [build.row()]
    assert isinstance(read_one(source), FeatureEvidence)


def test_offline_it_tells_what_it_was_told_and_asks_nobody(neuronpedia, source, build):
    neuronpedia.rows = [build.row(explanations=[build.explanation("heat")])]
    unknown = FeatureId(5, 5)
    online = read(source, FEATURE, OTHER)
    offline = source.offline()
    assert offline.name == source.name
    known, absent, uncached = read(offline, FEATURE, OTHER, unknown)
    assert known.digest == online[0].digest
    assert known.candidates == online[0].candidates
    assert absent == EvidenceGap(OTHER, NO_FEATURE)
    assert uncached == EvidenceGap(unknown, NOT_CACHED)
    assert len(neuronpedia.batches) == 1


def test_sets_and_servers_do_not_share_what_is_cached(neuronpedia, source, build, monkeypatch):
    neuronpedia.rows = [build.row()]
    read(source, FEATURE)
    other_set = NeuronpediaSource("gemma-2-2b/other").offline()
    monkeypatch.setenv("NEURONPEDIA_URL", "https://neuronpedia.invalid")
    other_server = NeuronpediaSource(ARGUMENT).offline()
    for other in (other_set, other_server):
        assert read_one(other) == EvidenceGap(FEATURE, NOT_CACHED)


def test_an_unsafe_server_is_refused(neuronpedia, monkeypatch):
    monkeypatch.setenv("NEURONPEDIA_URL", "http://example.com")
    with pytest.raises(UsageError, match="https"):
        read(NeuronpediaSource(ARGUMENT), FEATURE)


def test_a_cache_that_cannot_be_used_is_named(neuronpedia, source, tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "cache.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(EvidenceError, match="cache"):
        read(source, FEATURE)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(-9, 9) | st.text(max_size=4)
FIELDS = st.dictionaries(
    st.sampled_from(["activations", "explanations", "pos_str", "frac_nonzero", "index", "layer"]),
    SCALARS | st.lists(SCALARS | st.dictionaries(st.sampled_from(["tokens"]), SCALARS)),
)


@settings(max_examples=40)
@given(answers=st.lists(st.tuples(st.booleans(), FIELDS), max_size=4))
def test_no_row_breaks_the_contract(build, answers):
    rows = [{**(build.row() if real else {}), **fields} for real, fields in answers]
    content = json.dumps([{"modelId": "gemma-2-2b", "layer": "3-clt-hp", **r} for r in rows])
    wanted = Place("gemma-2-2b", "3-clt-hp", "7")
    found = server._read_answer(content.encode(), frozenset([wanted]), "here")
    assert set(found) <= {wanted}
    assert all(isinstance(row, bytes | EvidenceError) for row in found.values())
