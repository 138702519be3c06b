"""A real model labels 30 real features through each transport; its words are weak, no matter."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import pytest
from tests.real_model.llama_server import LlamaServer
from tests.real_model.place import MODEL, Asked, Document, Ended, Place, make_place, name_ways
from tests.real_model.summary import note_summary, summarise

N_FEATURES = 30
TRANSPORTS = ("http", "litellm")
MAX_ANSWER_TOKENS = 120
AT_ONCE = 2

TYPED_FAILURE = re.compile(rf"{MODEL}: (the answer|the label|explanation is|abstain_reason is) ")
UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff<>`]")

pytestmark = pytest.mark.timeout(1800)


@dataclass(frozen=True)
class Run:
    """A run, and the statuses of what was asked of the server."""

    ended: Ended
    statuses: list[int]
    written: bytes


@dataclass(frozen=True)
class Labelled:
    """What two runs of the same command line left behind."""

    place: Place
    first: Run
    second: Run
    record: Document
    names: dict[str, str]
    answers: list[Asked]

    @property
    def features(self) -> dict[str, Document]:
        return self.record["features"]

    def list_with(self, status: str) -> list[Document]:
        return [feature for feature in self.features.values() if feature["status"] == status]


@contextmanager
def count_requests(server: LlamaServer) -> Iterator[list[int]]:
    """Hand out a list that at the end of the block holds the statuses of its requests."""
    before = len(server.list_statuses())
    statuses: list[int] = []
    yield statuses
    statuses += server.list_statuses()[before:]


def label(place: Place, server: LlamaServer) -> Run:
    with count_requests(server) as statuses:
        ended = place.label()
    assert place.out.exists(), ended
    return Run(ended, statuses, place.out.read_bytes())


@pytest.fixture(scope="module")
def label_through(
    server: LlamaServer, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Labelled]:
    """Label through a transport; a second call returns what the first one did."""

    @cache
    def label_once(transport: str) -> Labelled:
        way = name_ways(server.address)[transport]
        place = make_place(tmp_path_factory.mktemp(transport) / "place", N_FEATURES, way)
        first, second = label(place, server), label(place, server)
        return Labelled(
            place, first, second, place.read_record(), place.read_names(), place.read_answers()
        )

    return label_once


@pytest.fixture(params=TRANSPORTS)
def labelled(request: pytest.FixtureRequest, label_through: Callable[[str], Labelled]) -> Labelled:
    return label_through(request.param)


def test_every_feature_ends_labelled_declined_or_failed_for_a_reason(
    labelled: Labelled, request: pytest.FixtureRequest
) -> None:
    run, transport = labelled.first.ended, labelled.place.way.transport
    note_summary(request.node, summarise(transport, run, labelled.record, labelled.answers))
    assert len(labelled.features) == N_FEATURES
    assert len(labelled.names) == N_FEATURES
    failed = labelled.list_with("failed")
    declined = labelled.list_with("abstained")
    assert len(labelled.list_with("labeled")) + len(failed) + len(declined) == N_FEATURES
    assert run.code == (2 if failed else 0), run
    assert all(TYPED_FAILURE.match(feature["reason"]) for feature in failed), failed
    assert all(feature["reason"] for feature in declined)
    assert "Traceback" not in run.out + run.err


def test_labels_are_plain_short_names(labelled: Labelled) -> None:
    texts = [feature["label"] for feature in labelled.list_with("labeled")]
    for text in (*texts, *labelled.names.values()):
        assert not UNSAFE.search(text), text
    assert all(1 <= len(text.split()) <= 6 for text in texts)
    assert not UNSAFE.search(labelled.first.ended.out.replace("\n", ""))


def test_whatever_was_asked_names_the_model_that_the_server_returned(labelled: Labelled) -> None:
    assert {answer.model for answer in labelled.answers} == {MODEL}
    assert {feature["details"]["model"] for feature in labelled.features.values()} == {MODEL}
    assert {cost["model"] for cost in labelled.record["costs"]} == {MODEL}
    assert MODEL in labelled.first.ended.out
    assert "127.0.0.1" not in labelled.first.written.decode()
    told = labelled.place.explain(next(iter(labelled.features)))
    assert f"model: {MODEL}" in told.out, told


def test_tokens_are_counted_and_without_a_price_the_cost_is_unknown(labelled: Labelled) -> None:
    for answer in labelled.answers:
        assert answer.prompt_tokens
        assert answer.completion_tokens
        # The server's own count of an answer that it cuts off has one more.
        assert answer.completion_tokens <= MAX_ANSWER_TOKENS + 1
        assert answer.cost_usd is None
    costs = labelled.record["costs"]
    assert sum(cost["calls"] for cost in costs) == len(labelled.answers)
    for column in ("prompt_tokens", "completion_tokens"):
        counted = sum(getattr(answer, column) for answer in labelled.answers)
        assert sum(cost[column] for cost in costs) == counted
    assert {cost["cost_usd"] for cost in costs} == {None}


def test_the_form_that_the_server_refuses_is_given_up_and_the_other_is_on_record(
    labelled: Labelled,
) -> None:
    statuses = Counter(labelled.first.statuses)
    taken = statuses.pop(200)
    # It knows no json_schema, and each of the first calls may have asked for one.
    assert 1 <= statuses.total() <= AT_ONCE, statuses
    # One that came too late was asked for again.
    assert taken >= len(labelled.answers)
    (form,) = {answer.format for answer in labelled.answers}
    assert form.startswith("json_object")


def test_an_unusable_answer_was_asked_for_once_more(labelled: Labelled) -> None:
    n_unusable = Counter(bool(answer.complaint) for answer in labelled.answers)[True]
    n_failed = len(labelled.list_with("failed"))
    calls = Counter(feature["details"]["calls"] for feature in labelled.features.values())
    assert set(calls) <= {1, 2}
    # Who was asked twice answered unusably first, and whoever failed did so twice.
    assert n_unusable == calls[2] + n_failed
    assert len(labelled.answers) == calls[1] + 2 * calls[2]


def test_a_second_run_asks_nothing_and_writes_the_same(labelled: Labelled) -> None:
    assert labelled.second.statuses == []
    assert labelled.second.written == labelled.first.written
    assert labelled.second.ended.code == labelled.first.ended.code


def test_both_transports_send_the_same_prompts(label_through: Callable[[str], Labelled]) -> None:
    http, litellm = (
        {answer.prompt_hash: answer.prompt_tokens for answer in label_through(transport).answers}
        for transport in TRANSPORTS
    )
    alike = http.keys() & litellm.keys()
    # The complaints of those that ask once more may differ.
    assert len(alike) >= N_FEATURES
    assert {sent: http[sent] for sent in alike} == {sent: litellm[sent] for sent in alike}
