"""The report on graphs that are bundled, and on what nobody would wish for."""

import hashlib
import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from tests.labelled_sample import SAMPLE, name_labelled
from tests.unit.report.html.labelled_graphs import Named, build_labelled, make_recorded
from tests.unit.report.html.parsed_page import ParsedPage, parse_page
from tests.verbalizations import PAIR, make_said, make_verbalization

from clerp.config import resolve_settings
from clerp.errors import GraphError
from clerp.feature import FeatureId
from clerp.graph import read_graph
from clerp.progress import ignore_progress
from clerp.report.html.recorded import RecordedGraph, read_recorded
from clerp.report.html.writing import render_report, write_report
from clerp.report_command import read_labelled
from clerp.testing import make_evidence
from clerp.verbalizers.outcome import FeatureVerbalization

GRAPHS = ("capital-of-france", "east-and-west")
SECTIONS = ("influence", "counts", "layers", "scores", "cost", "unnamed", "supernodes", "features")
HOSTILE = (
    "<script>alert(1)</script>",
    '" onmouseover=alert(1) x="',
    "</style><script>alert(1)</script>",
    "</svg></title><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}{% include 'x' %}",
    "abc\u202egnp.exe\u202c \u200b\x00\x1b[31m",
    "$\\frac{1}{0}$ & <b> %s",
    "👩‍👩‍👧 한글 العربية",
    "long" * 5000,
    "",
)
_OWN_ROWS = re.compile(r"^\.h\d+ .*$", re.MULTILINE)


@pytest.fixture(scope="module")
def labelled(labelled_sample: Path) -> list[Path]:
    return [name_labelled(labelled_sample, name) for name in GRAPHS]


@pytest.fixture(scope="module")
def recorded(labelled: list[Path]) -> list[RecordedGraph]:
    settings = resolve_settings({"features": str(SAMPLE / "features")}).settings
    return read_labelled(labelled, settings, ignore_progress)


@pytest.fixture(scope="module")
def one_page(recorded: list[RecordedGraph]) -> ParsedPage:
    return render(recorded[:1])


@pytest.fixture(scope="module")
def compared_page(recorded: list[RecordedGraph]) -> ParsedPage:
    return render(recorded[:1], before=recorded[0])


def render(recorded: Sequence[RecordedGraph], **settings: Any) -> ParsedPage:
    return parse_page(render_report(recorded, **settings))


def assert_harmless(page: ParsedPage) -> None:
    """Assert that nothing of a file acts: what acts is the report's own."""
    assert page.tags.isdisjoint({"img", "iframe", "object", "form", "base", "embed", "image"})
    assert len(page.raw["script"]) == len(page.raw["style"]) == 1
    for element in page.elements:
        assert not [name for name in element.attributes if name.startswith("on")], element
        assert "style" not in element.attributes, element
    for address in (*page.list_values("href"), *page.list_values("src")):
        assert address.startswith("#") or address == "data:,", address


def test_a_report_on_one_graph_has_every_section(
    recorded: list[RecordedGraph], one_page: ParsedPage
):
    page = one_page
    ids = page.list_values("id")
    assert [section for section in SECTIONS if section not in ids] == []
    assert len(set(ids)) == len(ids)
    assert len([e for e in page.elements if e.tag == "svg"]) == 4
    assert_harmless(page)
    for said in (
        "The capital of France is",
        recorded[0].run.run_id,
        "wordllama",
        "300 distinct features",
        "Not tested: it is one graph",
        "no language model was asked",
        "sequence start: peaks on the first token of the text in n of n examples",
        "No supernodes are in the graph",
    ):
        assert said in page.text, said
    rows = [e for e in page.elements if e.attributes.get("class") == "more"]
    assert len(rows) == len(recorded[0].outcomes) == 300
    assert len([e for e in page.elements if e.tag == "li"]) == 3 * len(rows)


def test_a_report_on_several_graphs_tests_the_order_of_roles(recorded: list[RecordedGraph]):
    page = render(recorded)
    assert "Not tested" not in page.text
    assert "Matched for density" in page.text
    assert "output after input" in page.text
    assert "of them in more than one graph, counted once" in page.text
    assert_harmless(page)


