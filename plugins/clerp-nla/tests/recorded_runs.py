"""Runs over a few features of the small world of `clerp.testing`, written down where asked."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from clerp.evidence import FeatureEvidence
from clerp.feature import FeatureId
from clerp.ledger import open_ledger
from clerp.origins.same_set import name_set
from clerp.plugins import Verbalizer
from clerp.testing import make_evidence
from clerp.testing.fake_verbalizer import MODEL, WORDS
from clerp.verbalizers import ModelClaim
from clerp.verbalizers.driving import Terms, verbalize_features
from clerp.verbalizers.outcome import FeatureVerbalization
from clerp.verbalizers.recording import open_calls
from clerp_nla.backends.recording import write_recording

CLAIM = ModelClaim(MODEL, "a-set", set_name=name_set("a-set"))
PEAK, N_TOKENS = 14, 24


class LetterEmbedder:
    """Counts letters: enough for texts that differ."""

    name = "letters"

    def embed(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
        rows = [[text.count(chr(97 + n)) + 0.01 for n in range(26)] for text in texts]
        return np.array(rows, dtype=np.float32).reshape(-1, 26)


def make(index: int) -> FeatureEvidence:
    """Make a feature that fires on a word."""
    texts = [[f" {index}.{n}.{place}" for place in range(N_TOKENS)] for n in range(7)]
    for text in texts:
        text[PEAK] = f" {WORDS[index]}"
    return make_evidence(texts, peak=PEAK, feature=FeatureId(2, index))


EVIDENCE = [make(index) for index in range(3)]


def as_recorded(told: FeatureVerbalization) -> FeatureVerbalization:
    """Say that what was said comes from a file: it never answers for the pair itself."""
    return replace(told, pair=f"recorded {told.pair}") if told.pair else told


async def drive(
    verbalizer: Verbalizer,
    file: Path | None = None,
    ledger: str = ":memory:",
    *,
    ask: bool = True,
    terms: Terms | None = None,
    transcoders: str | None = None,
) -> dict[FeatureId, FeatureVerbalization]:
    """Ask about all of them, and write the run down if there is a file."""
    with open_ledger(ledger) as opened:
        async with open_calls(verbalizer, CLAIM, opened, ask=ask) as calls:
            told = await verbalize_features(
                EVIDENCE, calls, LetterEmbedder(), terms or Terms(), transcoders=transcoders
            )
        if file is not None:
            write_recording(file, calls)
    return told
