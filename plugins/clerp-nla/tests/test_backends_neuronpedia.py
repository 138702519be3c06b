"""Pairs that Neuronpedia hosts, with its limits."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tests.loopback import Loopback, Reply

from clerp.errors import NotAvailableError, UsageError, VerbalizerError
from clerp.ledger import open_ledger
from clerp.testing import check_verbalizer
from clerp.verbalizers import Explained, Missed, ModelClaim, Passage, Sampling
from clerp.verbalizers.recording import open_calls
from clerp_nla.backends.neuronpedia import (
    MOST_PLACES,
    NeuronpediaVerbalizer,
    open_neuronpedia,
)
from clerp_nla.backends.neuronpedia_source import UNTESTED
from clerp_nla.backends.neuronpedia_text import MOST_CHARS
from clerp_nla.backends.pace import AT_ONCE, SECONDS_BETWEEN, Pace

from .fake_nla_server import LAYER, MODEL, SOURCE, PublicServer, World, make_source, serve_public

CLAIM = ModelClaim(MODEL, "a-set")
SAMPLING = Sampling(temperature=0.7)
Connect = Callable[..., NeuronpediaVerbalizer]


def cut(text: str, n: int, name: str = "0.0", *, shown: int | None = None) -> Passage:
    """Cut a text after n words."""
    words = text.split()[:n]
    token = words[-1] if n == 1 else f" {words[-1]}"
    return Passage(name, " ".join(words), token, 1.0, n_tokens=n if shown is None else shown)


TEXT = "We drove all day to Texas and swam in the river with our bread"
TEXAS, RIVER = cut(TEXT, 6), cut(TEXT, 11, "0.0-10")


@pytest.fixture
def public() -> PublicServer:
    return PublicServer()


@pytest.fixture
def loopback(public: PublicServer) -> Iterator[Loopback]:
    with serve_public(public) as running:
        yield running


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLERP_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def connect(loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> Connect:
    monkeypatch.setenv("NEURONPEDIA_URL", f"{loopback.address}/")
    monkeypatch.delenv("NEURONPEDIA_API_KEY", raising=False)

    def make(
        source: str = "",
        *,
        check: bool = True,
        sleep: Callable[[float], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> NeuronpediaVerbalizer:
        verbalizer = NeuronpediaVerbalizer(source, sleep, clock)
        if check:
            verbalizer.check(CLAIM)
        return verbalizer

    return make


def places_of(loopback: Loopback) -> list[list[int]]:
    return [json.loads(asked.body)["positions"] for asked in loopback.requests if asked.body]


def test_it_keeps_the_contract(connect: Connect):
    pair = check_verbalizer(connect(check=False), claim=CLAIM, passages=[TEXAS, RIVER])
    assert pair.name == f"neuronpedia:{MODEL}/{SOURCE}"
    assert (pair.base_model, pair.layer) == (MODEL, LAYER)
    assert pair.revision.endswith(" (av kitft/kitft-l41-av, ar kitft/kitft-l41-ar)")


def test_a_model_without_a_source_is_not_available(connect: Connect):
    with pytest.raises(NotAvailableError, match="no NLA source for gemma-2-2b") as fault:
        connect(check=False).check(ModelClaim("gemma-2-2b", ""))
    assert "gemma-3-27b-it/kitft-l41, llama3.3-70b-it/kitft-l53" in fault.value.remedy
    with pytest.raises(NotAvailableError, match="a graph that names no model"):
        connect(check=False).check(ModelClaim("", ""))


def test_a_source_that_is_named_is_the_one(public: PublicServer, connect: Connect):
    public.sources.append(make_source(source="another-l20", layer=20))
    public.layer_index = 20
    assert connect(f"{MODEL}/another-l20").check(CLAIM).layer == 20
    assert connect("").check(CLAIM).layer == 20
    with pytest.raises(NotAvailableError, match=r"no NLA llama3\.3-70b-it/kitft-l53 for gemma"):
        connect("llama3.3-70b-it/kitft-l53", check=False).check(CLAIM)


async def test_what_is_said_comes_with_its_cosine_and_the_variance(connect: Connect):
    [said] = await connect().explain([TEXAS], SAMPLING)
    assert isinstance(said, Explained)
    assert '"Texas"' in said.verbalization.text
    assert said.position == 6
    assert said.cosine is not None
    assert said.cosine > 0.9
    assert said.variance == 0.0579


@pytest.mark.parametrize("norm", [None, 0.0, -1.0, 1.5])
async def test_a_variance_that_is_none_is_left_out(
    public: PublicServer, connect: Connect, norm: float | None
):
    public.sources[0]["norm"] = norm
    [said] = await connect().explain([TEXAS], SAMPLING)
    assert isinstance(said, Explained)
    assert said.variance is None


async def test_the_start_token_is_found_once(loopback: Loopback, connect: Connect):
    verbalizer = connect()
    for n in (6, 11, 14):
        [said] = await verbalizer.explain([cut(TEXT, n)], SAMPLING)
        assert isinstance(said, Explained)
        assert said.position == n
    assert places_of(loopback) == [[5], [6], [11], [14]]


@pytest.mark.parametrize("shown", [1, 4, 9, 30])
async def test_evidence_that_counts_otherwise_is_put_right(connect: Connect, shown: int):
    [said] = await connect().explain([cut(TEXT, 6, shown=shown)], SAMPLING)
    assert isinstance(said, Explained)
    assert said.position == 6
    assert '"Texas"' in said.verbalization.text


async def test_a_server_that_adds_no_start_token_is_read_right(
    loopback: Loopback, connect: Connect
):
    public = PublicServer(World(adds_start=False))
    loopback.answer = public.answer
    [said] = await connect().explain([TEXAS], SAMPLING)
    assert isinstance(said, Explained)
    assert said.position == 5
    assert places_of(loopback) == [[5]]


async def test_evidence_with_a_start_token_of_its_own_is_read_right(connect: Connect):
    verbalizer = connect()
    await verbalizer.explain([TEXAS], SAMPLING)
    with_start = Passage("0.1", f"<bos>{TEXAS.text}", " Texas", 1.0, n_tokens=7)
    [said] = await verbalizer.explain([with_start], SAMPLING)
    assert isinstance(said, Explained)
    assert said.position == 6


async def test_places_of_one_text_are_one_request(loopback: Loopback, connect: Connect):
    verbalizer = connect()
    await verbalizer.explain([TEXAS], SAMPLING)
    loopback.requests.clear()
    other = cut("They played music all day and all night in the winter", 4, "0.1")
    said = await verbalizer.explain([TEXAS, other, RIVER], SAMPLING)
    assert [one.passage for one in said] == [TEXAS, other, RIVER]
    assert all(isinstance(one, Explained) for one in said)
    assert places_of(loopback) == [[6, 11], [4]]
    alone = await verbalizer.explain([RIVER], SAMPLING)
    assert alone == said[2:]


async def test_no_request_has_more_places_than_it_may(loopback: Loopback, connect: Connect):
    text = " ".join(f"w{n}" for n in range(40))
    passages = [cut(text, n, f"0.{n}") for n in range(1, 21)]
    said = await connect().explain(passages, SAMPLING)
    assert all(isinstance(one, Explained) for one in said)
    assert max(map(len, places_of(loopback))) == MOST_PLACES


async def test_a_place_that_the_server_cuts_otherwise_is_asked_for_alone(
    loopback: Loopback, connect: Connect
):
    verbalizer = connect()
    # The evidence cuts the first word in two: later places are off by one.
    shifted = cut(TEXT, 6, shown=7)
    said = await verbalizer.explain([cut(TEXT, 11, "0.0-11", shown=11), shifted], SAMPLING)
    assert [type(one) for one in said] == [Explained, Explained]
    assert isinstance(said[1], Explained)
    assert said[1].position == 6
    assert places_of(loopback)[-1] == [6]


async def test_another_token_is_missed(connect: Connect):
    passage = Passage("0.0", "We drove to Texas.", " Texas", 1.0, n_tokens=4)
    [said] = await connect().explain([passage], SAMPLING)
    assert said == Missed(passage, "Neuronpedia has ' Texas.' at place 4, the evidence ' Texas'")


async def test_a_text_that_is_too_long_is_not_sent(loopback: Loopback, connect: Connect):
    passage = Passage("0.0", "x" * (MOST_CHARS + 1), "x", 1.0, n_tokens=1)
    [said] = await connect().explain([passage], SAMPLING)
    assert isinstance(said, Missed)
    assert "16384" in said.reason
    assert places_of(loopback) == []


async def test_a_text_that_the_server_refuses_is_told_in_its_words(connect: Connect):
    with pytest.raises(VerbalizerError) as fault:
        await connect().explain([Passage("0.0", "", "", 1.0, n_tokens=1)], SAMPLING)
    assert fault.value.what == "a text or places that the server refuses (400: bad positions)"
    assert fault.value.where.endswith("/api/nla/explain")


async def test_a_text_that_is_refused_without_a_word_is_told(loopback: Loopback, connect: Connect):
    verbalizer = connect()
    loopback.script.extend([Reply(status=422)] * 2)
    with pytest.raises(VerbalizerError) as fault:
        await verbalizer.explain([TEXAS], SAMPLING)
    assert fault.value.what == "a text or places that the server refuses (422)"


async def test_texts_of_another_layer_are_refused(public: PublicServer, connect: Connect):
    public.layer_index = 40
    with pytest.raises(VerbalizerError, match="texts of layer 40, and the source is of 41"):
        await connect().explain([TEXAS], SAMPLING)


async def test_the_hours_limit_stops_a_run_and_the_next_goes_on(
    public: PublicServer, loopback: Loopback, connect: Connect
):
    texts = [f"text number {n} is about music" for n in range(20)]
    passages = [cut(text, 6, f"0.{n}") for n, text in enumerate(texts)]
    public.left = 17
    with open_ledger(":memory:") as ledger:
        async with open_calls(connect(check=False), CLAIM, ledger) as calls:
            said = await calls.explain(passages, SAMPLING)
        faults = [one for one in said if isinstance(one, VerbalizerError)]
        # The first text took two requests: one told how the server counts.
        assert len(faults) == 20 - 16
        assert len(places_of(loopback)) == 17 + 1
        assert all("used up (429). Run the same command again in an hour" in str(f) for f in faults)
        public.left = 120
        loopback.requests.clear()
        async with open_calls(connect(check=False), CLAIM, ledger) as calls:
            again = await calls.explain(passages, SAMPLING)
    assert all(isinstance(one, Explained) for one in again)
    assert len(places_of(loopback)) <= len(faults) + 1


async def test_what_was_said_before_a_run_was_killed_is_kept(loopback: Loopback, connect: Connect):
    passages = [cut(f"text number {n} is about music", 6, f"0.{n}") for n in range(5)]

    class Killed(NeuronpediaVerbalizer):
        async def explain(
            self, passages: Sequence[Passage], sampling: Sampling
        ) -> list[Explained | Missed]:
            if any(passage.id == "0.3" for passage in passages):
                raise asyncio.CancelledError
            return await NeuronpediaVerbalizer.explain(self, passages, sampling)

    with open_ledger(":memory:") as ledger:
        with pytest.raises(asyncio.CancelledError):
            async with open_calls(Killed("", lambda _: None), CLAIM, ledger) as calls:
                await calls.explain(passages, SAMPLING)
        loopback.requests.clear()
        async with open_calls(connect(check=False), CLAIM, ledger) as calls:
            again = await calls.explain(passages, SAMPLING)
    assert all(isinstance(one, Explained) for one in again)
    assert len(places_of(loopback)) <= 2 + 1


async def test_who_comes_before_its_turn_waits(connect: Connect):
    waits: list[float] = []
    for _ in range(AT_ONCE):
        Pace(connect().setting, lambda: 5.0).find_wait()
    # Another run by now: the turns are those of the server, whoever took them.
    await connect(sleep=waits.append, clock=lambda: 5.0).explain([TEXAS], SAMPLING)
    assert waits == [SECONDS_BETWEEN, 2 * SECONDS_BETWEEN]


def test_its_identity_says_that_nobody_tested_it(connect: Connect):
    assert connect(check=False).check(CLAIM).untested == UNTESTED


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply(b'{"results": ['), "not as documented"),
        (Reply(b'{"results": [], "layer_index": 41}'), "not as documented"),
        (Reply(b'{"results": [], "layer_index": 41, "prompt_length": 0}'), "text of 0 tokens"),
        (
            Reply(
                b'{"results": [{"position": 5, "token": "a", "description": "a",'
                b' "cosine_similarity": NaN}], "layer_index": 41, "prompt_length": 6}'
            ),
            "not as documented",
        ),
        (
            Reply(status=307, headers={"Location": "https://example.org/"}),
            "redirects what was sent",
        ),
        (Reply(b"{}", unsized=True, endless=b" " * 2**20), "larger than"),
        (Reply(b"", status=401), r"refuses \(401\). Set NEURONPEDIA_API_KEY"),
    ],
)
async def test_faults_are_told(loopback: Loopback, connect: Connect, reply: Reply, message: str):
    verbalizer = connect()
    loopback.script.append(reply)
    with pytest.raises(VerbalizerError, match=message):
        await verbalizer.explain([TEXAS], SAMPLING)


async def test_a_place_of_which_nothing_is_said_is_missed(loopback: Loopback, connect: Connect):
    verbalizer = connect()
    body = {"results": [], "layer_index": LAYER, "prompt_length": 6}
    loopback.script.append(Reply(json.dumps(body).encode()))
    [said] = await verbalizer.explain([TEXAS], SAMPLING)
    assert said == Missed(TEXAS, "Neuronpedia says nothing of place 5")


@pytest.mark.parametrize(
    "fault", [Reply(b"", status=503), Reply(b"{}", cut=1), Reply(refuses=True)], ids=str
)
async def test_what_passes_is_asked_again(loopback: Loopback, connect: Connect, fault: Reply):
    verbalizer = connect()
    loopback.script.append(fault)
    [said] = await verbalizer.explain([TEXAS], SAMPLING)
    assert isinstance(said, Explained)


def test_the_key_is_sent_and_never_told(loopback: Loopback, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NEURONPEDIA_URL", loopback.address)
    monkeypatch.setenv("NEURONPEDIA_API_KEY", "np-secret-0123456789\n")
    verbalizer = NeuronpediaVerbalizer(sleep=lambda _: None)
    verbalizer.check(CLAIM)
    assert loopback.requests[-1].headers["x-api-key"] == "np-secret-0123456789"
    assert "np-secret" not in repr(verbalizer)


async def test_terms_are_sent(loopback: Loopback, connect: Connect):
    await connect().explain([TEXAS], Sampling(0.3, 64, seed=5))
    body = json.loads(loopback.requests[-1].body)
    assert body["temperature"] == 0.3
    assert (body["modelId"], body["nlaSourceId"]) == (MODEL, SOURCE)
    assert "seed" not in body


async def test_it_has_to_be_checked_first(connect: Connect):
    with pytest.raises(VerbalizerError, match="nobody has checked"):
        await connect(check=False).explain([TEXAS], SAMPLING)


@pytest.mark.parametrize("argument", ["gemma", "a/b/c", "a b/c", "/x"])
def test_what_is_no_source_is_refused(argument: str):
    with pytest.raises(UsageError, match="is no NLA source"):
        open_neuronpedia(argument)


def test_its_name_is_what_was_asked_for():
    assert open_neuronpedia("").name == "neuronpedia-nla"
    assert open_neuronpedia("a/b").name == "neuronpedia-nla:a/b"