def test_equal_graphs_make_equal_bytes(recorded: list[RecordedGraph], tmp_path: Path):
    paths = [tmp_path / name for name in ("one.html", "other.html")]
    for path in paths:
        write_report(recorded, path)
    content = paths[0].read_bytes()
    assert content == paths[1].read_bytes()
    assert str(tmp_path).encode() not in content


def test_a_report_runs_nothing_but_its_own_script(one_page: ParsedPage):
    page = one_page
    policy = page.list_values("content")[0]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in policy
    for name, tag in (("script-src", "script"), ("style-src", "style")):
        digest = hashlib.sha256(page.raw[tag][0].encode()).digest()
        assert rules[name] == f"'sha256-{b64encode(digest).decode()}'"
    first = page.elements.index(next(e for e in page.elements if "http-equiv" in e.attributes))
    assert {e.tag for e in page.elements[:first]} == {"html", "head", "meta"}


def test_without_examples_a_report_says_so(labelled: list[Path]):
    recorded = read_labelled(labelled[:1], resolve_settings({}).settings, ignore_progress)
    page = render(recorded)
    assert "There are no activation examples in this report" in page.text
    assert "Not matched for density" not in page.text
    assert_harmless(page)


def test_examples_that_no_label_rests_on_are_told(recorded: list[RecordedGraph]):
    known = {f: replace(e, digest="other") for f, e in recorded[0].known.items()}
    page = render([replace(recorded[0], known=known)])
    assert "The examples of 300 features are others than those that their labels" in page.text


def test_a_comparison_is_a_section_of_its_own(compared_page: ParsedPage):
    assert "changes" in compared_page.list_values("id")
    assert "Both runs had the same settings" in compared_page.text


def test_a_comparison_lists_what_changed():
    before = make_recorded([Named(0, 1, label="old"), Named(1, 2, label="<b>")])
    after = make_recorded(
        [Named(0, 1, label="new"), Named(1, 2, "cross")], clerp={"embedder": "other"}
    )
    page = render([after], before=before)
    assert re.search(r"20\d\d-\d\d|\d\d:\d\d", page.text) is None
    assert "label old new" in page.text
    assert "label <b> word" in page.text
    assert "embedder bare other" in page.text
    assert_harmless(page)


def test_supernodes_are_drawn():
    members = [{"node_id": "3_2_1", "reason": "it says so"}]
    warned = {"name": "say <b>", "origin": "clerp", "warnings": ["makes a cycle"]}
    renamed = {"name": "was", "origin": "clerp", "warnings": ["spans 9 layers"]}
    supernodes = [{**group, "members": members} for group in (warned, renamed)]
    grouping = {"grouper": "semantic", "supernodes": supernodes}
    document = build_labelled([Named(0, 1), Named(3, 2, "output")], clerp={"grouping": grouping})
    document["qParams"]["supernodes"] = [["input words", "0_1_1"], ["say <b>", "3_2_1"]]
    document["links"] = [{"source": "0_1_1", "target": "3_2_1", "weight": -1.5}]
    page = render([read_recorded(read_graph(document))])
    assert "input words" in page.text
    assert "say <b>" in page.text
    assert "2 of 2 supernodes, and the strongest 1 of 1" in page.text
    assert "Proposed by clerp's grouper semantic: 1 of 2; the others are people's." in page.text
    assert "Warnings (1) say <b> makes a cycle" in page.text
    assert_harmless(page)


def test_costs_and_failures_are_told():
    paid = {"details": {"cost_usd": 0.25, "model": "gpt-x", "method": "m", "prompt_tokens": 900}}
    failed = "provider: no answer in 60 s"
    page = render(
        [
            make_recorded(
                [
                    Named(0, 1, "cross", record=paid),
                    Named(1, 1, "cross", "", "failed", failed),
                    Named(2, 1, "cross", "", "abstained", "nothing in common"),
                ]
            )
        ]
    )
    assert "2 gpt-x m 1 900 unknown 0.2500" in page.text
    assert "failed 1 30.0% provider: no answer in n s" in page.text
    assert "abstained 1 30.0% nothing in common" in page.text


