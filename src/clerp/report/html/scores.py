"""Distributions of scores, and what counts as high."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Literal

from markupsafe import Markup

from clerp.correlation import Score
from clerp.outcome import LabeledFeature
from clerp.report.html.figures import LEAST_CHANCE, MAX_Z, ScorePanel, draw_scores
from clerp.report.html.recorded import RecordedGraph

Scale = Literal["z", "raw"]

_SCALES: Mapping[Scale, str] = {
    "z": "standard deviations above chance",
    "raw": "mean cosine similarity of the examples' windows",
}
_CLIPPED = f"; above {MAX_Z:g} in the last bar"
_MEASURED: Mapping[str, Scale] = {"protocol": "raw", "air": "z"}
"""What the threshold of a rule is held against, where that is a channel's score."""
_ASKED: Mapping[str, str] = {
    "protocol": "a raw score",
    "air": "a z",
    "tokens": "a share of the examples with one word",
    "layer": "a depth, of an output feature,",
}
_CHANCE = "lead over obscure"
_WEIGHED = (
    "The rule calibrated weighs all channels together, so that no channel has a threshold of its "
    "own. A feature leaves obscure where another role beats it by the rule itself"
)
_NO_CHANCE = "; how often one planted with nothing would is not known here."
_MAX_CHANNELS = 12


def draw_all_scores(
    outcomes: Sequence[LabeledFeature], recorded: Sequence[RecordedGraph]
) -> Markup:
    """Draw the scores of every channel, and the chances of the calibrated rule; or nothing."""
    panels = list(_list_panels(outcomes, _find_rule(recorded)))
    return draw_scores(panels) if panels else Markup("")


def describe_threshold(recorded: Sequence[RecordedGraph]) -> str:
    """Say what decided between roles; empty where the graphs were routed by several rules."""
    rule = _find_rule(recorded)
    name, threshold = rule.get("rule"), rule.get("threshold")
    if name == "calibrated":
        is_known = any(o.route.p is not None for one in recorded for o in one.outcomes)
        return f"{_WEIGHED}{_tell_chance(rule.get('alpha')) if is_known else _NO_CHANCE}"
    asked = _ASKED.get(str(name))
    return f"The rule {name} asks for {asked} of {threshold} or more." if asked else ""


def _tell_chance(alpha: object) -> str:
    return (
        f", and none leaves it where one planted with nothing leads as far with a chance of more "
        f"than {alpha}: a chance of at most {alpha} alone is not enough."
    )


def _find_rule(recorded: Sequence[RecordedGraph]) -> Mapping[str, object]:
    """Return the settings of the rule, where all graphs share them."""
    names = ("rule", "threshold", "alpha")
    rules = [{name: one.run.configuration.get(name) for name in names} for one in recorded]
    return rules[0] if all(rule == rules[0] for rule in rules) else {}


def _list_panels(
    outcomes: Sequence[LabeledFeature], rule: Mapping[str, object]
) -> Iterator[ScorePanel]:
    scores: defaultdict[str, list[tuple[str, Score]]] = defaultdict(list)
    for outcome in outcomes:
        for channel, score in outcome.route.scores.items():
            scores[channel].append((outcome.route.role, score))
    for channel, found in islice(scores.items(), _MAX_CHANNELS):
        yield _make_panel(channel, found, rule)
    chances = [
        (o.route.role, min(max(o.route.p, LEAST_CHANCE), 1.0))
        for o in outcomes
        if o.route.p is not None
    ]
    if chances:
        values = _group(chances)
        alpha = _read_threshold(rule.get("alpha"), LEAST_CHANCE, 1.0)
        yield ScorePanel(_CHANCE, "chance of a feature planted with nothing", values, alpha, True)


def _make_panel(
    channel: str, found: Sequence[tuple[str, Score]], rule: Mapping[str, object]
) -> ScorePanel:
    scale: Scale = "raw" if any(score.z is None for _, score in found) else "z"
    values = _group((role, _measure(score, scale)) for role, score in found)
    is_held = _MEASURED.get(str(rule.get("rule"))) == scale
    threshold = _read_threshold(rule.get("threshold"), -1.0, MAX_Z) if is_held else None
    is_clipped = scale == "z" and any(MAX_Z in of_role for of_role in values.values())
    says = f"{_SCALES[scale]}{_CLIPPED if is_clipped else ''}"
    return ScorePanel(f"channel {channel}", says, values, threshold)


def _measure(score: Score, scale: Scale) -> float:
    """Return a score; what nobody could measure, as a damaged file may have it, at the ends."""
    if scale == "raw" or score.z is None:
        return min(max(score.raw, -1.0), 1.0)
    return min(max(score.z, -MAX_Z), MAX_Z)


def _group(found: Iterable[tuple[str, float]]) -> dict[str, list[float]]:
    values: defaultdict[str, list[float]] = defaultdict(list)
    for role, value in found:
        values[role].append(value)
    return dict(values)


def _read_threshold(value: object, low: float, high: float) -> float | None:
    """Read a number that a scale can show."""
    return float(value) if isinstance(value, int | float) and low <= value <= high else None
