"""Features of a transcoder set beside a pair, each answer about which is in the ledger.

What is asked is kept by what a feature is computed with and writes, never by where that lies: the
same rows in another folder are the same features. Which rows a name stood for last is kept too, so
that without asking anybody their answers are found.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from clerp.errors import ClerpError, UsageError, VerbalizerError
from clerp.feature import FeatureId
from clerp.ledger import Answer
from clerp.origins.same_set import SetName, compare_sets, name_set
from clerp.verbalizers import stored
from clerp.verbalizers.answers import Answers, blame, check_count, read_found, refuse
from clerp.verbalizers.found import recall_found, record_found
from clerp.verbalizers.stored import Storage, clean_reason
from clerp.verbalizers.verbalization import (
    FoundFeatures,
    Missed,
    ModelClaim,
    PairIdentity,
    Passage,
)

_SHOWN = 12
"""Characters of a digest."""


@runtime_checkable
class OpenedFeatures(Protocol):
    """Features of a transcoder set on the model of a pair. Its methods may take their time."""

    @property
    def found(self) -> FoundFeatures:
        """What the set has of the features that will be asked about."""
        ...

    def confirm(
        self, feature: FeatureId, passages: Sequence[Passage]
    ) -> Sequence[Passage | Missed]:
        """Run a feature at the end of passages.

        Returns:
            Each passage, in order, or why it does not show the feature as the evidence says.

        Raises:
            ClerpError: It cannot be run.
        """
        ...

    def sum_rows(self, feature: FeatureId) -> "Float32[np.ndarray, ' d_model'] | str":
        """Return what a feature writes up to the layer of the pair, or why that is undefined.

        Raises:
            ClerpError: Its rows cannot be read.
        """
        ...


@runtime_checkable
class Rerunning(Protocol):
    """A verbalizer on this machine, beside whose model transcoders can be run."""

    def open_features(self, transcoders: str, features: Sequence[FeatureId]) -> OpenedFeatures:
        """Open some features of a transcoder set; no model is loaded for that yet.

        Args:
            transcoders: `OWNER/REPO[//SUB][@REVISION]` or a folder.
            features: All that will be asked about.

        Raises:
            ClerpError: The set cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class RecordedFeatures:
    """Features of one transcoder set, and one pair.

    A result is a `VerbalizerError` where a feature cannot be run or read, or where that is not on
    record and nobody may be asked.
    """

    pair: PairIdentity
    answers: Answers
    place: str
    """What the set is called, without the folders of this machine."""
    found: FoundFeatures
    opened: OpenedFeatures | None
    """None where nobody may be asked."""
    note: str
    """Why nobody can say that the set is that of the graph; empty where it is."""

    def describe(self, feature: FeatureId) -> str:
        """Return which rows a feature has, for records; empty where nobody knows."""
        name = self.found.names.get(feature)
        return f"{self.place}@{name[:_SHOWN]}" if name else ""

    async def confirm(
        self, feature: FeatureId, passages: Sequence[Passage]
    ) -> list[Passage | Missed | VerbalizerError]:
        """Say of each passage whether the feature, run again, fires there as the evidence says.

        Raises:
            LedgerError: The ledger failed.
        """
        name = self.found.names.get(feature)
        if name is None:
            lack = self._tell_lack(feature)
            return [VerbalizerError(lack) if lack else refuse()] * len(passages)
        storage = Storage(self.pair)
        keys = [storage.make_confirm_key(name, feature, passage) for passage in passages]

        async def ask(numbers: Sequence[int]) -> list[Answer]:
            asked = [passages[number] for number in numbers]
            found = await asyncio.to_thread(self._open.confirm, feature, asked)
            check_count(found, asked)
            return [
                storage.keep_confirmed(keys[number], one)
                for number, one in zip(numbers, found, strict=True)
            ]

        found = await self.answers.find(keys, ask)
        return [
            read_found(one, lambda answer, passage=passage: stored.read_confirmed(answer, passage))
            for one, passage in zip(found, passages, strict=True)
        ]

    async def sum_rows(
        self, feature: FeatureId
    ) -> "Float32[np.ndarray, ' _'] | str | VerbalizerError":
        """Return what a feature writes up to the layer of the pair, or why that is undefined.

        Raises:
            LedgerError: The ledger failed.
        """
        name = self.found.names.get(feature)
        if name is None:
            return self._tell_lack(feature) or refuse()
        storage = Storage(self.pair)
        key = storage.make_rows_key(name, feature)

        async def ask(_: Sequence[int]) -> list[Answer]:
            return [storage.keep_rows(key, await asyncio.to_thread(self._open.sum_rows, feature))]

        [found] = await self.answers.find([key], ask)
        return read_found(found, stored.read_rows)

    @property
    def _open(self) -> OpenedFeatures:
        assert self.opened is not None  # who may ask has opened them
        return self.opened

    def _tell_lack(self, feature: FeatureId) -> str:
        """Say why the set has no such feature; nothing where nobody may be asked."""
        unknown = f"nobody says which rows {feature} has" if self.opened else ""
        return self.found.lacking.get(feature, unknown)