def test_no_text_of_a_file_acts_or_hides():
    recorded = [make_hostile(number, text) for number, text in enumerate(HOSTILE)]
    html = render_report(recorded)
    assert {char for char in html if not char.isprintable()} == {"\n"}
    assert len(html) < 1_000_000
    assert_harmless(parse_page(html))


def make_hostile(number: int, text: str) -> RecordedGraph:
    """Make a graph in which every text is this one."""
    candidate = {"text": text, "method": text, "model": text}
    record = {
        "method": text,
        "notes": [text],
        "route_reason": text,
        "details": {"model": text, "cost_usd": 1.0},
        "candidates": [candidate],
        "scores": {text: {"raw": 0.3, "weighted": 0.3, "n": 20}},
        "verbalization": make_verbalization(
            pair=text,
            said=(make_said(text, text, token=text, quotes=((0, len(text)),)),),
            proposal=text,
            notes=(text,),
        ).to_record(),
    }
    document = build_labelled(
        [
            Named(0, number, label=text, reason=text),
            Named(1, number, "output", "", "abstained", text),
            Named(2, number, "cross", text, reason=text, record=record),
        ],
        prompt_tokens=[text, text],
        scan=text,
        clerp={"configuration": {text: text, "rule": text}, "embedder": text, "source": text},
    )
    document["qParams"]["supernodes"] = [[text, f"0_{number}_1"], [text, f"1_{number}_1"]]
    document["nodes"][1]["clerp_hint"] = text
    link = {"source": f"0_{number}_1", "target": f"1_{number}_1", "weight": 1.0}
    document["links"] = [link]
    feature = FeatureId(0, number)
    known = {feature: make_evidence([[text, text]] * 5, promoted=[text], feature=feature)}
    return replace(read_recorded(read_graph(document)), known=known)


def test_what_an_nla_says_is_told_with_its_signals_and_as_no_label():
    said = make_verbalization(proposal="say 'Rome'", method="baez")
    record = {"verbalization": said.to_record()}
    named = Named(0, 1, "obscure", "", "needs_review", "obscure", record=record)
    gone = FeatureVerbalization.decline(FeatureId(1, 1), "example", "made for another model")
    other = Named(1, 1, "obscure", "", "needs_review", record={"verbalization": gone.to_record()})
    page = render([make_recorded([named, other])])
    for part in (
        "NLA experimental suggestive all agree; thresholds checked on a toy "
        f"{PAIR}; given: the residual at the peaks of its examples",
        "2 more texts of the same",
        "cut off at 200 tokens",
        "A city is named. made at 4 of 5, of inactive 0 of 8",
        "1 of places where it is off 0.0-3 at ' the' A recipe.",
        "made of it say 'Rome' baez, no label",
        'It names "Paris" at the end.',
        "rank its own residual ranks 2 of 64 control: by chance 32.5",
        "NLA experimental not available: made for another model",
    ):
        assert part in page.text, part
    assert "NLA" not in render([make_recorded([Named(0, 1)])]).text


def test_a_verbalization_on_record_that_is_none_is_an_error_with_its_place():
    named = Named(0, 1, record={"verbalization": {"said": 3}})
    with pytest.raises(GraphError, match=r"features\.0_1\.verbalization"):
        make_recorded([named])


def test_what_a_model_made_of_it_is_counted_among_the_costs():
    cost = {"model": "gpt-x", "cost_usd": 0.5, "prompt_tokens": 9, "completion_tokens": 4}
    said = make_verbalization(method="baez", details=cost)
    record = {"verbalization": said.to_record()}
    page = render([make_recorded([Named(0, 1, "obscure", "", "needs_review", record=record)])])
    assert "3 gpt-x baez 1 9 4 0.5000" in page.text


