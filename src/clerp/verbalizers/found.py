"""Which rows features of a transcoder set were found to have, as the ledger remembers it.

Of a set the ledger knows what the user calls it, without folders: under one name there may have
been several, and then nobody knows which rows were meant.
"""

from collections.abc import Sequence
from functools import reduce

from clerp.origins.same_set import compare_sets, name_set
from clerp.verbalizers import stored
from clerp.verbalizers.answers import Answers, list_numbered
from clerp.verbalizers.stored import Storage
from clerp.verbalizers.verbalization import FoundFeatures, ModelClaim, PairIdentity

_NOTHING = FoundFeatures("", {}, {})


def record_found(pair: PairIdentity, answers: Answers, place: str, found: FoundFeatures) -> None:
    """Record what was found of features, as far as it is new.

    Args:
        pair: Beside which they are run.
        answers: Of the pair.
        place: What the user calls the set, without folders.
        found: What its files say.

    Raises:
        LedgerError: The ledger failed.
    """
    known = _list_found(pair, answers, place)
    storage = Storage(pair)
    while (new := _drop_known(found, known)) != _NOTHING:
        answer = storage.keep_found(storage.make_names_key(place, len(known)), new)
        kept = answers.ledger.record_answer(answer)
        answers.used[kept.key] = kept
        if kept.parsed == answer.parsed:
            return
        # Another run has taken the number meanwhile: what it wrote stays there.
        known.append(stored.read_features(kept))


def recall_found(
    pair: PairIdentity, claim: ModelClaim, answers: Answers, place: str
) -> FoundFeatures:
    """Return what was found of features that were never found to be others.

    What was found of sets that are not the graph's is left out; where it is not known which of
    several is meant, there is nothing.

    Raises:
        LedgerError: The ledger failed.
        VerbalizerError: What is on record is something else.
    """
    known = [
        found
        for found in _list_found(pair, answers, place)
        if compare_sets(claim.set_name, name_set(found.set_name)) is not False
    ]
    if len({found.set_name for found in known} - {""}) > 1:
        return _NOTHING
    last = merge_found(known)
    seen = {feature for found in known for feature in found.names}
    missed = {feature for found in known for feature in found.lacking}
    names = {
        feature: name
        for feature, name in last.names.items()
        if feature not in missed and all(f.names.get(feature, name) == name for f in known)
    }
    lacking = {feature: why for feature, why in last.lacking.items() if feature not in seen}
    return FoundFeatures(last.set_name, names, lacking)


def merge_found(known: Sequence[FoundFeatures]) -> FoundFeatures:
    """Return what was found last of each feature."""
    return reduce(_put_after, known, _NOTHING)


def _put_after(before: FoundFeatures, found: FoundFeatures) -> FoundFeatures:
    return FoundFeatures(
        found.set_name or before.set_name,
        {f: n for f, n in before.names.items() if f not in found.lacking} | dict(found.names),
        {f: why for f, why in before.lacking.items() if f not in found.names} | dict(found.lacking),
    )


def _list_found(pair: PairIdentity, answers: Answers, place: str) -> list[FoundFeatures]:
    """List what features of this name were found to be, oldest first."""
    storage = Storage(pair)
    found = list_numbered(answers.ledger, lambda number: storage.make_names_key(place, number))
    answers.used |= {answer.key: answer for answer in found}
    return [stored.read_features(answer) for answer in found]


def _drop_known(found: FoundFeatures, known: Sequence[FoundFeatures]) -> FoundFeatures:
    """Return what is new of features, with the name of the set; nothing where nothing is."""
    last = merge_found(known)
    names = {f: name for f, name in found.names.items() if last.names.get(f) != name}
    lacking = {f: why for f, why in found.lacking.items() if last.lacking.get(f) != why}
    is_known = not names and not lacking and found.set_name in ("", last.set_name)
    return _NOTHING if is_known else FoundFeatures(found.set_name, names, lacking)
