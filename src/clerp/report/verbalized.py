"""What an NLA said of a feature as readers see it: texts and signals with controls, no label."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from msgspec import to_builtins

from clerp.feature import FeatureId
from clerp.graph.shape import check
from clerp.verbalizers.agreement import Agreement
from clerp.verbalizers.claims import find_quotes
from clerp.verbalizers.contrast import Contrast
from clerp.verbalizers.outcome import FeatureVerbalization, SaidOf
from clerp.verbalizers.reconstruction import Reconstruction
from clerp.verbalizers.trust import Trust

EXPERIMENTAL = "experimental: no label, and no claim in it is checked"
PREDICTED = "predicted, not quoted"
_INPUTS = {
    "example": "the residual at the peaks of its examples",
    "contrast": "where it fires minus where it is off",
    "decoder": "what it writes up to the layer of the NLA",
}


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text."""

    text: str
    is_quote: bool
    """It looks quoted, and is the actor's own."""


@dataclass(frozen=True, slots=True)
class TextView:
    """One text, and of which place it is."""

    where: str
    """`0.3 at ' Paris'`."""
    pieces: tuple[Piece, ...]
    fault: str
    """Why there is no text; else empty."""


@dataclass(frozen=True, slots=True)
class ClaimView:
    """A claim that is made where the feature fires and not where it is off."""

    pieces: tuple[Piece, ...]
    made_at: str
    """At how many places of each kind; empty where that is not on record."""


@dataclass(frozen=True, slots=True)
class SignalView:
    """A trust signal and what it is to be held against."""

    name: str
    value: str
    control: str


@dataclass(frozen=True, slots=True)
class VerbalizedView:
    """All that a reader is shown of it."""

    whose: str
    """The pair, and what it was given."""
    status: str
    """Empty where nothing was said."""
    status_line: str
    proposal: tuple[Piece, ...]
    """What a method made of the texts; no label."""
    method: str
    first: tuple[TextView, ...]
    """The first text of each place where the feature fires."""
    more: tuple[TextView, ...]
    """What else was said of these places."""
    where_off: tuple[TextView, ...]
    """Of matched places where it is off."""
    kept_claims: tuple[ClaimView, ...]
    signals: tuple[SignalView, ...]
    notes: tuple[str, ...]
    unavailable: str

    @property
    def has_quotes(self) -> bool:
        """Whether something looks quoted in what is shown."""
        texts = (*self.first, *self.more, *self.where_off, *self.kept_claims)
        pieces = (*self.proposal, *(piece for text in texts for piece in text.pieces))
        return any(piece.is_quote for piece in pieces)


def view_verbalization(said: FeatureVerbalization) -> VerbalizedView:
    """Prepare what an NLA said of a feature for a reader."""
    trust = said.trust
    notes = dict.fromkeys((*(trust.notes if trust else ()), *said.notes))
    first, more = _part(said.said)
    given = _INPUTS[said.kind]
    return VerbalizedView(
        whose=f"{said.pair}; given: {given}" if said.pair else f"given: {given}",
        status=trust.status if trust else "",
        status_line=trust.status_line.removeprefix(f"{trust.status}: ") if trust else "",
        proposal=cut_quotes(said.proposal, find_quotes(said.proposal)),
        method=said.method,
        first=first,
        more=more,
        where_off=tuple(map(_view_text, said.said_where_off)),
        kept_claims=tuple(_view_claim(claim, trust) for claim in said.kept_claims),
        signals=tuple(list_signals(trust)) if trust else (),
        notes=tuple(notes),
        unavailable=said.unavailable,
    )


def read_verbalization(
    record: Mapping[str, object], feature: FeatureId, where: str
) -> FeatureVerbalization:
    """Read what a labelled graph has on record of what an NLA said.

    Args:
        record: As `FeatureVerbalization.to_record` writes it.
        feature: The one that it hangs under.
        where: Name of the graph.

    Raises:
        GraphError: It is not as clerp writes it; the place is named.
    """
    place = f"metadata.clerp.features.{feature}.verbalization"
    return check({**record, "feature": to_builtins(feature)}, FeatureVerbalization, where, place)


