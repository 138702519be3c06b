"""Signals of features of which it is known what they are about, and whether claims are true."""

from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from clerp.evidence import FeatureEvidence
from clerp.feature import FeatureId
from clerp.ledger import open_ledger
from clerp.plugins import Embedder, VectorVerbalizer
from clerp.verbalizers import ModelClaim, Sampling
from clerp.verbalizers.driving import Directions, Terms, verbalize_features
from clerp.verbalizers.outcome import FeatureVerbalization
from clerp.verbalizers.recording import RecordedCalls, open_calls
from clerp.verbalizers.status import Status
from clerp.verbalizers.verbalization import InputKind
from clerp_nla.training.explaining import Claims, read_claims
from clerp_nla.training.grammar import TOPICS, WordClass, tell_class, write_documents
from clerp_nla.training.themes import (
    About,
    Planted,
    Theme,
    draw_activations,
    make_record,
    read_evidence,
)

FeatureSignal = Literal[
    "FVE", "mismatch margin", "rank", "self-agreement", "example agreement", "contrast"
]
FEATURE_SIGNALS: tuple[FeatureSignal, ...] = get_args(FeatureSignal)
ABOUTS: tuple[About, ...] = ("topic", "word class", "token")

_TOKENS = (
    *(" the", " a", " and", " with", " of", " near"),
    *(".", ","),
    *(" note", " court", " star", " salt"),
)
"""That several topics have."""
_CLASSES: tuple[WordClass, ...] = ("adjective", "verb", "small word")
_DOCUMENTS = 150
"""For the examples of one feature; no other feature has them."""
_OFTEN: Mapping[About, int] = {"topic": 2, "word class": 2, "token": 1}
"""Features of one theme."""
_NOTHING = 25


@dataclass(frozen=True, slots=True)
class KnownFeature:
    """A feature with evidence, of which it is known what it is about."""

    planted: Planted
    evidence: FeatureEvidence

    def is_true(self, about: About, value: str) -> bool:
        """Say whether a claim holds wherever the feature fires."""
        theme = self.planted.theme
        if theme.about == "token" and about == "word class":
            return tell_class(theme.truth) == value
        return (about, value) == (theme.about, theme.truth)


def plant_features(seed: int) -> list[KnownFeature]:
    """Plant features that are about topics, classes of words, tokens, and nothing at all.

    Each has documents of its own, so that two of one theme have no context in common.
    """
    values: Mapping[About, Sequence[str]] = {
        "topic": tuple(TOPICS),
        "word class": _CLASSES,
        "token": _TOKENS,
    }
    themes = [Theme(about, v) for about in ABOUTS for v in values[about] * _OFTEN[about]]
    themes += [Theme("nothing")] * _NOTHING
    return [_plant(FeatureId(2, i), theme, seed) for i, theme in enumerate(themes)]


def _plant(feature: FeatureId, theme: Theme, seed: int) -> KnownFeature:
    own = 10_000 * seed + feature.index
    documents = write_documents(_DOCUMENTS, own)
    record = make_record(feature, documents, draw_activations(documents, theme, own))
    return KnownFeature(Planted(feature, theme), read_evidence(feature, record))


@dataclass(frozen=True, slots=True)
class Claimed:
    """What most texts of a feature say of one kind."""

    about: About
    value: str
    share: float
    """Of the usable texts."""
    is_true: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """A feature, what came of asking about it, and what of that is true."""

    known: KnownFeature
    outcome: FeatureVerbalization
    claims: tuple[Claimed, ...]
    """Of each kind the commonest."""
    kept: tuple[bool, ...]
    """Of the claims that are made where it fires and not where it is off: whether each is true."""

    @property
    def status(self) -> Status:
        """How far it may be trusted; what nobody could describe is unusable."""
        return self.outcome.trust.status if self.outcome.trust else "unusable"

    @property
    def headline(self) -> Claimed | None:
        """The claim that most texts make; of equal ones the more special one."""
        order = ("token", "topic", "word class")
        ranked = sorted(self.claims, key=lambda one: (-one.share, order.index(one.about)))
        return ranked[0] if ranked else None

    def measure(self, signal: FeatureSignal) -> float:
        """Return a signal; larger is said to be better, not a number where there is none."""
        trust = self.outcome.trust
        if trust is None:
            return float("nan")
        back, contrast = trust.reconstruction, trust.contrast
        own, examples = trust.self_agreement, trust.example_agreement
        rank = None if back is None or back.rank is None else -back.rank
        values: dict[FeatureSignal, float | None] = {
            "FVE": back.fve if back else None,
            "mismatch margin": back.fve - (back.mismatch_fve or 0.0) if back else None,
            "rank": rank,
            "self-agreement": own.excess if own else None,
            "example agreement": examples.excess if examples else None,
            "contrast": contrast.excess if contrast else None,
        }
        value = values[signal]
        return float("nan") if value is None else value


def list_signal(asked: Sequence[Asked], signal: FeatureSignal) -> Float[np.ndarray, " feature"]:
    """List a signal of features."""
    return np.array([one.measure(signal) for one in asked])


async def ask(
    features: Sequence[KnownFeature],
    verbalizer: VectorVerbalizer,
    embedder: Embedder,
    sampling: Sampling,
    claim: ModelClaim,
    *,
    kind: InputKind = "example",
    directions: Directions | None = None,
) -> list[Asked]:
    """Have features verbalized as `clerp label --nla` does, with a ledger that is thrown away.

    Args:
        features: To ask about, together.
        verbalizer: Whom to ask.
        embedder: Of texts and claims.
        sampling: Of texts.
        claim: Of which model the features are.
        kind: Which vectors are described.
        directions: For the kind `decoder`, what each feature writes.

    Raises:
        NotAvailableError: The pair does not fit.
    """
    async with _opening(verbalizer, claim) as calls:
        evidence = [one.evidence for one in features]
        terms = Terms(kind, sampling=sampling)
        outcomes = await verbalize_features(
            evidence, calls, embedder, terms, directions=directions or {}
        )
    return [_judge(one, outcomes[one.planted.feature]) for one in features]


@asynccontextmanager
async def _opening(
    verbalizer: VectorVerbalizer, claim: ModelClaim
) -> AsyncGenerator[RecordedCalls]:
    with TemporaryDirectory() as folder, open_ledger(str(Path(folder, "eval.db"))) as ledger:
        async with open_calls(verbalizer, claim, ledger) as calls:
            yield calls


def _judge(known: KnownFeature, outcome: FeatureVerbalization) -> Asked:
    read = [read_claims(said.text) for said in outcome.said if said.text]
    claims = [_find_commonest(known, about, read) for about in ABOUTS]
    kept = [
        known.is_true(about, value)
        for text in outcome.kept_claims
        for about in ABOUTS
        if (value := _get(read_claims(text), about))
    ]
    return Asked(known, outcome, tuple(one for one in claims if one), tuple(kept))


def _find_commonest(known: KnownFeature, about: About, read: Sequence[Claims]) -> Claimed | None:
    values = Counter(value for claims in read if (value := _get(claims, about)))
    if not values:
        return None
    value, count = min(values.items(), key=lambda item: (-item[1], item[0]))
    return Claimed(about, value, count / len(read), known.is_true(about, value))


def _get(claims: Claims, about: About) -> str:
    return {"topic": claims.topic, "word class": claims.word_class, "token": claims.token}[about]
