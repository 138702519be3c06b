"""Residuals that a server keeps to itself: it is asked about passages, and takes no vector."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from clerp.errors import VerbalizerError
from clerp.evidence import FeatureEvidence
from clerp.feature import FeatureId
from clerp.verbalizers.choosing import Passages, choose_passages
from clerp.verbalizers.judging import Common, Material, Told
from clerp.verbalizers.outcome import tell_fault
from clerp.verbalizers.places import Gathered, Place
from clerp.verbalizers.reconstruction import summarise_cosines
from clerp.verbalizers.recording import RecordedCalls
from clerp.verbalizers.verbalization import Explained, Missed, Passage, Sampling


async def explain_passages(
    evidence: Sequence[FeatureEvidence],
    calls: RecordedCalls,
    sampling: Sampling,
    n_examples: int,
    n_inactive: int,
    held_out: Mapping[FeatureId, Collection[str]],
) -> list[Material]:
    """Have the residuals described where each feature fires and where it is off.

    Raises:
        LedgerError: The ledger failed.
    """
    chosen = [
        choose_passages(one, n_examples, n_inactive, held_out=held_out.get(one.feature, ()))
        for one in evidence
    ]
    materials = [Material(Gathered(one.feature)) for one in evidence]
    wanted = [
        one
        for material, passages in zip(materials, chosen, strict=True)
        for one in _list_wanted(material, passages)
    ]
    said = await calls.explain([one.passage for one in wanted], sampling)
    for one, found in zip(wanted, said, strict=True):
        one.take(found)
    for material in materials:
        material.gathered.finish()
    return materials


def summarise(materials: Sequence[Material], common: Common) -> None:
    """Sum up the cosines that a server says of the usable texts of each feature.

    Args:
        materials: Of all features; a reconstruction is put into each that has cosines, or a note
            where they cannot be summed up.
        common: What they share.
    """
    for material in materials:
        places = [told.place for told in material.told if not common.check(told)]
        cosines = [place.cosine for place in places if place.cosine is not None]
        variance = next((place.variance for place in places if place.variance), None)
        if cosines and variance is not None:
            try:
                material.reconstruction = summarise_cosines(cosines, variance)
            except VerbalizerError as fault:
                material.notes.append(f"reconstruction was not measured: {tell_fault(fault)}")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A passage of a feature that a server is asked about."""

    material: Material
    passage: Passage
    example: str
    is_off: bool = False

    def take(self, found: Explained | Missed | VerbalizerError) -> None:
        """Put what was said to the rest."""
        gathered = self.material.gathered
        if isinstance(found, Explained):
            place = Place(
                input_id=self.passage.id,
                example=self.example,
                vector=None,
                passage=self.passage,
                position=found.position,
                cosine=found.cosine,
                variance=found.variance,
            )
            told = Told(place, 0, found.verbalization)
            (self.material.told_off if self.is_off else self.material.told).append(told)
            (gathered.inactive if self.is_off else gathered.active).append(place)
        elif not self.is_off:
            gathered.miss(self.passage, found)
        elif isinstance(found, VerbalizerError):
            gathered.broke = tell_fault(found)


def _list_wanted(material: Material, passages: Passages) -> list[_Wanted]:
    """List the places of a feature, those of one text together: a server reads it once."""
    used = [passage.id for passage in passages.active]
    wanted = [
        *(_Wanted(material, passage, passage.id) for passage in passages.active),
        *(
            _Wanted(material, off.passage, off.example, is_off=True)
            for off in passages.inactive
            if off.matched in used
        ),
    ]
    texts = list(dict.fromkeys(one.example for one in wanted))
    return sorted(wanted, key=lambda one: texts.index(one.example))
