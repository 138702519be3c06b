import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.pools import FEATURES, make_pool
from tests.scripted_transport import GOOD, make_script
from tests.unit.graph.conftest import build_graph
from tests.unit.labelers.methods.asked import make_evidence as make_distinct

from clerp.config import Settings
from clerp.correlation import DRAWS, Score
from clerp.errors import LabelerError
from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.explanation import Explanation, explain_feature
from clerp.graph import read_graph
from clerp.labelers import LabelRequest
from clerp.labelers.llm import LlmLabeler
from clerp.labels import Label
from clerp.ledger import Ledger, open_ledger
from clerp.pool import Pool
from clerp.requests import Requests
from clerp.router import Role, name_null
from clerp.testing import make_evidence

FIRST = FEATURES[0]
PROTOCOL = Settings(rule="protocol")
SCORE = Score(0.5, 0.5, 6)
EIGHT: list[Role] = ["input"] * 8
OTHER_TEXT = "the graph was labelled against other ordinary text: routes may differ"
OTHER_EVIDENCE = "the graph was labelled with other evidence"


class FakeEmbedder:
    """Gives each distinct text a direction that only depends on it."""

    name = "fake@1"

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([[1, sum(map(ord, text)) % 7] for text in texts], dtype=np.float32)


class UnaskedLlm:
    """A labeler for tier 2 that may not ask."""

    name = "llm"

    def __init__(self) -> None:
        self.asks: list[bool] = []

    def with_ledger(self, ledger: Ledger, *, ask: bool = True) -> "UnaskedLlm":
        self.asks.append(ask)
        return self

    def show_prompt(self, request: LabelRequest) -> str:
        return f"What is {request.evidence.feature}?"

    async def label(self, request: LabelRequest) -> Label:
        raise LabelerError("was not asked about this yet")

    async def aclose(self) -> None:
        pass


@pytest.fixture(autouse=True)
def llm(monkeypatch: pytest.MonkeyPatch) -> UnaskedLlm:
    made = UnaskedLlm()

    def find(kind: str, name: str) -> Any:
        if kind == "embedders":
            return FakeEmbedder()
        from clerp.plugins import find

        return find("labelers", name)

    monkeypatch.setattr("clerp.explanation.find", find)
    monkeypatch.setattr("clerp.naming.find", find)
    monkeypatch.setattr("clerp.naming.open_llm", lambda name, **_: made)
    return made


def score_all(pool: Pool, **scores: Score) -> Pool:
    routes = {
        feature: replace(route, scores=scores) if scores else route
        for feature, route in pool.routes.items()
    }
    return replace(pool, routes=routes)


async def explain(pool: Pool, settings: Settings = PROTOCOL) -> Explanation:
    with open_ledger(":memory:") as ledger:
        return await explain_feature(pool, FIRST, settings, ledger)


async def test_a_gap_is_explained_by_its_reason_and_nothing_is_made_up():
    gap = EvidenceGap(FIRST, "lost")
    pool = make_pool("obscure", known={FIRST: gap})
    explained = await explain(pool)
    assert explained.labeled.status == "needs_review"
    assert explained.steps == (pool.routes[FIRST].reason,)
    assert explained.channels == explained.peak_words == explained.next_words == ()
    assert explained.promoted == explained.suppressed == ()
    assert (explained.prompt, explained.notes) == ("", ())
    assert [node.node_id for node in explained.nodes] == ["0_10_1"]


async def test_of_an_artefact_words_and_windows_are_shown_and_no_score():
    explained = await explain(make_pool("artefact"))
    assert explained.steps == ("told to be artefact",)
    assert [channel.channel for channel in explained.channels] == ["input", "output"]
    assert all(channel.score is channel.null is None for channel in explained.channels)
    assert explained.peak_words[0].word == "Dallas"
    assert explained.promoted == (" Austin",)


async def test_steps_are_those_of_the_route():
    pool = make_pool("input")
    (feature,) = pool.routes
    stepped = replace(pool.routes[feature], steps=("asked this", "so the role is input, tier 1"))
    explained = await explain(replace(pool, routes={feature: stepped}))
    assert explained.steps == ("asked this", "so the role is input, tier 1")


