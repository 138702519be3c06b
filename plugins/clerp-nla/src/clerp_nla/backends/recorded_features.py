"""Features of transcoders that ran beside a pair, as a recording has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, takewhile

import numpy as np
from jaxtyping import Float32

from clerp.errors import VerbalizerError
from clerp.feature import FeatureId
from clerp.verbalizers import FoundFeatures, Missed, Passage, stored
from clerp.verbalizers.features import forget_folder
from clerp.verbalizers.found import merge_found
from clerp_nla.backends.recording import Recording


@dataclass(frozen=True, slots=True)
class RecordedFeatures:
    """`OpenedFeatures` from a file."""

    recording: Recording
    found: FoundFeatures

    def confirm(
        self, feature: FeatureId, passages: Sequence[Passage]
    ) -> Sequence[Passage | Missed]:
        """Return whether the feature was found to fire at the end of passages.

        Raises:
            VerbalizerError: It is not on record.
        """
        storage, name = self.recording.storage, self.found.names[feature]
        keys = [storage.make_confirm_key(name, feature, passage) for passage in passages]
        found = [self.recording.find(key, "peak") for key in keys]
        return [stored.read_confirmed(a, p) for a, p in zip(found, passages, strict=True)]

    def sum_rows(self, feature: FeatureId) -> "Float32[np.ndarray, ' d_model'] | str":
        """Return what the feature was found to write.

        Raises:
            VerbalizerError: It is not on record.
        """
        key = self.recording.storage.make_rows_key(self.found.names[feature], feature)
        return stored.read_rows(self.recording.find(key, "feature's rows"))


def recall_features(recording: Recording, transcoders: str) -> RecordedFeatures:
    """Find which rows features had in a set, by the set's name without its folder.

    Raises:
        VerbalizerError: The set was not asked about, or a line cannot be read.
    """
    place = forget_folder(transcoders)
    keys = (recording.storage.make_names_key(place, number) for number in count())
    answers = takewhile(bool, map(recording.answers.get, keys))
    found = merge_found([stored.read_features(answer) for answer in answers if answer])
    if not (found.names or found.lacking):
        raise VerbalizerError(
            f"the recording does not have the transcoders {place}",
            where=recording.where,
            remedy="Name those with which it was made",
        )
    return RecordedFeatures(recording, found)