@asynccontextmanager
async def open_features(
    verbalizer: Rerunning,
    pair: PairIdentity,
    claim: ModelClaim,
    answers: Answers,
    transcoders: str,
    features: Sequence[FeatureId],
) -> AsyncGenerator[RecordedFeatures]:
    """Open features of a transcoder set, or recall them where nobody may be asked.

    Faults of theirs are no reason to ask the verbalizer for nothing else.

    Args:
        verbalizer: Beside which they are run.
        pair: That it is.
        claim: What the graph says of its transcoders.
        answers: Where all about them is recorded.
        transcoders: As the user names them.
        features: All that will be asked about.

    Raises:
        UsageError: The set is not that of the graph, or cannot be read.
        InputError, PluginError: It cannot be read.
        VerbalizerError: It cannot be read for another reason.
        LedgerError: The ledger failed.
    """
    place = forget_folder(transcoders)
    if answers.may_ask and place == transcoders:
        # Before anything is read: of a repository the name is known.
        _refuse_others(claim, name_set(place), place)
    opened = await _open(verbalizer, transcoders, features) if answers.may_ask else None
    found = _clean(opened.found) if opened else recall_found(pair, claim, answers, place)
    note = _check_set(claim, name_set(found.set_name), place)
    if opened is not None:
        record_found(pair, answers, place, found)
    try:
        yield RecordedFeatures(pair, answers, place, found, opened, note)
    finally:
        answers.forgive()


def forget_folder(place: str) -> str:
    """Return what is named, for records: of a folder or file its own name alone."""
    if Path(place).exists():
        return Path(place).resolve().name
    is_path = place[:1] in "./~\\" or "\\" in place
    return PurePath(place).name if is_path else place


async def _open(
    verbalizer: Rerunning, transcoders: str, features: Sequence[FeatureId]
) -> OpenedFeatures:
    def open_them() -> OpenedFeatures | ClerpError:
        try:
            return verbalizer.open_features(transcoders, features)
        except ClerpError as fault:
            return fault

    opened = await blame(asyncio.to_thread(open_them))
    if isinstance(opened, ClerpError):
        raise opened
    return opened


def _clean(found: FoundFeatures) -> FoundFeatures:
    """Return it as the ledger keeps it; a folder's name is no name of a set."""
    return FoundFeatures(
        name_set(clean_reason(found.set_name)).text,
        found.names,
        {feature: clean_reason(why) for feature, why in found.lacking.items()},
    )


def _check_set(claim: ModelClaim, given: SetName, place: str) -> str:
    """Say why nobody knows that a set is the graph's; nothing where it is."""
    _refuse_others(claim, given, place)
    graph = claim.set_name
    if compare_sets(graph, given):
        return ""
    called = (
        f"these call themselves {given.text!r}"
        if given.text
        else "what these are called is not known"
    )
    made = (
        f"the graph calls its own {graph.text!r}"
        if graph.text
        else "the graph does not name its own"
    )
    return f"nobody can say whether {place} is what the graph was made with: {made}, {called}"


def _refuse_others(claim: ModelClaim, given: SetName, place: str) -> None:
    if compare_sets(claim.set_name, given) is False:
        raise UsageError(
            f"these are the transcoders {given.text}, and the graph was made with "
            f"{claim.set_name.text}",
            where=place,
            remedy="Name the transcoders that the graph was made with",
        )
