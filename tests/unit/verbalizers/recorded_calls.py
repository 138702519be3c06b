"""The calls of a verbalizer that is taken for a pair without a check."""

from typing import Any

from tests.rerunning import TRANSCODERS

from clerp.ledger import Ledger
from clerp.origins.same_set import name_set
from clerp.testing.fake_verbalizer import MODEL
from clerp.verbalizers import ModelClaim, PairIdentity
from clerp.verbalizers.answers import Answers
from clerp.verbalizers.recording import RecordedCalls


def make_claim(transcoders: str) -> ModelClaim:
    """Make what a graph says that was made with some transcoders."""
    return ModelClaim(MODEL, transcoders, set_name=name_set(transcoders))


CLAIM = make_claim(TRANSCODERS)


def record(
    verbalizer: Any, ledger: Ledger, claim: ModelClaim = CLAIM, **given: Any
) -> RecordedCalls:
    """Record what a verbalizer says; `given` is for `Answers`."""
    pair = PairIdentity("a-pair", "0" * 40, MODEL, 3, 32)
    return RecordedCalls(verbalizer, pair, claim, Answers(ledger, **given))