def test_numbers_that_nobody_could_measure_do_no_harm():
    score = {"raw": 0.1, "weighted": 0.1, "n": 3}
    records: list[dict[str, Any]] = [
        {"scores": {}, "p": None, "margin": None},
        {"p": 0.0},
        {"p": -1e300, "margin": 1e300},
        {"scores": {"input": {**score, "raw": 1e308, "n": -3}}},
        {"scores": {"input": {**score, "z": -1e308, "p": 7.0}}},
        {"scores": {f"c{i}": score for i in range(900)}},
    ]
    features = [Named(10**n, n, record=record) for n, record in enumerate(records)]
    settings = {"configuration": {"rule": ["air"], "alpha": -1.0, "threshold": 1e308}}
    far = Named(10**15, 2, "output", record=records[2])
    assert_harmless(render([make_recorded([*features, far]), make_recorded(features)]))
    assert_harmless(render([make_recorded(features, clerp=settings)]))


@pytest.mark.parametrize(
    "features",
    [
        [Named(0, 1)],
        [Named(5, i, "artefact", "", "abstained", "dense: 20%") for i in range(3)],
        [Named(5, i, "output") for i in range(3)],
    ],
    ids=["one node", "artefacts alone", "all one role"],
)
def test_a_graph_of_little_has_a_report(features: list[Named]):
    document = build_labelled(features)
    document["links"] = []
    for node in document["nodes"]:
        node["influence"] = None
    page = render([read_recorded(read_graph(document))])
    assert "No graph here holds influences" in page.text
    assert_harmless(page)


def test_heat_is_that_of_the_review_page():
    styles = [
        (files(package) / "static" / name).read_text()
        for package, name in (
            ("clerp.report.html", "report.css"),
            ("clerp.review.web", "review.css"),
        )
    ]
    assert len(_OWN_ROWS.findall(styles[0])) == 12
    assert _OWN_ROWS.findall(styles[0]) == _OWN_ROWS.findall(styles[1])


@pytest.mark.parametrize(
    ("configuration", "said"),
    [
        ({"rule": "protocol", "threshold": 0.25}, "protocol asks for a raw score of 0.25 or more"),
        ({"rule": "air", "threshold": 5.0}, "air asks for a z of 5.0 or more"),
        ({"rule": "calibrated", "alpha": 0.05}, "with a chance of more than 0.05"),
    ],
)
def test_what_counts_as_high_is_told_and_drawn(configuration: dict[str, Any], said: str):
    score = {"raw": 0.3, "weighted": 0.3, "n": 20}
    z = {} if configuration["rule"] == "protocol" else {"z": 9.0}
    record = {"scores": {"input": {**score, **z}}}
    features = [Named(i, i, record=record) for i in range(3)]
    page = render([make_recorded(features, clerp={"configuration": configuration})])
    assert said in page.text
    threshold = configuration.get("threshold")
    assert (f"threshold {threshold:g}" if threshold else "at most 0.05") in page.text


def test_a_small_chance_alone_does_not_make_a_role():
    obscure = Named(0, 1, "obscure", "", "needs_review", record={"p": 0.01})
    page = render([make_recorded([obscure, Named(1, 2)])])
    assert "a chance of at most 0.05 alone is not enough" in page.text


def test_chances_that_are_not_known_decide_nothing():
    page = render([make_recorded([Named(0, 1, record={"p": None})])])
    assert "how often one planted with nothing would is not known here" in page.text
    assert "0.05 alone" not in page.text


def test_labels_that_do_not_fit_the_graph_or_name_several_features_are_told():
    fits = Named(0, 1, label="alike", record={"misfits": []})
    odd = Named(1, 2, label="alike", record={"misfits": ["1_2_1"]})
    page = render([make_recorded([fits, odd, Named(2, 3)])])
    assert "checked do not fit repeated" in page.text
    assert "2 1 (30.0%) 1" in page.text


def test_a_report_tells_what_it_was_made_from(compared_page: ParsedPage):
    assert "from the labelled graph, with the activation examples at hand, and from the run" in (
        compared_page.text
    )
    assert "from the labelled graph: the same" in render([make_recorded([Named(0, 1)])]).text
