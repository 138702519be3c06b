"""A pair that is not there any more: what it said, from a file.

The file says what was asked in one run, and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from clerp.errors import UsageError
from clerp.feature import FeatureId
from clerp.verbalizers import (
    Explained,
    Extraction,
    Missed,
    ModelClaim,
    PairIdentity,
    Passage,
    Sampling,
    Verbalization,
    stored,
)
from clerp.verbalizers.stored import Ordinary
from clerp_nla.backends.recorded_features import RecordedFeatures, recall_features
from clerp_nla.backends.recording import Recording, read_recording, say_recorded


@dataclass(slots=True)
class RecordedVectors:
    """A `VectorVerbalizer` from a file."""

    recording: Recording
    name: str
    """That of the verbalizer that was recorded, said to be so."""

    @property
    def setting(self) -> str:
        """Which pair it is of: several recordings may have one name."""
        return self.recording.setting

    def check(self, claim: ModelClaim) -> PairIdentity:
        """Return the pair that was recorded.

        Raises:
            NotAvailableError: It is for another model.
        """
        return self.recording.check(claim)

    async def extract(self, passages: Sequence[Passage]) -> list[Extraction | Missed]:
        """Return what was read at the end of each passage.

        Raises:
            VerbalizerError: It is not on record.
        """
        storage = self.recording.storage
        keys = [storage.make_extract_key(passage) for passage in passages]
        found = [self.recording.find(key, "passage") for key in keys]
        return [stored.read_residual(a, p) for a, p in zip(found, passages, strict=True)]

    async def describe(
        self, vectors: Float32[np.ndarray, "vector d_model"], sampling: Sampling
    ) -> list[Verbalization]:
        """Return what was said of each vector.

        Raises:
            VerbalizerError: It is not on record.
        """
        keys = [self.recording.storage.make_describe_key(vector, sampling) for vector in vectors]
        return [stored.read_verbalization(self.recording.find(key, "vector")) for key in keys]

    async def compare(
        self, texts: Sequence[str], vectors: Float32[np.ndarray, "vector d_model"]
    ) -> Float32[np.ndarray, "text vector"]:
        """Return the cosines of each text with all these vectors.

        Raises:
            VerbalizerError: They are not on record.
        """
        of = stored.digest(vectors)
        keys = [self.recording.storage.make_compare_key(text, of) for text in texts]
        rows = [stored.read_cosines(self.recording.find(key, "text")) for key in keys]
        return np.array(rows, dtype=np.float32).reshape(len(texts), len(vectors))

    async def describe_nothing(self, sampling: Sampling) -> Verbalization:
        """Return what was said of no vector.

        Raises:
            VerbalizerError: It is not on record.
        """
        key = self.recording.storage.make_nothing_key(sampling)
        return stored.read_verbalization(self.recording.find(key, "sampling"))

    def recall_ordinary(self) -> Ordinary:
        """Return what ordinary residuals were like.

        Raises:
            VerbalizerError: It is not on record.
        """
        key = self.recording.storage.make_ordinary_key()
        found = self.recording.find(key, "measure of ordinary residuals")
        return stored.read_ordinary(found, self.recording.head.pair.d_model)

    def open_features(self, transcoders: str, features: Sequence[FeatureId]) -> RecordedFeatures:
        """Return features of transcoders that ran beside the pair.

        Raises:
            VerbalizerError: They are not on record.
        """
        return recall_features(self.recording, transcoders)


@dataclass(slots=True)
class RecordedPassages:
    """A `PassageVerbalizer` from a file."""

    recording: Recording
    name: str
    """That of the verbalizer that was recorded, said to be so."""

    @property
    def setting(self) -> str:
        """Which pair it is of: several recordings may have one name."""
        return self.recording.setting

    def check(self, claim: ModelClaim) -> PairIdentity:
        """Return the pair that was recorded.

        Raises:
            NotAvailableError: It is for another model.
        """
        return self.recording.check(claim)

    async def explain(
        self, passages: Sequence[Passage], sampling: Sampling
    ) -> list[Explained | Missed]:
        """Return what was said of the end of each passage.

        Raises:
            VerbalizerError: It is not on record.
        """
        storage = self.recording.storage
        keys = [storage.make_explain_key(passage, sampling) for passage in passages]
        found = [self.recording.find(key, "passage") for key in keys]
        return [stored.read_explanation(a, p) for a, p in zip(found, passages, strict=True)]


def open_recorded(argument: str) -> RecordedVectors | RecordedPassages:
    """Make the verbalizer `recorded-nla:FILE`.

    Raises:
        UsageError: There is no file name.
        InputError: The file cannot be read, or a line is not as it should be.
    """
    if not argument:
        raise UsageError("recorded-nla takes a file", remedy="Write recorded-nla:FILE.jsonl")
    recording = read_recording(Path(argument))
    name = say_recorded(recording.head.name)
    if recording.head.takes == "vectors":
        return RecordedVectors(recording, name)
    return RecordedPassages(recording, name)
