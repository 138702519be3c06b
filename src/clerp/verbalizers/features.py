"""Features of a transcoder set beside a pair, each answer about which is in the ledger.

What is asked is kept by what a feature is computed with and writes, never by where that lies: the
same rows in another folder are the same features. Which rows a name stood for last is kept too, so
that without asking anybody their answers are found.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from clerp.errors import ClerpError, VerbalizerError
from clerp.feature import FeatureId
from clerp.ledger import Answer
from clerp.verbalizers import stored
from clerp.verbalizers.answers import Answers, blame, check_count, list_numbered, read_found, refuse
from clerp.verbalizers.stored import Storage
from clerp.verbalizers.verbalization import Missed, PairIdentity, Passage

_SHOWN = 12
"""Characters of a digest."""


@runtime_checkable
class OpenedFeatures(Protocol):
    """Features of a transcoder set on the model of a pair. Its methods may take their time."""

    @property
    def names(self) -> Mapping[FeatureId, str]:
        """A digest, for each feature, of all in the set that decides an answer about it."""
        ...

    @property
    def lacking(self) -> Mapping[FeatureId, str]:
        """Why the set has none of the other features."""
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
    names: Mapping[FeatureId, str]
    opened: OpenedFeatures | None
    """None where nobody may be asked."""

    def describe(self, feature: FeatureId) -> str:
        """Return which rows a feature has, for records; empty where nobody knows."""
        name = self.names.get(feature)
        return f"{self.place}@{name[:_SHOWN]}" if name else ""

    async def confirm(
        self, feature: FeatureId, passages: Sequence[Passage]
    ) -> list[Passage | Missed | VerbalizerError]:
        """Say of each passage whether the feature, run again, fires there as the evidence says.

        Raises:
            LedgerError: The ledger failed.
        """
        name = self.names.get(feature)
        if name is None:
            fault = refuse() if self.opened is None else VerbalizerError(self._explain(feature))
            return [fault] * len(passages)
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
        name = self.names.get(feature)
        if name is None:
            return refuse() if self.opened is None else self._explain(feature)
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

    def _explain(self, feature: FeatureId) -> str:
        """Say why the set has no such feature."""
        return self._open.lacking.get(feature) or f"nobody says which rows {feature} has"


@asynccontextmanager
async def open_features(
    verbalizer: Rerunning,
    pair: PairIdentity,
    answers: Answers,
    transcoders: str,
    features: Sequence[FeatureId],
) -> AsyncGenerator[RecordedFeatures]:
    """Open features of a transcoder set, or recall them where nobody may be asked.

    Faults of theirs are no reason to ask the verbalizer for nothing else.

    Args:
        verbalizer: Beside which they are run.
        pair: That it is.
        answers: Where all about them is recorded.
        transcoders: As the user names them.
        features: All that will be asked about.

    Raises:
        UsageError, InputError, PluginError: The set cannot be read.
        VerbalizerError: It cannot be read for another reason.
        LedgerError: The ledger failed.
    """
    place = forget_folder(transcoders)
    opened = await _open(verbalizer, transcoders, features) if answers.may_ask else None
    if opened is None:
        names = _find_certain(_list_names(pair, answers, place))
    else:
        names = dict(opened.names)
        _record_names(pair, answers, place, names)
    try:
        yield RecordedFeatures(pair, answers, place, names, opened)
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


def _record_names(
    pair: PairIdentity, answers: Answers, place: str, names: Mapping[FeatureId, str]
) -> None:
    known = _list_names(pair, answers, place)
    while new := {f: name for f, name in names.items() if _merge(known).get(f) != name}:
        storage = Storage(pair)
        key = storage.make_names_key(place, len(known))
        # Another run may have taken the number meanwhile: what it wrote stays there.
        kept = answers.ledger.record_answer(storage.keep_names(key, new))
        answers.used[kept.key] = kept
        known.append(stored.read_names(kept))


def _list_names(pair: PairIdentity, answers: Answers, place: str) -> list[dict[FeatureId, str]]:
    """List what features of this name were found to be, oldest first."""
    storage = Storage(pair)
    found = list_numbered(answers.ledger, lambda number: storage.make_names_key(place, number))
    answers.used |= {answer.key: answer for answer in found}
    return [stored.read_names(answer) for answer in found]


def _find_certain(known: Sequence[Mapping[FeatureId, str]]) -> dict[FeatureId, str]:
    """Return the rows of features that were never others: folders of one name may hold two sets."""
    last = _merge(known)
    return {
        f: name for f, name in last.items() if all(names.get(f, name) == name for names in known)
    }


def _merge(known: Sequence[Mapping[FeatureId, str]]) -> dict[FeatureId, str]:
    return {feature: name for names in known for feature, name in names.items()}
