"""What one line of a table says of a feature, for terminals and notebooks alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clerp.correlation import Score
from clerp.feature import FeatureId
from clerp.labels import MAX_LABEL_CHARS
from clerp.outcome import LabeledFeature, Status
from clerp.report.occurrence import Occurrence
from clerp.router import Route
from clerp.word_names import name_word

MAX_ROW_CHARS = 200
_LOW_CONFIDENCE = "low confidence"


@dataclass(frozen=True, slots=True)
class Row:
    """One feature, in words that are safe to show on one line."""

    name: str
    """The label, or `? hint` for a feature without one."""
    is_hint: bool
    others: str
    """What somebody else calls the feature, and in how many more ways; empty where nobody does."""
    fires_on: str
    """The first token of the prompt that it fires on, and how many more: what the label should
    fit, and often does not."""
    role: str
    """Tier and role: `1 input`."""
    share: str
    """Of the influence in the graph, `2.5%`; `-` where the graph does not say."""
    strength: str
    """Lead over the next role, or the raw score under a rule that tells none."""
    feature: str
    why: str
    """What the label rests on, or why there is none; nothing that the other cells say."""
    is_counted: bool
    """`why` starts with the number of examples that the label fits."""
    notes: tuple[str, ...]
    status: Status


def list_rows(
    features: Sequence[LabeledFeature], places: Mapping[FeatureId, Occurrence], limit: int
) -> list[Row]:
    """Describe the features with the greatest shares of influence, greatest first."""

    def place(labeled: LabeledFeature) -> Occurrence:
        return places.get(labeled.feature, Occurrence())

    ordered = sorted(features, key=lambda f: (-(place(f).share or 0.0), f.feature))
    return [_describe(labeled, place(labeled)) for labeled in ordered[:limit]]


def make_visible(text: str, limit: int = MAX_ROW_CHARS) -> str:
    """Make one line in which nothing acts on a terminal or on the direction of text.

    Every kind of space becomes a space; control, bidirectional and other invisible characters
    become U+FFFD, so that a reader sees that there was something.
    """
    line = "".join(c if c.isprintable() else " " if c.isspace() else "�" for c in text)
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def percent(share: float | None) -> str:
    """Write a share as `2.5%`, or `-` for one that is not known."""
    return "-" if share is None else f"{share:.1%}"


def _describe(labeled: LabeledFeature, place: Occurrence) -> Row:
    doubt = labeled.label is not None and labeled.label.confidence == "low"
    notes = (*labeled.notes, _LOW_CONFIDENCE) if doubt else labeled.notes
    return Row(
        name=_name(labeled),
        is_hint=labeled.label is None,
        others=_show_first([candidate.text for candidate in labeled.candidates]),
        fires_on=_show_tokens(place.tokens),
        role=f"{labeled.route.tier} {labeled.route.role}",
        share=percent(place.share),
        strength=_measure(labeled.route),
        feature=str(labeled.feature),
        why=make_visible(_explain(labeled)),
        is_counted=_is_counted(labeled),
        notes=tuple(make_visible(note) for note in notes),
        status=labeled.status,
    )


def _name(labeled: LabeledFeature) -> str:
    if labeled.label is not None:
        return make_visible(labeled.label.text, MAX_LABEL_CHARS)
    return make_visible(f"? {labeled.hint}".rstrip())


def _show_tokens(tokens: Sequence[str]) -> str:
    if not any(tokens):
        return ""
    return _show_first([name_word(tokens[0].strip() or tokens[0]), *tokens[1:]])


def _show_first(texts: Sequence[str]) -> str:
    if not texts:
        return ""
    more = f" +{len(texts) - 1}" if len(texts) > 1 else ""
    return make_visible(f"{make_visible(texts[0], MAX_LABEL_CHARS)}{more}")


def _measure(route: Route) -> str:
    if route.margin is not None:
        return f"{route.margin:.1f}"
    decisive = route.scores.get(route.role)
    scores = [decisive] if decisive is not None else list(route.scores.values())
    return _write(max(scores, key=_strength)) if scores else ""


def _strength(score: Score) -> float:
    return score.raw if score.z is None else score.z


def _write(score: Score) -> str:
    return f"{score.raw:.2f}" if score.z is None else f"{score.z:.1f}"


def _is_counted(labeled: LabeledFeature) -> bool:
    # Without a rule that can be checked on every example, the ids are those that were cited.
    return labeled.label is not None and "rule" in labeled.details and bool(labeled.label.evidence)


def _explain(labeled: LabeledFeature) -> str:
    if labeled.label is not None and "rule" in labeled.details:
        return f"{_count_fits(labeled)}{labeled.details['rule']}"
    # The role stands in its own cell.
    reason = labeled.reason.removeprefix(f"{labeled.route.role}: ")
    return f"failed: {reason}" if labeled.status == "failed" else reason


def _count_fits(labeled: LabeledFeature) -> str:
    if labeled.label is None or not _is_counted(labeled):
        return ""
    route = labeled.route
    top = f"{len(labeled.label.evidence)}/{route.n_examples + route.n_repeats} "
    details = labeled.details
    below = f"{details['n_lower_agreeing']}/{details['n_lower']} " if "n_lower" in details else ""
    return top + below