@pytest.mark.parametrize(
    ("scores", "channels"),
    [
        ({"input": SCORE, "output": SCORE}, ["input", "output"]),
        ({"input": SCORE, "cross": SCORE}, ["input", "output", "cross"]),
    ],
)
async def test_the_cross_channel_is_shown_where_it_was_scored(
    scores: dict[str, Score], channels: list[str]
):
    explained = await explain(score_all(make_pool("input"), **scores))
    shown = {channel.channel: channel.score for channel in explained.channels}
    assert list(shown) == channels
    assert shown == {name: scores.get(name) for name in channels}


async def test_a_channel_that_need_not_be_scored_is_shown_with_the_reason():
    pool = make_pool("input")
    (feature,) = pool.routes
    clear = replace(pool.routes[feature], unscored={"cross": "not scored: input is clear"})
    explained = await explain(replace(pool, routes={feature: clear}))
    cross = explained.channels[-1]
    assert (cross.channel, cross.score, cross.null) == ("cross", None, None)
    assert cross.unscored == "not scored: input is clear"
    assert len(cross.windows) == 6
    assert json.loads(json.dumps(explained.to_record()))["channels"][-1]["unscored"]
    assert [channel.unscored for channel in explained.channels[:-1]] == ["", ""]


async def test_channels_have_the_windows_that_settings_name():
    settings = Settings(rule="protocol", windows="cross=-2:2,output=1:1,input=0:0")
    explained = await explain(make_pool("input"), settings)
    assert [channel.window for channel in explained.channels] == [(0, 0), (1, 1)]
    assert [window.text for window in explained.channels[1].windows] == [
        f" tail{i}" for i in range(6)
    ]
    assert [w.example for w in explained.channels[0].windows] == [f"0.{i}" for i in range(6)]


async def test_likeness_is_the_mean_cosine_to_the_other_windows():
    # FakeEmbedder gives " a" and " h" one direction (their codes differ by 7), " b" another.
    evidence = make_evidence([(" x", " a"), (" x", " h"), (" x", " b"), (" x", "")], feature=FIRST)
    settings = Settings(rule="protocol", windows="input=0:0,output=1:1,cross=0:0")
    explained = await explain(make_pool("input", known={FIRST: evidence}), settings)
    embedder = FakeEmbedder()
    rows = embedder.embed(["a", "h", "b"])
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = unit @ unit.T
    expected = [round(float((row.sum() - 1) / 2), 3) for row in cosines]
    similarities = [window.similarity for window in explained.channels[0].windows]
    assert similarities[:3] == pytest.approx(expected, abs=1e-3)
    assert cosines[0, 1] == pytest.approx(1)
    assert similarities[3] is None
    # No window of the output channel has content; of one alone there is no likeness either.
    assert {window.similarity for window in explained.channels[1].windows} == {None}


async def test_one_window_with_content_is_like_no_other():
    evidence = make_evidence([(" x", " a"), (" x", "")], feature=FIRST)
    settings = Settings(rule="protocol", windows="input=0:0,output=1:1,cross=0:0")
    explained = await explain(make_pool("input", known={FIRST: evidence}), settings)
    assert [window.similarity for window in explained.channels[0].windows] == [None, None]


async def test_chance_is_shown_beside_calibrated_scores_only():
    calibrated = replace(SCORE, z=4.0, p=0.01, expected=0.1)
    pool = score_all(make_pool("input"), input=calibrated, output=SCORE)
    explained = await explain(pool)
    by_name = {channel.channel: channel.null for channel in explained.channels}
    null = by_name["input"]
    assert null is not None
    assert null.mean < null.quantile_95 <= null.quantile_99 <= 1
    assert (null.spread > 0, null.draws) == (True, DRAWS)
    assert by_name["output"] is None


async def test_chance_depends_on_the_number_of_windows_of_the_feature():
    spreads: list[float] = []
    for n in (2, 6, 100):
        scored = score_all(make_pool("input"), input=Score(0.5, 0.5, n, z=1.0))
        null = (await explain(scored)).channels[0].null
        assert null is not None
        spreads.append(null.spread)
    assert spreads == sorted(spreads, reverse=True)
    assert len(set(spreads)) == 3