def list_signals(trust: Trust) -> Iterator[SignalView]:
    """List the signals of one feature, each with its control; they are never averaged."""
    yield SignalView("gates", str(trust.gates), "form alone, whatever the text says")
    if trust.reconstruction is not None:
        yield from _tell_reconstruction(trust.reconstruction)
    if trust.self_agreement is not None:
        yield _tell_agreement("over samples", trust.self_agreement)
    if trust.example_agreement is not None:
        yield _tell_agreement("over examples", trust.example_agreement)
    if trust.contrast is not None:
        yield _tell_contrast(trust.contrast)


def cut_quotes(text: str, spans: Sequence[tuple[int, int]]) -> tuple[Piece, ...]:
    """Cut a text where it looks quoted.

    Args:
        text: What an actor said.
        spans: Starts and ends in it, in order, that do not overlap; others are passed over, since
            records of graphs may be anybody's.
    """
    pieces: list[Piece] = []
    place = 0
    for start, stop in spans:
        if not place <= start < stop <= len(text):
            continue
        pieces += [Piece(text[place:start], is_quote=False), Piece(text[start:stop], is_quote=True)]
        place = stop
    pieces.append(Piece(text[place:], is_quote=False))
    return tuple(piece for piece in pieces if piece.text)


def _part(said: Sequence[SaidOf]) -> tuple[tuple[TextView, ...], tuple[TextView, ...]]:
    """Part what was said into the first text of each place and all others."""
    first: dict[str, SaidOf] = {}
    for one in said:
        known = first.get(one.input_id)
        if known is None or (known.fault and not one.fault):
            first[one.input_id] = one
    chosen = {id(one) for one in first.values()}
    more = (one for one in said if id(one) not in chosen)
    return tuple(map(_view_text, first.values())), tuple(map(_view_text, more))


def _view_text(said: SaidOf) -> TextView:
    at = f" at {said.token!r}" if said.token else ""
    fires = f", activation {said.activation:.3g}" if said.activation else ""
    return TextView(f"{said.input_id}{at}{fires}", cut_quotes(said.text, said.quotes), said.fault)


def _view_claim(claim: str, trust: Trust | None) -> ClaimView:
    contrast = trust.contrast if trust else None
    kept = next((one for one in contrast.kept if one.text == claim), None) if contrast else None
    made_at = (
        f"made at {kept.n_active} of {contrast.n_active}, of inactive {kept.n_inactive} of "
        f"{contrast.n_inactive}"
        if kept and contrast
        else ""
    )
    return ClaimView(cut_quotes(claim, find_quotes(claim)), made_at)


def _tell_reconstruction(found: Reconstruction) -> Iterator[SignalView]:
    of = "" if found.n_reference is None else f" of {found.n_reference:,} reference residuals"
    other = (
        "no control: other residuals are not at hand"
        if found.mismatch_fve is None
        else f"with residuals that the texts are not about {found.mismatch_fve:.2f}"
    )
    yield SignalView(
        "reconstruction",
        f"explains {found.fve:.2f} of the variance ({found.variance:.3g}{of}); says nothing of "
        "truth",
        other,
    )
    if found.rank is not None:
        yield SignalView(
            "rank",
            f"its own residual ranks {found.rank:g} of {found.n_distractors + 1}",
            f"by chance {found.n_distractors / 2 + 1:g}",
        )


def _tell_agreement(name: str, found: Agreement) -> SignalView:
    return SignalView(
        f"agreement {name}",
        f"{found.excess:+.2f} ({found.low:+.2f} to {found.high:+.2f}), p {found.p:.2g}",
        f"within {found.within:.2f}, with {found.against} {found.between:.2f}; {found.n_items} "
        f"against {found.n_baseline}",
    )


def _tell_contrast(found: Contrast) -> SignalView:
    return SignalView(
        "contrast",
        f"{found.excess:+.2f}, p {found.p:.2g}",
        f"texts of {found.n_active} places where it fires {found.active:.2f}, with those of "
        f"{found.n_inactive} where it is off {found.inactive:.2f}",
    )
