"""Texts of many features to signals, each held against the other features and the controls."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from clerp.plugins import Embedder
from clerp.verbalizers.agreement import FeatureAgreement, Samples, measure_agreement
from clerp.verbalizers.claims import choose_paragraph, find_quotes
from clerp.verbalizers.contrast import Contrast, measure_contrast
from clerp.verbalizers.gates import Controls, check_gates, sum_up
from clerp.verbalizers.kept_claims import ClaimNull, measure_claim_null
from clerp.verbalizers.outcome import FeatureVerbalization, SaidOf
from clerp.verbalizers.places import Gathered, Place
from clerp.verbalizers.reconstruction import Reconstruction
from clerp.verbalizers.status import FEWEST_FEATURES
from clerp.verbalizers.trust import judge_trust
from clerp.verbalizers.verbalization import InputKind, PairIdentity, Sampling, Verbalization


@dataclass(frozen=True, slots=True)
class Told:
    """What was said of one vector, once."""

    place: Place
    sample: int
    verbalization: Verbalization


@dataclass(slots=True)
class Material:
    """All that was said of one feature."""

    gathered: Gathered
    told: list[Told] = field(default_factory=list[Told])
    told_off: list[Told] = field(default_factory=list[Told])
    """Of places where it is off."""
    reconstruction: Reconstruction | None = None
    notes: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class Common:
    """What all features share."""

    pair: PairIdentity
    kind: InputKind
    sampling: Sampling
    n_samples: int
    controls: Controls = Controls()  # noqa: RUF009 - frozen
    baseline: tuple[Samples, ...] = ()
    """Usable texts of vectors of no feature, for where there are few features."""
    baseline_of: str = ""
    """What these vectors are: `ordinary residuals`."""
    notes: tuple[str, ...] = ()
    """Controls that could not be run."""
    broke: str = ""
    """What broke meanwhile, that another run may mend."""

    def check(self, told: Told) -> tuple[str, ...]:
        """Return what makes a text unusable."""
        return check_gates(
            told.verbalization,
            self.controls,
            max_new_tokens=self.sampling.max_new_tokens,
            norm=told.place.norm,
            position=told.place.position,
        )

    def collect(self, told: Sequence[Told]) -> list[Samples]:
        """Collect the usable texts of each place, samples in order."""
        texts: dict[str, list[str]] = {}
        examples = {one.place.input_id: one.place.example for one in told}
        for one in told:
            if not self.check(one):
                texts.setdefault(one.place.input_id, []).append(one.verbalization.text)
        return [Samples(examples[place], tuple(said)) for place, said in texts.items()]


def judge_features(
    materials: Sequence[Material], common: Common, embedder: Embedder
) -> list[FeatureVerbalization]:
    """Judge what was said of each feature; one of which nothing was said says why.

    Texts agree by their last paragraphs, which are about the place itself; claims are compared in
    whole texts. With fewer than `FEWEST_FEATURES` nothing is said of whether examples agree.

    Args:
        materials: Of all features, in a settled order.
        common: What they share.
        embedder: Of texts and claims.

    Raises:
        PluginError: The embedder does not answer with one row for each text.
    """
    samples = [common.collect(material.told) for material in materials]
    agreements = measure_agreement(
        [_cut(one) for one in samples],
        embedder,
        baseline=_cut(common.baseline),
        of=common.baseline_of,
    )
    n_features = sum(bool(one) for one in samples)
    if n_features < FEWEST_FEATURES:
        agreements = [replace(one, of_examples=None) for one in agreements]
    # Of active and inactive places one text each: of more texts, one makes any claim by chance.
    firsts = [_keep_firsts(one) for one in samples]
    null = measure_claim_null([*firsts, *([one] for one in common.baseline)], embedder)
    return [
        _judge(
            material,
            common,
            agreement,
            _contrast(first, material, common, embedder, null),
            n_features,
        )
        if material.told
        else _decline(material, common)
        for material, first, agreement in zip(materials, firsts, agreements, strict=True)
    ]


def _cut(samples: Sequence[Samples]) -> list[Samples]:
    """Keep of each text the paragraph that a label would be made of: the last one."""
    return [
        Samples(one.example, tuple(choose_paragraph(text).text for text in one.texts))
        for one in samples
    ]


def _note_paragraphs(samples: Sequence[Samples]) -> tuple[str, ...]:
    n_whole = sum(choose_paragraph(text).is_whole for one in samples for text in one.texts)
    if not n_whole:
        return ()
    texts = "1 text has" if n_whole == 1 else f"{n_whole} texts have"
    return (f"{texts} one paragraph only, which was compared whole",)


def _note_claims(contrast: Contrast | None) -> tuple[str, ...]:
    return (f"no claim is kept: {contrast.withheld}",) if contrast and contrast.withheld else ()


def _keep_firsts(samples: Sequence[Samples]) -> list[Samples]:
    return [Samples(one.example, one.texts[:1]) for one in samples]


def _contrast(
    active: Sequence[Samples],
    material: Material,
    common: Common,
    embedder: Embedder,
    null: ClaimNull | None,
) -> Contrast | None:
    return measure_contrast(active, common.collect(material.told_off), embedder, null)


def _judge(
    material: Material,
    common: Common,
    agreement: FeatureAgreement,
    contrast: Contrast | None,
    n_features: int,
) -> FeatureVerbalization:
    gathered = material.gathered
    trust = judge_trust(
        common.kind,
        sum_up([common.check(told) for told in material.told]),
        reconstruction=material.reconstruction,
        self_agreement=agreement.of_samples,
        example_agreement=agreement.of_examples,
        contrast=contrast,
        n_features=n_features if n_features < FEWEST_FEATURES else None,
        untested=common.pair.untested,
        notes=(
            *common.notes,
            *material.notes,
            *_note_paragraphs(common.collect(material.told)),
            *_note_claims(contrast),
        ),
    )
    return FeatureVerbalization(
        feature=gathered.feature,
        pair=str(common.pair),
        kind=common.kind,
        said=(*map(_show, material.told), *gathered.missed),
        said_where_off=tuple(map(_show, material.told_off)),
        kept_claims=tuple(claim.text for claim in contrast.kept) if contrast else (),
        trust=trust,
        notes=_note_layer(gathered, common),
        details=_detail(gathered, common),
    )


def _decline(material: Material, common: Common) -> FeatureVerbalization:
    gathered = material.gathered
    declined = FeatureVerbalization.decline(
        gathered.feature,
        common.kind,
        gathered.reason or gathered.broke,
        pair=str(common.pair),
        said=tuple(gathered.missed),
    )
    return replace(declined, details=_detail(gathered, common))


def _show(told: Told) -> SaidOf:
    passage, said = told.place.passage, told.verbalization
    return SaidOf(
        input_id=told.place.input_id,
        token=passage.token if passage else "",
        text=said.text,
        quotes=find_quotes(said.text),
        sample=told.sample,
        activation=passage.activation if passage else None,
        fault=said.fault,
    )


def _note_layer(gathered: Gathered, common: Common) -> tuple[str, ...]:
    if gathered.feature.layer <= common.pair.layer:
        return ()
    return (
        f"the feature writes in layer {gathered.feature.layer}, after layer {common.pair.layer}, "
        "which is described: the texts are of what leads to it",
    )


def _detail(gathered: Gathered, common: Common) -> dict[str, str | float | int | None]:
    unfinished: dict[str, str | float | int | None]
    broke = gathered.broke or common.broke
    unfinished = {"unfinished": broke} if broke else {}
    return {
        "samples": common.n_samples,
        "temperature": common.sampling.temperature,
        "max_new_tokens": common.sampling.max_new_tokens,
        "seed": common.sampling.seed,
        **unfinished,
    }