async def test_chance_does_not_depend_on_the_other_features():
    calibrated = replace(SCORE, z=4.0)
    alone = await explain(score_all(make_pool("input"), input=calibrated))
    among = await explain(score_all(make_pool(*EIGHT), input=calibrated))
    assert alone.channels[0].null is not None
    assert alone.channels == among.channels


async def test_every_occurrence_is_shown_with_its_token_and_place():
    document = build_graph(n_features=1)
    first = document["nodes"][0]
    first["activation"] = 0.25
    document["nodes"].append(first | {"node_id": "0_10_9", "ctx_idx": 9, "activation": None})
    pool = make_pool("input", graphs=[read_graph(document)])
    explained = await explain(pool)
    assert [(n.node_id, n.position, n.token, n.activation, n.act_pct) for n in explained.nodes] == [
        ("0_10_1", 1, "Dallas", 0.25, 25.0),
        ("0_10_9", 9, "", None, None),
    ]
    assert explained.nodes[1].nearest == ()
    assert all(node.share is not None for node in explained.nodes)


async def test_the_examples_of_any_quantile_that_peak_nearest_are_shown():
    texts = [(f" a{i}", " Dallas", f" b{i}") for i in range(6)]
    evidence = make_evidence(texts, lower=[(" before", " river", " after")] * 2, feature=FIRST)
    document = build_graph(n_features=1)
    document["nodes"][0]["activation"] = 0.125
    pool = make_pool("input", known={FIRST: evidence}, graphs=[read_graph(document)])
    nearest = (await explain(pool)).nodes[0].nearest
    assert [example.example for example in nearest] == ["1.1", "1.0", "0.5", "0.4", "0.3"]
    first = nearest[0]
    assert (first.before, first.peak, first.after) == (" before", " river", " after")
    assert first.activation == 0.125


async def test_at_most_five_words_are_shown_most_activation_first():
    texts = [(" the", f" word{i}", f" next{i}") for i in range(8)]
    evidence = make_evidence(texts, feature=FIRST)
    explained = await explain(make_pool("input", known={FIRST: evidence}))
    assert [word.word for word in explained.peak_words] == [f"word{i}" for i in range(5)]
    assert [word.word for word in explained.next_words] == [f"next{i}" for i in range(5)]


@pytest.mark.parametrize("model", ["m", None])
async def test_the_prompt_of_tier_2_is_shown_and_nobody_is_asked(
    llm: UnaskedLlm, model: str | None
):
    explained = await explain(make_pool("cross"), Settings(rule="protocol", llm=model))
    assert explained.prompt == ("What is 0_10?" if model else "")
    assert explained.labeled.status == ("failed" if model else "needs_review")
    assert llm.asks == ([False] if model else [])


async def test_where_no_llm_is_asked_there_is_no_prompt():
    for role in ("input", "obscure"):
        explained = await explain(make_pool(role), Settings(rule="protocol", llm="m"))
        assert explained.prompt == ""


async def test_a_prompt_that_is_not_the_one_on_record_says_so(monkeypatch: pytest.MonkeyPatch):
    evidence = replace(make_distinct(20, 25), feature=FIRST)
    pool = make_pool("cross", known={FIRST: evidence})
    settings = Settings(rule="protocol", llm="m")
    labeler = LlmLabeler(make_script([GOOD]))
    monkeypatch.setattr("clerp.naming.open_llm", lambda name, **_: labeler)
    request = await Requests(pool, settings).make(FIRST)
    for activations, note in ((request.activations, False), ((0.05,), True)):
        with open_ledger(":memory:") as ledger:
            asked = replace(labeler, transport=make_script([GOOD])).with_ledger(ledger)
            await asked.label(replace(request, activations=activations))
            explained = await explain_feature(pool, FIRST, settings, ledger)
        assert explained.labeled.status == "labeled"
        assert explained.prompt == labeler.show_prompt(request)
        assert ("fired otherwise" in explained.prompt_note) is note


