"""What rules are held against: the settled roles, either pass, or what both passes say."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from clerp.evaluation.truth import AnnotatedFeature
from clerp.feature import FeatureId
from clerp.router import Role

SETTLED = "truth"
AGREED = "both passes"


@dataclass(frozen=True, slots=True)
class Target:
    """One role for each of some features."""

    name: str
    """`truth`, `pass 1`, `pass 2` or `both passes`, which is where they agree."""
    without_artefacts: bool
    """Features that every annotator calls an artefact are left out."""
    features: tuple[FeatureId, ...]
    roles: tuple[Role, ...]
    other: tuple[Role, ...] | None
    """Roles of the other pass: how far a second reader agrees."""


def list_targets(truth: Sequence[AnnotatedFeature]) -> list[Target]:
    """List every target that has features, all of them first and then without artefacts."""
    meaningful = [annotated for annotated in truth if set(annotated.roles) != {"artefact"}]
    targets = [*_list(truth, without_artefacts=False), *_list(meaningful, without_artefacts=True)]
    return [target for target in targets if target.features]


def list_firmest(truth: Sequence[AnnotatedFeature]) -> list[Target]:
    """List the targets to choose settings by: settled roles, or those that both passes say.

    All features come first, then those without artefacts; none where the passes never agree.
    """
    return [target for target in list_targets(truth) if target.name in (SETTLED, AGREED)]


def _list(truth: Sequence[AnnotatedFeature], *, without_artefacts: bool) -> Iterator[Target]:
    if all(len(annotated.roles) == 1 for annotated in truth):
        yield _make(SETTLED, truth, 0, without_artefacts)
        return
    yield _make("pass 1", truth, 0, without_artefacts, other=1)
    yield _make("pass 2", truth, 1, without_artefacts, other=0)
    agreed = [annotated for annotated in truth if len(set(annotated.roles)) == 1]
    yield _make(AGREED, agreed, 0, without_artefacts)


def _make(
    name: str,
    truth: Sequence[AnnotatedFeature],
    number: int,
    without_artefacts: bool,
    other: int | None = None,
) -> Target:
    return Target(
        name=name,
        without_artefacts=without_artefacts,
        features=tuple(annotated.feature for annotated in truth),
        roles=tuple(annotated.roles[number] for annotated in truth),
        other=None if other is None else tuple(annotated.roles[other] for annotated in truth),
    )
