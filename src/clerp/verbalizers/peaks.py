"""Whether features still fire at the peaks that the evidence shows, before these are described."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from clerp.errors import InputError, UsageError, VerbalizerError
from clerp.evidence import FeatureEvidence
from clerp.feature import FeatureId
from clerp.verbalizers.choosing import cut_passage
from clerp.verbalizers.features import RecordedFeatures
from clerp.verbalizers.outcome import NOT_AVAILABLE, FeatureVerbalization, tell_fault
from clerp.verbalizers.recording import RecordedCalls
from clerp.verbalizers.verbalization import Missed

NOT_RUN_AGAIN = "no peak was run again: that the feature fires there is what the evidence says"
_NOT_HERE = "a peak can be run again only where the NLA is on this machine"
_ATTENTION = "peaks could not be run again: no transcoder has attention features"


@dataclass(frozen=True, slots=True)
class Peaks:
    """What came of running the peaks of one feature again."""

    left_out: tuple[str, ...] = ()
    """Ids of examples at whose peaks it does not fire as the evidence says."""
    gone: str = ""
    """Why no peak holds; empty where one does."""
    notes: tuple[str, ...] = ()
    broke: str = ""
    """Why a peak could not be run, though it was asked for."""
    rows: str = ""
    """Of the transcoders, that were run; empty where none were."""

    def annotate(self, said: FeatureVerbalization) -> FeatureVerbalization:
        """Put what is known of the peaks to what was said of them."""
        if self.gone:
            said = replace(said, unavailable=f"{NOT_AVAILABLE}{self.gone}")
        unknown = (NOT_RUN_AGAIN,) if not self.rows and said.is_available else ()
        rows = {"transcoders": self.rows} if self.rows else {}
        unfinished = {"unfinished": self.broke} if self.broke else {}
        return replace(
            said,
            notes=(*said.notes, *unknown, *self.notes),
            details={**unfinished, **said.details, **rows},
        )


async def run_again(
    evidence: Sequence[FeatureEvidence], calls: RecordedCalls, transcoders: str | None
) -> dict[FeatureId, Peaks]:
    """Run features again at the peaks of their top examples.

    Args:
        evidence: Of each feature.
        calls: Of a verbalizer that fits their model.
        transcoders: That are run; None runs none.

    Raises:
        PluginError: What runs them is not installed.
        LedgerError: The ledger failed.
    """
    features = [one.feature for one in evidence]
    if transcoders is None or not features:
        return dict.fromkeys(features, Peaks())
    if not calls.can_open_features:
        return dict.fromkeys(features, Peaks(notes=(_NOT_HERE,)))
    runnable = [one for one in evidence if not one.feature.kind]
    peaks = dict.fromkeys(features, Peaks(notes=(_ATTENTION,)))
    if not runnable:
        return peaks
    asked = [one.feature for one in runnable]
    try:
        async with calls.open_features(transcoders, asked) as opened:
            return peaks | {one.feature: await _run_again(one, opened) for one in runnable}
    except (UsageError, InputError, VerbalizerError) as fault:
        return peaks | dict.fromkeys(asked, _fail(fault))


async def _run_again(evidence: FeatureEvidence, opened: RecordedFeatures) -> Peaks:
    peaks = [cut_passage(example, example.peak) for example in evidence.top]
    found = await opened.confirm(evidence.feature, peaks)
    faults = [one for one in found if isinstance(one, VerbalizerError)]
    if faults and len(faults) == len(found):
        return _fail(faults[0])
    missed = [one for one in found if isinstance(one, Missed)]
    failed = _fail(faults[0]) if faults else Peaks()
    all_gone = bool(missed) and len(missed) == len(found)
    return Peaks(
        left_out=tuple(one.passage.id for one in missed),
        gone=f"no peak holds: {missed[0].reason}" if all_gone else "",
        notes=(
            *(f"{one.passage.id} was left out: {one.reason}" for one in missed),
            *failed.notes,
            *filter(None, (opened.note,)),
        ),
        broke=failed.broke,
        rows=opened.describe(evidence.feature),
    )


def _fail(fault: UsageError | InputError | VerbalizerError) -> Peaks:
    why = f"peaks could not be run again: {tell_fault(fault)}"
    return Peaks(notes=(why,), broke=why)
