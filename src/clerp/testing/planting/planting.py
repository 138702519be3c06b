"""Evidence with a known role, made of any text."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from clerp.errors import UsageError
from clerp.feature import FeatureId
from clerp.testing.planting.artefacts import plan_sequence_start
from clerp.testing.planting.assembly import N_LOWER, Recipe, assemble
from clerp.testing.planting.constructions import plan_construction
from clerp.testing.planting.draws import Draws
from clerp.testing.planting.inputs import plan_class, plan_family, plan_phrase, plan_word
from clerp.testing.planting.outputs import plan_next_class, plan_next_word
from clerp.testing.planting.passages import Passage, cut, gather
from clerp.testing.planting.plan import Plan, Planner, Task, too_small
from clerp.testing.planting.planted import GENERATOR, KINDS, Planted
from clerp.testing.planting.text import Place, Text, read_text
from clerp.testing.planting.topics import plan_topic

_PLANNERS: dict[str, Planner] = {
    "word": plan_word,
    "word family": plan_family,
    "word class": plan_class,
    "fixed phrase": plan_phrase,
    "next word": plan_next_word,
    "next class": plan_next_class,
    "topic": plan_topic,
    "construction": plan_construction,
    "sequence start": plan_sequence_start,
}
"""By kind; of the others nothing can be seen in a single example."""

_LESS_PURE = 0.2
_N_FEW = 3
_LAYERS, _FEATURES = 26, 16384


@dataclass(frozen=True, slots=True)
class _Order:
    kind: str
    n: int
    purity: float

    @property
    def n_lower(self) -> int:
        return 0 if self.kind == "few" else N_LOWER

    @property
    def n_pure(self) -> int:
        return round(self.purity * self.n) if self.kind in _PLANNERS else 0

    @property
    def n_lower_pure(self) -> int:
        purity = max(self.purity - _LESS_PURE, 0)
        return round(purity * self.n_lower) if self.kind in _PLANNERS else 0


def plant(
    documents: Sequence[str], kind: str, *, seed: int, n: int = 20, purity: float = 1.0
) -> Planted:
    """Make a feature of a known role from a text.

    The same arguments give the same feature, whatever the order of the documents; see `GENERATOR`.

    Args:
        documents: A text of any language; 30,000 words are enough for all kinds.
        kind: One of `KINDS`.
        seed: Which feature of the kind.
        n: How many top examples, all of different contexts; `few` always has three.
        purity: Share of the top examples that carry the plant. The others are taken from random
            places of the text and do not carry it. Lower examples carry it less often by .2.

    Raises:
        UsageError: The kind is unknown, a number is out of range or the text is too small.
    """
    order = _check(kind, n, purity)
    draws = Draws(f"{GENERATOR} {kind} {seed}")
    feature = FeatureId(draws.integer(0, _LAYERS - 1), draws.integer(0, _FEATURES - 1))
    return _plant(read_text(documents), draws, order, feature, frozenset())


def plant_many(
    documents: Sequence[str],
    kinds: Iterable[str],
    *,
    seed: int,
    each: int,
    n: int = 20,
    purity: float = 1.0,
) -> list[Planted]:
    """Make several features of every kind, with different answers as far as there are.

    Args:
        documents: As for `plant`.
        kinds: Some of `KINDS`.
        seed: Which set of features.
        each: How many of each kind.
        n: As for `plant`.
        purity: As for `plant`.

    Returns:
        Features with different ids, those of a kind side by side. Ids and layers say nothing of
        the kind.

    Raises:
        UsageError: As for `plant`.
    """
    orders = [_check(kind, n, purity) for kind in kinds for _ in range(each)]
    text = read_text(documents)
    draws = Draws(f"{GENERATOR} many {seed}")
    ids = draws.sample(range(_LAYERS * _FEATURES), len(orders))
    planted: list[Planted] = []
    for number, (order, at) in enumerate(zip(orders, ids, strict=True)):
        taken = frozenset(other.answer for other in planted if other.kind == order.kind)
        own = Draws(f"{GENERATOR} {order.kind} {seed} {number}")
        feature = FeatureId(*divmod(at, _FEATURES))
        planted.append(_plant(text, own, order, feature, taken))
    return planted


def _check(kind: str, n: int, purity: float) -> _Order:
    if kind not in KINDS:
        raise UsageError(f"{kind!r} cannot be planted", remedy=f"Choose from {', '.join(KINDS)}")
    if n < 1:
        raise UsageError(f"{n} examples cannot be planted")
    if not 0 < purity <= 1 or (kind in _PLANNERS and round(purity * n) < 1):
        raise UsageError(
            f"a purity of {purity} leaves none of {n} examples, or is more than 1",
            remedy="Plant 'random positions' for a feature without anything in common",
        )
    return _Order(kind, _N_FEW if kind == "few" else n, purity)


def _plant(
    text: Text, draws: Draws, order: _Order, feature: FeatureId, taken: frozenset[str]
) -> Planted:
    plan = _make_plan(text, draws, order, taken)
    others = _gather_others(text, draws, order, plan)
    pure = tuple(draws.shuffle(_flag(order.n, order.n_pure)))
    lower_pure = tuple(draws.shuffle(_flag(order.n_lower, order.n_lower_pure)))
    # In the order of gathering, common words come early and fill up the top.
    own, other = draws.shuffle(plan.passages), iter(others)
    passages = [next(own) if flag else next(other) for flag in (*pure, *lower_pure)]
    recipe = Recipe(order.kind, plan, tuple(passages), order.n, order.purity)
    return Planted(
        evidence=assemble(text, draws, recipe, feature),
        role=KINDS[order.kind],
        kind=order.kind,
        answer=plan.answer,
        pure=pure,
        lower_pure=lower_pure,
    )


def _make_plan(text: Text, draws: Draws, order: _Order, taken: frozenset[str]) -> Plan:
    planner = _PLANNERS.get(order.kind)
    if planner is None:
        return Plan(order.kind, (), frozenset())
    return planner(Task(text, draws, order.n_pure + order.n_lower_pure, taken))


def _gather_others(text: Text, draws: Draws, order: _Order, plan: Plan) -> list[Passage]:
    """Gather passages of random places that do not carry the plant."""

    def make(place: Place) -> Passage | None:
        passage = cut(text, place)
        return None if plan.is_carried_by(passage) else passage

    n = order.n + order.n_lower - len(plan.passages)
    places = draws.shuffle(text.anywhere)
    passages = gather(text, places, n, make=make, beside=plan.passages)
    if len(passages) < n:
        raise too_small("random places", n)
    return passages


def _flag(n: int, n_true: int) -> list[bool]:
    return [True] * n_true + [False] * (n - n_true)
