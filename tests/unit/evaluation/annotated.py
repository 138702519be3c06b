"""Features with evidence and roles, in few words."""

import random
from collections.abc import Sequence

from clerp.embedding import WordLlamaEmbedder
from clerp.evaluation import AnnotatedFeature
from clerp.evaluation.truth import Pass
from clerp.evidence import FeatureEvidence
from clerp.feature import FeatureId
from clerp.router import Role
from clerp.testing import make_evidence

N = 12
ROLES: list[Role] = ["input", "output", "cross", "artefact"] * (N // 4)
EMBEDDER = WordLlamaEmbedder()
WORDS = ("river", "seven", "Texas", "bread", "yellow", "doctor", "piano", "Monday", "quiet", "lost")


def make_known(n: int = N) -> list[FeatureEvidence]:
    """Make features of index 0, 1, ..., every other of which peaks on one word."""
    rng = random.Random(0)
    known: list[FeatureEvidence] = []
    for i in range(n):
        texts = [[f" {word}" for word in rng.sample(WORDS, 9)] for _ in range(6)]
        for text in texts if i % 2 else []:
            text[4] = " Dallas"
        known.append(make_evidence(texts, peak=4, feature=FeatureId(i % 3, i)))
    return known


def repeat(role: Role, times: int) -> list[Role]:
    return [role] * times


def part(pairs: Sequence[tuple[Role, Role]]) -> tuple[list[Role], list[Role]]:
    """Take pairs apart: the first of each, and the second of each."""
    return [one for one, _ in pairs], [other for _, other in pairs]


def settle(roles: Sequence[Role]) -> list[AnnotatedFeature]:
    """Give features of index 0, 1, ... one role each."""
    return [AnnotatedFeature(layer=i % 3, index=i, role=role) for i, role in enumerate(roles)]


def read_twice(roles: Sequence[tuple[Role, Role]]) -> list[AnnotatedFeature]:
    """Give features of index 0, 1, ... the roles of two passes."""
    return [
        AnnotatedFeature(layer=i % 3, index=i, passes=(_read(one), _read(other)))
        for i, (one, other) in enumerate(roles)
    ]


def _read(role: Role) -> Pass:
    return Pass(role=role, runner_up=None, sure=True, fits=20, label="")
