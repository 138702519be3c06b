"""A collection under way: findings, the rows they rest on, and the folder they end in."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from clerp.errors import OutputError
from clerp.feature import FeatureId
from clerp_circuit_tracer.collect.activity import ActivityReader, Batch
from clerp_circuit_tracer.collect.checkpoint import (
    Identity,
    load_checkpoint,
    name_checkpoint,
    save_checkpoint,
)
from clerp_circuit_tracer.collect.findings import Findings
from clerp_circuit_tracer.collect.folder import is_there, refuse_existing, write_folder
from clerp_circuit_tracer.collect.records import Record, describe_feature
from clerp_circuit_tracer.collect.settings import CollectSettings
from clerp_circuit_tracer.collect.wanted import WantedFeatures, sort_wanted

_FORMAT = 1
_DISTRIBUTIONS = (
    "circuit-tracer",
    "clerp",
    "clerp-circuit-tracer",
    "numpy",
    "torch",
    "transformers",
)

Origin = Mapping[str, str | int]
"""What a collection is made from and nobody else knows: model, corpus and its digest, backend,
number type. It is compared when an interrupted run goes on, and written down; no paths."""


@dataclass(frozen=True, slots=True)
class CollectionFacts:
    """What a finished collection holds."""

    folder: Path
    rows: int
    tokens: int
    """Without prefixes and padding."""
    features: tuple[FeatureId, ...]
    never_fired: tuple[FeatureId, ...]


class Collection:
    """Evidence of some features, gathered batch by batch; made by `open_collection`.

    Attributes:
        next_row: The first row that a checkpoint does not hold.
    """

    def __init__(
        self,
        reader: ActivityReader,
        wanted: WantedFeatures,
        settings: CollectSettings,
        out: Path,
        identity: Identity,
    ) -> None:
        self.next_row = 0
        self._reader = reader
        self._wanted = wanted
        self._settings = settings
        self._out = out
        self._identity = identity
        self._checkpoint = name_checkpoint(out)
        self._findings = Findings(wanted, settings)

    @property
    def n_tokens(self) -> int:
        """Tokens seen, those of interrupted runs too, without prefixes."""
        return self._findings.n_tokens

    @property
    def n_rows(self) -> int:
        """Rows seen."""
        return self._findings.n_rows

    def resume(self) -> None:
        """Take up the checkpoint, if there is one.

        Raises:
            OutputError: The checkpoint is of another collection, or cannot be written.
            InputError: The checkpoint is damaged.
        """
        if is_there(self._checkpoint):
            arrays = self._findings.arrays
            self.next_row = load_checkpoint(self._checkpoint, self._identity, arrays)
        else:
            # A folder that cannot be written, or a full disk, shows before any work is done.
            self.save(0)

    def add(self, batch: Batch) -> None:
        """Run the model on a batch and take in what the features do.

        Raises:
            EvidenceError: An activation is not finite, or the reader left a layer out.
        """
        self._findings.add(batch, self._reader.read(batch))

    def save(self, next_row: int) -> None:
        """Write a checkpoint; every row before `next_row` and no other must have been added.

        Raises:
            OutputError: It cannot be written.
        """
        save_checkpoint(self._checkpoint, self._identity, next_row, self._findings.arrays)
        self.next_row = next_row

    def finish(self) -> CollectionFacts:
        """Write the folder and remove the checkpoint.

        Raises:
            OutputError: The folder cannot be written.
        """
        facts = self._find_facts()
        summary = {
            **self._identity,
            "rows": facts.rows,
            "tokens": facts.tokens,
            "never_fired": [str(feature) for feature in facts.never_fired],
        }
        write_folder(self._out, self._describe_layers(), self._reader.n_features, summary)
        self._checkpoint.unlink(missing_ok=True)
        return facts

    def _find_facts(self) -> CollectionFacts:
        features = self._wanted.features
        tallies = self._findings.tallies
        silent = [f for i, f in enumerate(features) if not tallies.describe(i).n_positive]
        return CollectionFacts(self._out, self.n_rows, self.n_tokens, features, tuple(silent))

    def _describe_layers(self) -> Iterator[dict[int, Record]]:
        effects = self._reader.rank_logits(self._settings.logit_tokens)
        for layer in range(self._reader.n_layers):
            features = self._wanted.of_layer(layer)
            of_layer = effects[layer] if features else ()
            yield {
                feature.index: describe_feature(
                    self._findings, number, feature.index, effect, self._reader, self._settings
                )
                for (number, feature), effect in zip(features, of_layer, strict=True)
            }


def open_collection(
    reader: ActivityReader,
    features: Iterable[FeatureId],
    settings: CollectSettings,
    out: Path,
    *,
    origin: Origin,
    prefix: int,
) -> Collection:
    """Begin a collection, or take up the unfinished work of the same one.

    Args:
        reader: The model with its transcoders.
        features: Those to collect evidence of.
        settings: How many examples, how wide, how rows are run.
        out: The folder to write, which must not exist.
        origin: What model and corpus are; no paths of this machine.
        prefix: Tokens at the start of every row where features count as off.

    Raises:
        UsageError: No feature is wanted, or one is not of these transcoders.
        OutputError: The folder exists or cannot be written, or the unfinished work beside it is
            of another collection.
        InputError: The unfinished work is damaged.
    """
    wanted = sort_wanted(features, reader)
    refuse_existing(out)
    if not out.parent.is_dir():
        raise OutputError("is no folder", where=str(out.parent), remedy="Make it first")
    identity = {
        "format": _FORMAT,
        "scan": reader.scan,
        "n_layers": reader.n_layers,
        "n_features": reader.n_features,
        "promoted_from": reader.promoted_from,
        "made_with": dict(origin),
        "prefix": prefix,
        "settings": settings.model_dump(),
        "versions": {name: version(name) for name in _DISTRIBUTIONS},
        "features": [str(feature) for feature in wanted.features],
    }
    collection = Collection(reader, wanted, settings, out, identity)
    collection.resume()
    return collection
