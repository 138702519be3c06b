"""Features to what an NLA says of them, with every signal of how far to trust it.

Each stage goes over all features before the next begins: subject, actor and critic may not fit into
memory together.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from jaxtyping import Float32

from clerp.errors import NotAvailableError, VerbalizerError
from clerp.evidence import FeatureEvidence
from clerp.feature import FeatureId
from clerp.plugins import Embedder
from clerp.verbalizers.directions import Directions, read_directions
from clerp.verbalizers.explaining import explain_passages, summarise
from clerp.verbalizers.gates import Controls, find_modal
from clerp.verbalizers.judging import Common, Material, Told, judge_features
from clerp.verbalizers.outcome import FeatureVerbalization, tell_fault
from clerp.verbalizers.peaks import run_again
from clerp.verbalizers.places import (
    Gathered,
    Place,
    gather_differences,
    gather_directions,
    gather_residuals,
)
from clerp.verbalizers.reconstruction import (
    list_targets,
    measure_reconstruction,
)
from clerp.verbalizers.recording import RecordedCalls
from clerp.verbalizers.status import FEWEST_FEATURES
from clerp.verbalizers.stored import Ordinary
from clerp.verbalizers.verbalization import (
    InputKind,
    Sampling,
    Verbalization,
)

N_RANDOM = 16
"""Random vectors whose commonest text says nothing."""
N_BASELINE = 16
"""Ordinary residuals described where there are fewer than `FEWEST_FEATURES`."""
_RANDOM_SEED = 8

_KEPT_BY_SERVER = (
    "the server keeps residuals to itself: no text without a vector or of random ones, no "
    "reconstruction of mismatched ones, no lengths"
)
_ONE_TEXT = "one text of each place: whether samples agree is not known"
_NO_ORDINARY = "no residuals of ordinary text: lengths and reconstruction have no control"

Held = Mapping[FeatureId, Collection[str]]
_NOTHING_HELD: Held = MappingProxyType({})
_NO_DIRECTIONS: Directions = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Terms:
    """What an NLA is asked of each feature."""

    kind: InputKind = "example"
    n_examples: int = 5
    """Places where it fires, for `example`."""
    n_samples: int = 4
    """Texts of each vector, with one seed more each; at temperature 0 one is enough."""
    n_inactive: int = 2
    """Places where it is off for each place where it fires, for `example`; one text of each."""
    sampling: Sampling = Sampling()  # noqa: RUF009 - frozen

    @property
    def n_texts(self) -> int:
        """Texts of each vector."""
        return 1 if self.sampling.temperature == 0 else self.n_samples


async def verbalize_features(
    evidence: Sequence[FeatureEvidence],
    calls: RecordedCalls,
    embedder: Embedder,
    terms: Terms = Terms(),
    *,
    held_out: Held = _NOTHING_HELD,
    transcoders: str | None = None,
    directions: Directions | None = None,
) -> dict[FeatureId, FeatureVerbalization]:
    """Ask an NLA about features, and say of each how far to trust what it says.

    What breaks for one feature is said of that one. Agreement is held against the other features
    given, so that figures depend on which are asked about together.

    Args:
        evidence: Of each feature.
        calls: Of a verbalizer that fits their model.
        embedder: Of texts and claims.
        terms: What to ask.
        held_out: Ids of examples, by feature, that are kept for scoring labels.
        transcoders: That the features are of. With them peaks are run again, and examples at whose
            peaks a feature does not fire as the evidence says are left out; for `decoder` their
            rows are read.
        directions: For `decoder`, what each feature writes up to the pair's layer, or why there
            is none, where somebody knows better than the transcoders.

    Returns:
        One for each feature, in order of layer and index.

    Raises:
        LedgerError: The ledger failed.
        PluginError: The embedder does not answer with one row for each text, or what reads
            transcoders is not installed.
        UsageError, InputError: For `decoder`: the transcoders cannot be read.
    """
    ordered = sorted(evidence, key=lambda one: one.feature)
    asking = _Asking(calls, embedder, terms)
    if terms.kind != "decoder":
        told = await asking.ask_of_peaks(ordered, transcoders, held_out)
    elif directions is None:
        told = await asking.ask_of_rows(ordered, transcoders)
    else:
        told = await asking.ask(ordered, directions=directions)
    return {one.feature: one for one in told}


@dataclass(frozen=True, slots=True)
class _Asking:
    calls: RecordedCalls
    embedder: Embedder
    terms: Terms

    async def ask_of_peaks(
        self, evidence: Sequence[FeatureEvidence], transcoders: str | None, held_out: Held
    ) -> list[FeatureVerbalization]:
        """Ask about places where features fire, less those at which they no longer do."""
        peaks = await run_again(evidence, self.calls, transcoders)
        held: dict[FeatureId, Collection[str]] = {
            feature: (*held_out.get(feature, ()), *found.left_out)
            for feature, found in peaks.items()
        }
        judged = await self.ask(evidence, held_out=held)
        return [peaks[one.feature].annotate(one) for one in judged]

    async def ask_of_rows(
        self, evidence: Sequence[FeatureEvidence], transcoders: str | None
    ) -> list[FeatureVerbalization]:
        """Ask about what features write."""
        found = await read_directions([one.feature for one in evidence], self.calls, transcoders)
        directions = {feature: one.written for feature, one in found.items()}
        judged = await self.ask(evidence, directions=directions)
        return [found[one.feature].annotate(one) for one in judged]

    async def ask(
        self,
        evidence: Sequence[FeatureEvidence],
        *,
        held_out: Held = _NOTHING_HELD,
        directions: Directions = _NO_DIRECTIONS,
    ) -> list[FeatureVerbalization]:
        """Ask, and judge what is said."""
        calls, terms = self.calls, self.terms
        if calls.takes_vectors:
            drive = _VectorDrive(calls, terms, evidence, held_out, directions)
            materials = await drive.collect()
            common = await drive.control(materials)
            await drive.reconstruct(materials, common)
        else:
            materials = await _explain(calls, terms, evidence, held_out)
            notes = (_KEPT_BY_SERVER, _ONE_TEXT)
            common = Common(calls.pair, terms.kind, terms.sampling, n_samples=1, notes=notes)
            summarise(materials, common)
        return judge_features(materials, common, self.embedder)


@dataclass(slots=True)
class _VectorDrive:
    calls: RecordedCalls
    terms: Terms
    evidence: Sequence[FeatureEvidence]
    held_out: Held
    directions: Directions
    ordinary: Ordinary | None = None
    broke: str = ""
    """Why a control could not be run that another run may make up for."""

    async def collect(self) -> list[Material]:
        """Gather vectors of all features and have them described."""
        materials = [Material(gathered) for gathered in await self._gather()]
        self.calls.work.expect(self._count_texts(materials))
        for sample in range(self.terms.n_texts):
            await self._describe(materials, sample)
        await self._describe_off(materials)
        return materials

    async def control(self, materials: Sequence[Material]) -> Common:
        """Have described what is the same whatever the feature."""
        terms = self.terms
        plain = Common(self.calls.pair, terms.kind, terms.sampling, terms.n_texts)
        n_features = sum(bool(material.told) for material in materials)
        if not n_features:
            return plain
        notes: list[str] = []
        random = await self._describe_random(notes)
        controls = await self._make_controls(random, notes)
        common = replace(plain, controls=controls, notes=tuple(notes))
        if n_features < FEWEST_FEATURES:
            # Directions and differences lie where no residual does.
            of, told = (
                ("ordinary residuals", await self._describe_ordinary())
                if terms.kind == "example"
                else ("random vectors", random)
            )
            common = replace(common, baseline=tuple(common.collect(told)), baseline_of=of)
        return replace(common, broke=self.broke)

    async def reconstruct(self, materials: Sequence[Material], common: Common) -> None:
        """Have the critic read one usable text of each residual."""
        if self.terms.kind != "example" or self.ordinary is None:
            return
        for material in materials:
            if material.told:
                await self._reconstruct(material, common, self.ordinary)

    async def _gather(self) -> list[Gathered]:
        match self.terms.kind:
            case "example":
                return await gather_residuals(
                    self.evidence,
                    self.calls,
                    self.terms.n_examples,
                    self.terms.n_inactive,
                    self.held_out,
                )
            case "contrast":
                return await gather_differences(self.evidence, self.calls, self.held_out)
            case "decoder":
                features = [one.feature for one in self.evidence]
                return gather_directions(features, self.directions, self.calls.pair.d_model)

    def _count_texts(self, materials: Sequence[Material]) -> int:
        """Count those of features; of controls there are few."""
        n_active = sum(len(material.gathered.active) for material in materials)
        n_off = sum(len(material.gathered.inactive) for material in materials)
        return n_active * self.terms.n_texts + n_off

    async def _describe(self, materials: Sequence[Material], sample: int) -> None:
        owned = [(one, place) for one in materials for place in one.gathered.active]
        said = await self._ask([place for _, place in owned], sample)
        for (material, place), one in zip(owned, said, strict=True):
            if isinstance(one, VerbalizerError):
                _miss(material, place, one)
            else:
                material.told.append(Told(place, sample, one))

    async def _describe_off(self, materials: Sequence[Material]) -> None:
        owned = [(one, place) for one in materials for place in one.gathered.inactive]
        said = await self._ask([place for _, place in owned], sample=0)
        for (material, place), one in zip(owned, said, strict=True):
            if isinstance(one, VerbalizerError):
                material.gathered.broke = tell_fault(one)
            else:
                material.told_off.append(Told(place, 0, one))

    async def _ask(
        self, places: Sequence[Place], sample: int
    ) -> list[Verbalization | VerbalizerError]:
        vectors = [place.vector for place in places if place.vector is not None]
        if not vectors:
            return []
        sampling = self.terms.sampling
        drawn = replace(sampling, seed=sampling.seed + sample)
        return await self.calls.describe(np.stack(vectors), drawn)

    async def _describe_random(self, notes: list[str]) -> list[Told]:
        generator = np.random.default_rng(_RANDOM_SEED)
        shape = N_RANDOM, self.calls.pair.d_model
        told = await self._describe_others(
            generator.standard_normal(shape, dtype=np.float32), "random"
        )
        if not told:
            notes.append("no text of a random vector to compare with")
        return told

    async def _describe_ordinary(self) -> list[Told]:
        if self.ordinary is None:
            return []
        return await self._describe_others(self.ordinary.others[:N_BASELINE], "ordinary")

    async def _describe_others(
        self, vectors: Float32[np.ndarray, "vector d_model"], name: str
    ) -> list[Told]:
        """Have vectors of no feature described, once each."""
        said = await self.calls.describe(vectors, self.terms.sampling)
        self._take_note(said)
        return [
            Told(Place(f"{name} {n}", f"{name} {n}", vector), 0, one)
            for n, (vector, one) in enumerate(zip(vectors, said, strict=True))
            if isinstance(one, Verbalization) and not one.fault
        ]

    async def _make_controls(self, random: Sequence[Told], notes: list[str]) -> Controls:
        nothing = await self.calls.describe_nothing(self.terms.sampling)
        self._take_note([nothing])
        why = tell_fault(nothing) if isinstance(nothing, VerbalizerError) else nothing.fault
        if why:
            notes.append(f"no text without a vector to compare with: {why}")
        self.ordinary = await self._measure_ordinary(notes)
        return Controls(
            nothing=(nothing.text,) if isinstance(nothing, Verbalization) and not why else (),
            modal=find_modal([one.verbalization.text for one in random]),
            reference=self.ordinary.reference if self.ordinary else None,
        )

    async def _measure_ordinary(self, notes: list[str]) -> Ordinary | None:
        measured = await self.calls.measure_ordinary()
        if isinstance(measured, Ordinary):
            return measured
        self._take_note([measured])
        notes.append(f"{_NO_ORDINARY} ({tell_fault(measured)})" if measured else _NO_ORDINARY)
        return None

    def _take_note(self, found: Sequence[object]) -> None:
        """Take note of what broke in a control, and may be mended."""
        for one in found:
            if isinstance(one, VerbalizerError) and not isinstance(one, NotAvailableError):
                self.broke = self.broke or tell_fault(one)

    async def _reconstruct(self, material: Material, common: Common, ordinary: Ordinary) -> None:
        chosen: dict[str, Told] = {}
        for told in material.told:
            if not common.check(told):
                chosen.setdefault(told.place.input_id, told)
        firsts = list(chosen.values())
        if not firsts:
            return
        vectors = np.stack([one.place.vector for one in firsts if one.place.vector is not None])
        targets = list_targets(vectors, ordinary.others, ordinary.reference)
        rows = await self.calls.compare([one.verbalization.text for one in firsts], targets)
        cosines = [row for row in rows if not isinstance(row, VerbalizerError)]
        faults = [row for row in rows if isinstance(row, VerbalizerError)]
        if faults:
            material.gathered.broke = tell_fault(faults[0])
            material.notes.append(f"reconstruction was not measured: {tell_fault(faults[0])}")
            return
        material.reconstruction = measure_reconstruction(
            np.stack(cosines), range(len(firsts)), targets, len(firsts), ordinary.reference
        )


async def _explain(
    calls: RecordedCalls, terms: Terms, evidence: Sequence[FeatureEvidence], held_out: Held
) -> list[Material]:
    if terms.kind != "example":
        reason = f"{calls.verbalizer.name} takes text alone, and {terms.kind} is a vector"
        return [Material(Gathered(one.feature, reason=reason)) for one in evidence]
    return await explain_passages(
        evidence, calls, terms.sampling, terms.n_examples, terms.n_inactive, held_out
    )


def _miss(material: Material, place: Place, fault: VerbalizerError) -> None:
    if place.passage is not None:
        material.gathered.miss(place.passage, fault)
    else:
        material.gathered.broke = tell_fault(fault)
