"""What a natural language autoencoder (NLA) is asked, and what it says.

An NLA is a pair of models: the actor turns one vector of the residual stream into text, the critic
turns text back into a vector. Its text is about the whole vector, never about one feature of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32

from clerp.feature import FeatureId
from clerp.origins.same_set import SetName

InputKind = Literal["example", "contrast", "decoder"]
"""`example`: the residual at the peak of an activation example; `contrast`: mean of active minus
mean of matched inactive residuals; `decoder`: what the feature writes up to the NLA's layer."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the actor writes."""

    temperature: float = 1.0
    """0 takes the likeliest token each time."""
    max_new_tokens: int = 200
    seed: int = 0
    """With the vector it decides the text, as far as the backend can promise that."""


@dataclass(frozen=True, slots=True)
class Verbalization:
    """What an actor says of one vector; never a label by itself."""

    text: str
    """The explanation; empty where there is a fault."""
    raw: str
    """All that it wrote."""
    fault: str = ""
    """Why the text cannot be used: `cut off at 200 tokens`, `no closing tag`; else empty."""
    n_tokens: int | None = None
    """That it wrote; None where a server does not say."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A place in text: its end."""

    id: str
    """Of the activation example that it is cut from: `0.3`."""
    text: str
    """Up to and including its last token. What came after does not change the residual there."""
    token: str
    """The last token, as the evidence shows it."""
    activation: float
    """Of the feature there, as the evidence says; 0 at a place where it is off."""
    n_tokens: int | None = None
    """Of the text, as the evidence cuts it; servers count places by tokens."""


@dataclass(frozen=True, slots=True, eq=False)
class Extraction:
    """The residual at the end of a passage: the output of block K, not normed."""

    passage: Passage
    vector: Float32[np.ndarray, " d_model"]
    position: int
    """Of the token, counted from 0 with the start token."""


@dataclass(frozen=True, slots=True)
class Missed:
    """A passage of which there is no residual, and why."""

    passage: Passage
    reason: str
    """`the model ends the text with ' Par', the evidence with ' Paris'`."""


@dataclass(frozen=True, slots=True)
class Explained:
    """What a server says of the end of a passage whose residual it keeps to itself."""

    passage: Passage
    verbalization: Verbalization
    position: int
    cosine: float | None
    """Of the residual and the critic's reconstruction of it from the text."""
    variance: float | None
    """Of unit residuals about their mean, by the server: the denominator of explained variance."""


@dataclass(frozen=True, slots=True)
class ModelClaim:
    """What a graph says of its model and features, for a pair to be held against."""

    model: str
    """As the graph names it: `gemma-2-2b`; empty where it does not."""
    transcoders: str
    """Name of the transcoder set; empty where the graph has none."""
    revision: str = ""
    """Of the transcoder set."""
    set_name: SetName = SetName()  # noqa: RUF009 - frozen
    """What its name means to others; empty where nobody can say."""


@dataclass(frozen=True, slots=True)
class FoundFeatures:
    """Which rows features have in a transcoder set."""

    set_name: str
    """What the set calls itself; empty where it does not say."""
    names: Mapping[FeatureId, str]
    """A digest, for each feature, of all in the set that decides an answer about it."""
    lacking: Mapping[FeatureId, str]
    """Why the set has none of the other features."""


@dataclass(frozen=True, slots=True)
class PairIdentity:
    """Which pair it is, for records: no path of this machine."""

    name: str
    """`kitft/nla-qwen2.5-7b-L20`, or the name of a folder."""
    revision: str
    """Of all that decides an answer: a commit or a hash of the files, and the precision."""
    base_model: str
    layer: int
    """K: the block whose output it was made for."""
    d_model: int
    reference: str = ""
    """Which ordinary text its residuals are measured on, with a digest; empty where it has none."""
    untested: str = ""
    """Why nobody knows whether it works on residuals of this model; empty where a test says so."""

    def __str__(self) -> str:
        return f"{self.name}@{self.revision[:12]} of {self.base_model}, layer {self.layer}"
