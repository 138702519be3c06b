"""Features whose role is known because they were made."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from clerp.evidence import FeatureEvidence

GENERATOR = 1
"""Number of the generator's revision, which names every planted set.

It is fixed before a rule is tuned on what it makes: whoever changes what a seed gives changes the
number, and figures of different numbers are not compared.
"""

PlantedRole = Literal["input", "output", "cross", "obscure", "artefact"]

KINDS: MappingProxyType[str, PlantedRole] = MappingProxyType(
    {
        "word": "input",
        "word family": "input",
        "word class": "input",
        "fixed phrase": "input",
        "next word": "output",
        "next class": "output",
        "topic": "cross",
        "construction": "cross",
        "sequence start": "artefact",
        "dense": "artefact",
        "few": "artefact",
        "random positions": "obscure",
    }
)
"""What can be planted, and the role that it has."""


@dataclass(frozen=True, slots=True, eq=False)
class Planted:
    """A feature that was made, and the truth about it."""

    evidence: FeatureEvidence
    role: PlantedRole
    kind: str
    """One of `KINDS`."""
    answer: str
    """What the feature is: the word, class, phrase, topic or frame; the kind where it is all."""
    pure: tuple[bool, ...]
    """By top example, whether it carries the plant; nowhere where examples cannot carry it."""
    lower_pure: tuple[bool, ...]
    """The same of the lower examples."""
