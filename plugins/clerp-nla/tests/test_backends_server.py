"""A pair on a server of one's own."""

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tests.loopback import Loopback, Reply

from clerp.embedding import WordLlamaEmbedder
from clerp.errors import NotAvailableError, UsageError, VerbalizerError
from clerp.evidence import FeatureEvidence
from clerp.feature import FeatureId
from clerp.ledger import Ledger, open_ledger
from clerp.testing import check_verbalizer, make_evidence
from clerp.testing.fake_verbalizer import WORDS
from clerp.verbalizers import Extraction, Missed, ModelClaim, PairIdentity, Passage, Sampling
from clerp.verbalizers.driving import Terms, verbalize_features
from clerp.verbalizers.outcome import FeatureVerbalization
from clerp.verbalizers.recording import open_calls
from clerp_nla.backends import server as backend
from clerp_nla.backends.calling import Line
from clerp_nla.backends.server import (
    NO_EMPTY,
    UNTESTED,
    ServerVerbalizer,
    open_server,
    read_description,
)
from clerp_nla.matching.references import load_reference_texts

from .fake_nla_server import LAYER, MODEL, SECRET, OwnServer, serve_own

CLAIM = ModelClaim(MODEL, "a-set")
TEXAS = Passage("0.0", "We drove all day to Texas", " Texas", 4.0)
RIVER = Passage("0.1", "They swam in the river", "▁river", 3.0)
SAMPLING = Sampling(temperature=0.0)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLERP_NLA_KEY", f"{SECRET}\n")


@pytest.fixture
def own() -> OwnServer:
    return OwnServer()


@pytest.fixture
def loopback(own: OwnServer) -> Iterator[Loopback]:
    with serve_own(own) as running:
        yield running


def connect(loopback: Loopback) -> ServerVerbalizer:
    return ServerVerbalizer(loopback.address, sleep=lambda _: None)


def connect_checked(loopback: Loopback) -> ServerVerbalizer:
    verbalizer = connect(loopback)
    verbalizer.check(CLAIM)
    return verbalizer


def test_it_keeps_the_contract(loopback: Loopback):
    pair = check_verbalizer(connect(loopback), claim=CLAIM, passages=[TEXAS, RIVER])
    assert (pair.name, pair.base_model) == ("kitft/nla-gemma3-27b-L41-av", f"google/{MODEL}")
    assert (pair.layer, pair.d_model) == (LAYER, 32)


def test_its_precision_is_part_of_the_pair(own: OwnServer, loopback: Loopback):
    first = connect(loopback).check(CLAIM)
    assert first.revision.endswith(" (verbalizer fp8, reconstructor int4)")
    own.health = {"verbalizer_quantization": None, "reconstructor_int4": None}
    second = connect(loopback).check(CLAIM)
    assert second.revision.endswith(" (not quantized)")
    assert second.revision[:12] != first.revision[:12]


@pytest.mark.parametrize(
    ("health", "claim", "message"),
    [
        (
            {},
            ModelClaim("gemma-2-2b", ""),
            "NLA of google/gemma-3-27b-it, and the graph is of gemma",
        ),
        ({}, ModelClaim("", ""), "the graph is of no model"),
        ({}, ModelClaim("gemma-3-27b", ""), "the graph is of gemma-3-27b"),
        ({"source_model": None}, CLAIM, "does not say of which model"),
        ({"extraction_layer": None}, CLAIM, "does not say of which model"),
        ({"d_model": None}, CLAIM, "does not say of which model"),
        ({"reconstructor_available": False}, CLAIM, "no reconstructor"),
    ],
)
def test_what_does_not_fit_is_not_available(
    own: OwnServer, loopback: Loopback, health: dict[str, Any], claim: ModelClaim, message: str
):
    own.health = health
    with pytest.raises(NotAvailableError, match=message):
        connect(loopback).check(claim)


@pytest.mark.parametrize(
    "health", [{"d_model": 0}, {"d_model": 10**9}, {"extraction_layer": -1}, {"d_model": "wide"}]
)
def test_figures_that_cannot_be_are_refused(
    own: OwnServer, loopback: Loopback, health: dict[str, Any]
):
    own.health = health
    with pytest.raises(VerbalizerError):
        connect(loopback).check(CLAIM)


