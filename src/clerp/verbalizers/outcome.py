"""What came of asking a natural language autoencoder about a feature: texts, signals, no label."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from clerp.errors import ClerpError
from clerp.feature import FeatureId
from clerp.verbalizers.trust import Trust
from clerp.verbalizers.verbalization import InputKind

MethodName = Literal["baez", "baez_last", "nla_decoder", "nla_contrast", ""]
"""How a proposal was made of the texts; empty for texts and signals alone."""

NOT_AVAILABLE = "not available: "
"""What every `unavailable` begins with."""


def tell_fault(fault: ClerpError) -> str:
    """Return a fault as outputs may tell it: where it is may be a path of this machine."""
    told = f"{fault.what}. {fault.remedy}" if fault.remedy else fault.what
    return " ".join(told.splitlines())


@dataclass(frozen=True, slots=True)
class SaidOf:
    """One text, and of which vector it is."""

    input_id: str
    """Of the activation example: `0.3`; `0.3-12` for the place after 12 tokens of it where the
    feature is off; `contrast` or `decoder` where the vector is none of a single place."""
    token: str
    """At the end of the passage; empty where there is none."""
    text: str
    """Empty where there is a fault."""
    quotes: tuple[tuple[int, int], ...] = ()
    """Start and end of what looks quoted in the text; an actor predicts it and quotes nothing."""
    sample: int = 0
    activation: float | None = None
    """Of the feature at the end of the passage; None where the vector is none of a single place."""
    fault: str = ""
    """Why there is no text, or no residual to describe; else empty."""


@dataclass(frozen=True, slots=True)
class FeatureVerbalization:
    """What a pair says of one feature and how far it can be trusted; experimental, never a label.

    Its records are plain JSON values and hang under the feature's name.
    """

    feature: FeatureId
    pair: str
    """As `PairIdentity` writes itself; empty where no pair fits."""
    kind: InputKind
    method: MethodName = ""
    said: tuple[SaidOf, ...] = ()
    """Of places where the feature fires, or of the one vector; those of all samples."""
    said_where_off: tuple[SaidOf, ...] = ()
    """Of matched places where it is off."""
    kept_claims: tuple[str, ...] = ()
    """Claims of texts where it fires that no text says where it is off."""
    proposal: str = ""
    """What a method made of the texts, for a reviewer; empty unless one was asked for."""
    trust: Trust | None = None
    """None where nothing was said."""
    unavailable: str = ""
    """Why nothing was said, from `NOT_AVAILABLE` on; else empty."""
    notes: tuple[str, ...] = ()
    """What a reader should know: controls that could not be run, places that were passed over."""
    details: Mapping[str, str | float | int | None] = field(
        default_factory=dict[str, str | float | int | None]
    )
    """What belongs on record besides: sampling, and what a paid answer cost."""

    @property
    def is_available(self) -> bool:
        """Whether anything was said."""
        return not self.unavailable

    @classmethod
    def decline(
        cls,
        feature: FeatureId,
        kind: InputKind,
        reason: str,
        *,
        pair: str = "",
        said: tuple[SaidOf, ...] = (),
    ) -> "FeatureVerbalization":
        """Make one that says why there is nothing."""
        return cls(feature, pair, kind, said=said, unavailable=f"{NOT_AVAILABLE}{reason}")

    def to_record(self) -> dict[str, Any]:
        """Return all but the feature as plain JSON values."""
        plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        del plain["feature"]
        return {"experimental": True} | plain

    @classmethod
    def from_record(
        cls, feature: FeatureId, record: Mapping[str, object]
    ) -> "FeatureVerbalization":
        """Read what `to_record` wrote.

        Raises:
            msgspec.ValidationError: It is something else.
        """
        return msgspec.convert({**record, "feature": msgspec.to_builtins(feature)}, cls)
