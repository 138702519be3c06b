"""What methods make of what an NLA said: proposals, and the reasons why there is none."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.outcomes import FIRST
from tests.scripted_transport import BAD, GOOD, decline, make_script, say
from tests.strangers import raising, returning
from tests.unit.labelers.methods.asked import make_evidence, make_request
from tests.verbalizations import make_said, make_trust, make_verbalization

from clerp.errors import LabelerError, LedgerError, UsageError
from clerp.labelers.llm import LlmLabeler
from clerp.labelers.methods import find_description_method
from clerp.labels import Abstention
from clerp.ledger import Ledger, open_ledger
from clerp.proposing import METHODS, check_method, propose
from clerp.testing import FakeLabeler
from clerp.verbalizers.contrast import Contrast
from clerp.verbalizers.outcome import FeatureVerbalization, MethodName

REQUEST = make_request(make_evidence(5), proposal=None)
OF_MODELS = pytest.mark.parametrize("method", ["baez", "baez_last"])


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with open_ledger(":memory:") as opened:
        yield opened


class Listening(FakeLabeler):
    """Answers, and keeps what it was asked."""

    @property
    def texts(self) -> dict[str, str]:
        return {said.example: said.text for said in self.asked[-1].descriptions}


async def ask(
    said: FeatureVerbalization, method: MethodName, labeler: Any = None
) -> FeatureVerbalization:
    return await propose(said, method, REQUEST, labeler or FakeLabeler())


@OF_MODELS
async def test_a_model_is_asked_of_the_first_text_of_each_example(method: MethodName):
    labeler = Listening()
    said = make_verbalization(details={"seed": 0})
    outcome = await ask(said, method, labeler)
    assert [d.activation for d in labeler.asked[-1].descriptions] == [8.25, 8.25]
    assert list(labeler.texts) == ["0.0", "0.1"]
    assert outcome == replace(
        said, method=method, proposal="feature 3_7", notes=outcome.notes, details={"seed": 0}
    )


async def test_baez_takes_texts_whole_and_baez_last_their_last_paragraphs():
    labeler = Listening()
    said = make_verbalization(notes=())
    whole = await ask(said, "baez", labeler)
    assert labeler.texts["0.1"] == "A list of capitals.\n\nFinal token is a city."
    assert whole.notes == ()
    last = await ask(said, "baez_last", labeler)
    assert labeler.texts == {
        "0.0": 'It names "Paris" at the end.',
        "0.1": "Final token is a city.",
    }
    assert last.notes == ("baez_last: the text of 0.0 is one paragraph, taken whole",)


async def test_a_text_that_cannot_be_used_gives_way_to_the_next_sample():
    labeler = Listening()
    faulty = make_said("0.0", "", fault="empty")
    said = make_verbalization(said=(faulty, make_said("0.0", "second", sample=1)))
    await ask(said, "baez", labeler)
    assert labeler.texts == {"0.0": "second"}


@OF_MODELS
async def test_a_model_that_declines_leaves_its_reason(method: MethodName):
    labeler = returning(Abstention("baez", "nothing in common", {"cost_usd": 0.5}))
    outcome = await ask(make_verbalization(notes=()), method, labeler)
    assert (outcome.proposal, outcome.method) == ("", method)
    assert outcome.notes[-1] == f"{method}: nothing in common"
    assert outcome.details == {"cost_usd": 0.5}


@OF_MODELS
async def test_a_model_that_breaks_takes_no_text_with_it_and_is_unfinished(method: MethodName):
    said = make_verbalization(details={"seed": 0})
    fault = LabelerError("the provider is down", where="/home/ada/keys", details={"cost_usd": 0.25})
    outcome = await ask(said, method, raising(fault))
    assert (outcome.said, outcome.trust, outcome.proposal) == (said.said, said.trust, "")
    assert outcome.details == {"seed": 0, "cost_usd": 0.25, "unfinished": "the provider is down"}
    assert outcome.notes[-1] == f"{method}: the provider is down"


async def test_a_ledger_that_fails_concerns_every_feature():
    with pytest.raises(LedgerError):
        await ask(make_verbalization(), "baez", raising(LedgerError("full")))


@OF_MODELS
async def test_without_a_model_there_is_nobody_to_ask(method: MethodName):
    with pytest.raises(UsageError, match=r"asks a language model, and none is named.*--llm"):
        await propose(make_verbalization(), method)


async def test_the_decoders_text_is_taken_as_it_is():
    said = make_verbalization(
        kind="decoder",
        said=(
            make_said("decoder", "", fault="empty", token="", activation=None),
            make_said("decoder", "Names of cities.", token="", activation=None, sample=1),
        ),
    )
    outcome = await propose(said, "nla_decoder")
    assert (outcome.proposal, outcome.method) == ("Names of cities.", "nla_decoder")
    nothing = await propose(replace(said, said=said.said[:1]), "nla_decoder")
    assert (nothing.proposal, nothing.notes[-1]) == (
        "",
        "nla_decoder: no text of it can be used",
    )


async def test_claims_that_are_not_made_where_it_is_off_are_taken():
    said = make_verbalization(kept_claims=("A city is named.", "It ends a list."))
    outcome = await propose(said, "nla_contrast")
    assert outcome.proposal == "A city is named. It ends a list."


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"kept_claims": ()}, "all that is said where it fires is said where it is off, too"),
        ({"said_where_off": ()}, "there is no text of a place where it is off"),
        ({"trust": make_trust(contrast=None)}, "nobody knows whether texts differ where it is off"),
        (
            {"trust": make_trust(contrast=Contrast(0.75, 0.5, 0.25, 0.06, 5, 8))},
            "texts of places where it fires and where it is off do not surely differ",
        ),
        (
            {"trust": make_trust(contrast=Contrast(0.75, 0.5, 0.25, 0.03, 5, 4))},
            "texts of 4 places where it is off; it takes 5",
        ),
    ],
)
async def test_where_no_claim_is_left_it_is_said(change: dict[str, Any], why: str):
    outcome = await propose(make_verbalization(**change), "nla_contrast")
    assert (outcome.proposal, outcome.notes[-1]) == ("", f"nla_contrast: {why}")


@pytest.mark.parametrize("method", METHODS)
async def test_nothing_is_made_of_texts_that_are_unusable(method: MethodName):
    labeler = FakeLabeler()
    kind = "decoder" if method == "nla_decoder" else "example"
    said = make_verbalization(kind=kind, trust=make_trust(status="unusable"))
    outcome = await ask(said, method, labeler)
    assert outcome.proposal == ""
    assert outcome.notes[-1] == f"{method}: nothing is made of texts that are unusable"
    assert labeler.asked == []


@pytest.mark.parametrize("method", METHODS)
async def test_what_is_not_available_stays_so(method: MethodName):
    kind = "decoder" if method == "nla_decoder" else "example"
    said = FeatureVerbalization.decline(FIRST, kind, "it was made for another model")
    assert await ask(said, method) == said


async def test_texts_alone_are_asked_for_by_no_method():
    said = make_verbalization()
    assert await ask(said, "") == said


@pytest.mark.parametrize(
    ("method", "kind"),
    [("nla_decoder", "example"), ("baez", "decoder"), ("nla_contrast", "contrast")],
)
def test_a_method_for_another_input_is_refused(method: Any, kind: Any):
    with pytest.raises(UsageError, match=f"the method {method} is made for .* not for {kind}"):
        check_method(method, kind)


async def test_a_second_run_asks_no_model_again(ledger: Ledger):
    said = make_verbalization()
    first = await _ask_model(said, ledger, make_script([say(label="capitals")]))
    again = await _ask_model(said, ledger, make_script())
    assert first == again
    assert first.proposal == "capitals"
    assert first.details["cost_usd"] == GOOD.cost_usd
    assert first.details["method"] == "baez"


async def test_other_texts_are_asked_about_anew(ledger: Ledger):
    await _ask_model(make_verbalization(), ledger, make_script([GOOD]))
    other = make_verbalization(said=(make_said("0.0", "Something else."),))
    outcome = await _ask_model(other, ledger, make_script([decline("no theme")]))
    assert outcome.notes[-1] == "baez: no theme"


async def test_a_model_that_says_nothing_usable_twice_proposes_nothing(ledger: Ledger):
    outcome = await _ask_model(make_verbalization(), ledger, make_script([BAD, BAD]))
    assert outcome.proposal == ""
    assert outcome.details["calls"] == 2
    assert outcome.details["cost_usd"] == pytest.approx(0.004)


async def _ask_model(
    said: FeatureVerbalization, ledger: Ledger, script: Any
) -> FeatureVerbalization:
    labeler = LlmLabeler(script, find_description_method("baez")).with_ledger(ledger)
    try:
        return await propose(said, "baez", REQUEST, labeler)
    finally:
        await labeler.aclose()