def test_a_folder_of_the_servers_is_not_shown(own: OwnServer, loopback: Loopback):
    own.health = {"verbalizer_model": "/secret/place/my-av"}
    assert connect(loopback).check(CLAIM).name == "my-av"


async def test_residuals_are_those_of_the_last_token(own: OwnServer, loopback: Loopback):
    found = await connect_checked(loopback).extract([TEXAS, RIVER])
    expected = own.world.read(TEXAS.text)[-1]
    assert isinstance(found[0], Extraction)
    assert found[0].position == 6
    assert np.allclose(found[0].vector, expected, rtol=1e-6)
    assert isinstance(found[1], Extraction)


async def test_a_text_that_ends_otherwise_is_missed(loopback: Loopback):
    passage = Passage("0.2", "We went to Texas.", " Texas", 1.0)
    [found] = await connect_checked(loopback).extract([passage])
    assert found == Missed(
        passage, "the server ends the text with ' Texas.', the evidence with ' Texas'"
    )


async def test_a_text_that_is_too_long_is_not_sent(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(backend, "MOST_CHARS", 10)
    [found] = await connect_checked(loopback).extract([TEXAS])
    assert isinstance(found, Missed)
    assert "longer than the 10 characters" in found.reason
    assert loopback.paths == ["/"]


async def test_residuals_of_another_layer_are_refused(own: OwnServer, loopback: Loopback):
    own.layer_index = 40
    with pytest.raises(VerbalizerError, match="residuals of layer 40, and the pair is for 41"):
        await connect_checked(loopback).extract([TEXAS])


async def test_many_vectors_go_in_several_calls(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(backend, "MOST_VECTORS", 2)
    vectors = np.random.default_rng(0).standard_normal((5, 32)).astype(np.float32)
    said = await connect_checked(loopback).describe(vectors, SAMPLING)
    assert len(said) == 5
    assert loopback.paths == ["/", "/describe", "/describe", "/describe"]


async def test_terms_are_sent_and_numbers_keep_their_digits(loopback: Loopback):
    vectors = np.full((1, 32), 1 / 3, dtype=np.float32)
    await connect_checked(loopback).describe(vectors, Sampling(0.5, 77, seed=3))
    body = json.loads(loopback.requests[-1].body)
    assert (body["temperature"], body["max_new_tokens"], body["stream"]) == (0.5, 77, False)
    assert (np.array(body["activations"], dtype=np.float32) == vectors).all()
    assert "seed" not in body


async def test_cosines_are_those_of_the_server(own: OwnServer, loopback: Loopback):
    verbalizer = connect_checked(loopback)
    vectors = np.random.default_rng(0).standard_normal((2, 32)).astype(np.float32)
    cosines = await verbalizer.compare(['a "Texas"', 'a "river"'], vectors)
    expected = [
        [own.world.score(text, v.tolist()) for v in vectors] for text in ('"Texas"', '"river"')
    ]
    assert np.allclose(cosines, expected, atol=1e-6)
    with pytest.raises(VerbalizerError, match="the server scores 8192"):
        await verbalizer.compare(["x" * 8193], vectors)


async def test_nothing_cannot_be_described(loopback: Loopback):
    said = await connect_checked(loopback).describe_nothing(SAMPLING)
    assert (said.text, said.fault) == ("", "this server always puts a vector in")


def test_reference_vectors_are_of_many_places(loopback: Loopback):
    vectors = connect_checked(loopback).reference_vectors()
    assert len(vectors) >= 64
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply(b'{"results": ['), "not as documented"),
        (Reply(b'{"results": [{"description": "a", "mse": NaN}]}'), "not as documented"),
        (Reply(b'{"results": []}'), "0 descriptions of 1 vectors"),
        (Reply(b'{"results": [{"description": 7}]}'), "not as documented"),
        (Reply(b"[" * 100_000), "not as documented"),
        (Reply(b"\xff\xfe"), "not as documented"),
        (Reply(status=302, headers={"Location": "http://127.0.0.1:9/"}), "redirects what was sent"),
        (Reply(b'{"detail": []}', status=422), r'status 422: \{"detail": \[\]\}'),
        (Reply(b'{"detail": "too many vectors"}', status=400), "status 400: too many vectors"),
        (Reply(b"x", status=404), r"nothing there \(404\)"),
        (Reply(b"{}", unsized=True, endless=b" " * 2**20), "larger than"),
        (Reply(b"{}", status=429, headers={"Retry-After": "7200"}), "again in 7200 s"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
async def test_faults_are_told_with_their_place(loopback: Loopback, reply: Reply, message: str):
    verbalizer = connect_checked(loopback)
    loopback.script.append(reply)
    with pytest.raises(VerbalizerError, match=message) as fault:
        await verbalizer.describe(np.ones((1, 32), np.float32), SAMPLING)
    assert "/describe" in fault.value.where


@pytest.mark.parametrize(
    "fault",
    [
        Reply(b"", status=503),
        Reply(b"", status=429, headers={"Retry-After": "1"}),
        Reply(b'{"results": []}', cut=4),
        Reply(refuses=True),
    ],
    ids=["5xx", "429", "cut", "refuses"],
)
async def test_what_passes_is_asked_again(loopback: Loopback, fault: Reply):
    waits: list[float] = []
    verbalizer = ServerVerbalizer(loopback.address, sleep=waits.append)
    verbalizer.check(CLAIM)
    loopback.script.extend([fault, fault])
    [said] = await verbalizer.describe(np.ones((1, 32), np.float32), SAMPLING)
    assert said.text
    assert len(waits) == 2
    if fault.status == 429:
        assert min(waits) >= 1


async def test_who_never_answers_is_given_up(loopback: Loopback):
    verbalizer = connect_checked(loopback)
    loopback.script.extend([Reply(b"", status=500)] * 9)
    with pytest.raises(VerbalizerError, match=r"the server failed \(500\), 5 times"):
        await verbalizer.extract([TEXAS])


@pytest.mark.parametrize(
    "token",
    [
        {"token": " Texas", "position": 6, "activation": [1.0] * 31},
        {"token": " Texas", "position": 6, "activation": [1e400] * 32},
    ],
    ids=["narrow", "infinite"],
)
async def test_residuals_that_are_none_are_refused(loopback: Loopback, token: dict[str, Any]):
    verbalizer = connect_checked(loopback)
    body = {"layer_index": LAYER, "tokens": [token]}
    content = json.dumps(body).replace("Infinity", "1e400").encode()
    loopback.script.append(Reply(content))
    with pytest.raises(VerbalizerError, match=r"not 32 finite numbers|not as documented"):
        await verbalizer.extract([TEXAS])


async def test_a_text_without_tokens_is_refused(loopback: Loopback):
    verbalizer = connect_checked(loopback)
    loopback.script.append(Reply(json.dumps({"layer_index": LAYER, "tokens": []}).encode()))
    with pytest.raises(VerbalizerError, match="without tokens"):
        await verbalizer.extract([TEXAS])


async def test_the_key_is_sent_and_never_told(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    verbalizer = connect_checked(loopback)
    assert loopback.requests[0].headers["x-secret-key"] == SECRET
    loopback.script.append(Reply(b"", status=401))
    with pytest.raises(VerbalizerError, match=r"refuses \(401\). Set CLERP_NLA_KEY") as fault:
        await verbalizer.extract([TEXAS])
    assert SECRET not in f"{fault.value} {verbalizer!r} {caplog.text}"
    monkeypatch.delenv("CLERP_NLA_KEY")
    with pytest.raises(VerbalizerError, match="Set CLERP_NLA_KEY"):
        connect(loopback).check(CLAIM)


async def test_who_is_cancelled_waits_for_nobody(own: OwnServer):
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def answer(request: Any) -> Reply:
        if request.path == "/":
            return own.answer(request)
        loop.call_soon_threadsafe(asked.set)
        return Reply(hangs=True)

    with serve_own(own) as loopback:
        loopback.answer = answer
        verbalizer = ServerVerbalizer(loopback.address)
        await asyncio.to_thread(verbalizer.check, CLAIM)
        task = asyncio.ensure_future(verbalizer.extract([TEXAS]))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_it_has_to_be_checked_first(loopback: Loopback):
    with pytest.raises(VerbalizerError, match="nobody has checked"):
        await connect(loopback).extract([TEXAS])


@pytest.mark.parametrize(
    "argument", ["", "http://example.org", "ftp://127.0.0.1", "127.0.0.1:5009"]
)
def test_an_address_that_cannot_be_used_is_refused(argument: str):
    with pytest.raises(UsageError):
        open_server(argument)


def test_it_is_made_from_an_address(loopback: Loopback):
    verbalizer = open_server(f"{loopback.address}/")
    assert verbalizer.name == "nla-server"
    assert isinstance(verbalizer.check(CLAIM), PairIdentity)


@pytest.mark.parametrize(
    "description",
    ["two\nlines", "\n<explanation>\ntwo\nlines\n</explanation>\n", "two\nlines </explanation> "],
)
def test_tags_are_no_part_of_a_text(description: str):
    said = read_description(description)
    assert (said.text, said.raw, said.fault) == ("two\nlines", description, "")


def test_its_identity_says_that_nobody_tested_it_and_which_text_is_ordinary(loopback: Loopback):
    pair = connect(loopback).check(CLAIM)
    assert pair.untested == UNTESTED
    assert pair.reference.startswith(load_reference_texts(None, 1).name)


async def test_of_two_servers_each_is_recalled_as_itself(own: OwnServer, loopback: Loopback):
    other = OwnServer(health={"verbalizer_quantization": None})
    with open_ledger(":memory:") as ledger, serve_own(other) as second:
        pairs: list[PairIdentity] = []
        for place in (loopback, second):
            async with open_calls(connect(place), CLAIM, ledger) as calls:
                pairs.append(calls.pair)
        async with open_calls(connect(loopback), CLAIM, ledger, ask=False) as calls:
            assert calls.pair == pairs[0] != pairs[1]


async def test_a_text_that_was_scored_is_scored_no_more_since_the_next_one_cannot_be(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
):
    scored: list[str] = []
    score = backend._score

    def refuse_one(line: Line, text: str, vector: list[float]) -> float:
        scored.append(text)
        if text == "bad":
            raise VerbalizerError("no")
        return score(line, text, vector)

    monkeypatch.setattr(backend, "_score", refuse_one)
    vectors = np.random.default_rng(0).standard_normal((2, 32)).astype(np.float32)
    with open_ledger(":memory:") as ledger:
        async with open_calls(connect(loopback), CLAIM, ledger) as calls:
            found = await calls.compare(["music", "bad", "food"], vectors)
    assert [isinstance(one, VerbalizerError) for one in found] == [False, True, False]
    assert scored == ["music", "music", "bad", "food", "food"]


async def test_features_are_verbalized_over_http_and_never_twice(loopback: Loopback):
    evidence = [make_feature(index) for index in range(2)]
    with open_ledger(":memory:") as ledger:
        told = [await drive(connect(loopback), evidence, ledger) for _ in range(2)]
    assert told[0] == told[1]
    assert loopback.paths.count("/") == 2
    assert loopback.paths[-1] == "/"
    for one in told[0].values():
        assert one.trust is not None
        assert one.trust.gates.n_usable == len(one.said)
        assert one.trust.reconstruction is not None
        assert one.trust.reconstruction.fve > 0.5
        assert one.trust.status == "weak"
        assert UNTESTED in one.trust.status_line
        assert f"no text without a vector to compare with: {NO_EMPTY}" in one.trust.notes


def make_feature(index: int) -> FeatureEvidence:
    texts = [[f" {index}.{n}.{place}" for place in range(20)] for n in range(3)]
    for text in texts:
        text[14] = f" {WORDS[index]}"
    return make_evidence(texts, peak=14, feature=FeatureId(2, index))


async def drive(
    verbalizer: ServerVerbalizer, evidence: list[FeatureEvidence], ledger: Ledger
) -> dict[FeatureId, FeatureVerbalization]:
    terms = Terms(n_examples=2, n_samples=2, n_inactive=1)
    async with open_calls(verbalizer, CLAIM, ledger) as calls:
        return await verbalize_features(evidence, calls, WordLlamaEmbedder(), terms)
