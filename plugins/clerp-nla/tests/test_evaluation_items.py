"""Single vectors, with an actor that is made to lie and a critic that is made to know."""

import asyncio
import hashlib
import random
from collections.abc import Sequence

import numpy as np
import pytest

from clerp.embedding import WordLlamaEmbedder
from clerp.verbalizers import Extraction, Missed, ModelClaim, PairIdentity, Passage, Sampling
from clerp.verbalizers import Verbalization as Said
from clerp_nla.evaluation.items import ITEM_SIGNALS, Items, choose_places, measure_items
from clerp_nla.evaluation.ranking import rank
from clerp_nla.training.explaining import explain
from clerp_nla.training.grammar import TOPICS, Token, write_documents
from clerp_nla.training.places import FIRST

D_MODEL = 48
PLACES = choose_places(write_documents(90, 1), 0)


class Liar:
    """Says the truth of every third place, always in one way; of the others it makes things up.

    Its critic gives back the vector of a true text, and noise for what is made up.
    """

    name = "liar"

    def __init__(self) -> None:
        self._truths: dict[bytes, Token | None] = {}
        self._vectors: dict[str, np.ndarray] = {}
        for number, place in enumerate(PLACES):
            vector = draw(place.passage.text)
            self._truths[vector.tobytes()] = None if number % 3 else place.truth

    def check(self, claim: ModelClaim) -> PairIdentity:
        return PairIdentity(self.name, "0", claim.model, 3, D_MODEL)

    async def extract(self, passages: Sequence[Passage]) -> list[Extraction | Missed]:
        found: list[Extraction | Missed] = [
            Extraction(one, draw(one.text), 20) for one in passages[:-1]
        ]
        return [*found, Missed(passages[-1], "not there")]

    async def describe(self, vectors: np.ndarray, sampling: Sampling) -> list[Said]:
        return [self._say(vector, sampling) for vector in vectors]

    async def compare(self, texts: Sequence[str], vectors: np.ndarray) -> np.ndarray:
        found = np.stack([self._vectors[text] for text in texts])
        units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return (found / np.linalg.norm(found, axis=1, keepdims=True) @ units.T).astype(np.float32)

    async def describe_nothing(self, sampling: Sampling) -> Said:
        return Said("nothing", "nothing")

    def _say(self, vector: np.ndarray, sampling: Sampling) -> Said:
        truth = self._truths[vector.tobytes()]
        lot = hashlib.sha256(vector.tobytes() + bytes([sampling.seed])).hexdigest()
        chance = random.Random(lot if truth is None else 0)
        if truth is None:
            topic = chance.choice(list(TOPICS))
            made_up = Token(f" {lot[0]}x", "verb", topic, (f" {lot[1]}y", f" {lot[2]}z"))
            text = f"{explain(made_up, chance)} {lot[:9]}"
            self._vectors[text] = draw(lot)
        else:
            text = explain(truth, chance)
            # Two vectors may have one text; of equal ones the critic knows the last.
            self._vectors[text] = vector
        return Said(text, text)


def draw(what: str) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(what.encode()).digest()[:8])
    return np.random.default_rng(seed).normal(size=D_MODEL).astype(np.float32)


@pytest.fixture(scope="module")
def items() -> Items:
    sampling = Sampling(temperature=1.0, max_new_tokens=80)
    embedder = WordLlamaEmbedder("")
    return asyncio.run(measure_items(PLACES, Liar(), embedder, sampling, n_samples=3))


def test_places_are_late_ends_of_which_the_truth_is_known() -> None:
    for place, document in zip(PLACES, write_documents(90, 1), strict=True):
        assert document.text.startswith(place.passage.text)
        assert place.passage.text.endswith(place.truth.text)
        n_tokens = next(
            n
            for n in range(1, len(document.tokens) + 1)
            if "".join(token.text for token in document.tokens[:n]) == place.passage.text
        )
        assert n_tokens > FIRST


def test_a_place_without_a_residual_is_left_out(items: Items) -> None:
    assert len(items.texts) == len(items.vectors) == len(PLACES) - 1


def test_verdicts_are_of_the_first_text(items: Items) -> None:
    truths = items.truths("token")
    assert truths[::3].all()
    assert not truths[1::3].any()


@pytest.mark.parametrize("signal", ITEM_SIGNALS)
def test_each_signal_knows_true_texts_of_such_a_pair(items: Items, signal: str) -> None:
    found = rank(items.signals[signal], items.truths("words before"))  # pyright: ignore[reportArgumentType]
    assert found is not None
    assert found.area > 0.9


async def test_a_text_that_claims_nothing_is_not_judged() -> None:
    class Silent(Liar):
        def _say(self, vector: np.ndarray, sampling: Sampling) -> Said:
            text = f"Nothing at all, {sampling.seed}."
            self._vectors[text] = vector
            return Said(text, text)

    sampling = Sampling(temperature=1.0, max_new_tokens=80)
    measured = await measure_items(PLACES, Silent(), WordLlamaEmbedder(""), sampling, n_samples=2)
    assert len(measured.texts) == len(PLACES) - 1
    assert not measured.makes("topic").any()