NULL = {"passages": "p@1", "text": "t@1", "rule": "r@1"}


def read_labelled(feature: dict[str, str] | None = None, **record: object) -> Pool:
    """Make a pool whose graph clerp labelled as this run would, but for what is given."""
    pool = make_pool("input")
    evidence = pool.known[FIRST]
    assert isinstance(evidence, FeatureEvidence)
    recorded = {"clerp": "Dallas", "label": "Dallas", "evidence_digest": evidence.digest}
    document = build_graph(n_features=1)
    document["metadata"]["clerp"] = {
        "schema_version": 1,
        "features": {str(FIRST): recorded | (feature or {})},
        "embedder": "fake@1",
        "null": NULL,
        **record,
    }
    return replace(pool, graphs=(read_graph(document),))


@pytest.mark.parametrize(
    ("record", "notes"),
    [
        ({}, []),
        ({"null": None}, []),
        ({"features": {}}, []),
        ({"embedder": "old@0"}, ["the graph was labelled with old@0, this is fake@1"]),
        ({"null": NULL | {"passages": "p@0"}}, [OTHER_TEXT]),
        ({"null": NULL | {"text": "t@0"}}, [OTHER_TEXT]),
        ({"null": NULL | {"rule": "r@0"}}, [OTHER_TEXT]),
        # What earlier versions calibrated with.
        ({"null": {"evidence_digest": "0" * 64}}, [OTHER_TEXT]),
        ({"feature": {"evidence_digest": "0" * 64}}, [OTHER_EVIDENCE]),
        ({"feature": {"label": "Texas"}}, ["the graph has the label 'Texas'"]),
        ({"feature": {"label": ""}}, ["the graph has the label ''"]),
        (
            {
                "embedder": "old@0",
                "null": NULL | {"text": "t@0"},
                "feature": {"label": "Texas", "evidence_digest": "0" * 64},
            },
            [
                "the graph was labelled with old@0, this is fake@1",
                OTHER_TEXT,
                OTHER_EVIDENCE,
                "the graph has the label 'Texas'",
            ],
        ),
    ],
)
async def test_what_differs_from_the_run_that_labelled_the_graph_is_noted(
    monkeypatch: pytest.MonkeyPatch, record: dict[str, Any], notes: list[str]
):
    monkeypatch.setattr("clerp.explanation.name_null", lambda *_: NULL)
    explained = await explain(read_labelled(**record))
    assert explained.labeled.label is not None
    assert explained.labeled.label.text == "Dallas"
    assert list(explained.notes) == notes


async def test_the_text_that_comes_with_clerp_is_what_a_record_is_held_against():
    explained = await explain(read_labelled(null=name_null()))
    assert explained.notes == ()


async def test_a_gap_has_no_digest_that_could_differ():
    gap = EvidenceGap(FIRST, "lost")
    pool = read_labelled({"label": "", "evidence_digest": ""}, null=None)
    lost = make_pool("obscure", known={FIRST: gap}, graphs=pool.graphs)
    assert (await explain(lost)).notes == ()


async def test_a_record_is_plain_values_and_names_the_feature_once():
    pool = score_all(make_pool("input"), input=SCORE)
    explained = await explain(pool)
    record = explained.to_record()
    told = json.loads(json.dumps(record))
    assert (told["feature"], told["graph"]) == ("0_10", "small")
    assert told["label"]["text"] == "Dallas"
    assert told["route"]["scores"]["input"]["raw"] == 0.5
    assert "feature" not in told["route"]
    assert "labeled" not in told
    assert {"status", "reason", "hint", "method", "evidence_digest", "details"} <= set(told)
    assert {"nodes", "steps", "channels", "peak_words", "prompt", "notes"} <= set(told)


async def test_a_record_of_a_gap_has_the_same_keys():
    gap = EvidenceGap(FIRST, "lost")
    one = await explain(make_pool("input"))
    other = await explain(make_pool("obscure", known={FIRST: gap}))
    assert list(one.to_record()) == list(other.to_record())
    assert other.to_record()["label"] is None
