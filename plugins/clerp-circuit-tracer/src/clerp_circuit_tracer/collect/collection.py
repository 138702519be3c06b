"""A collection under way: findings, the rows they rest on, and the folder they end in."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import msgspec

from clerp.errors import InputError
from clerp.feature import FeatureId
from clerp_circuit_tracer.collect.activity import ActivityReader, Batch
from clerp_circuit_tracer.collect.batches import Mark
from clerp_circuit_tracer.collect.checkpoint import (
    Identity,
    find_difference,
    load_checkpoint,
    name_checkpoint,
    save_checkpoint,
)
from clerp_circuit_tracer.collect.findings import Findings
from clerp_circuit_tracer.collect.folder import (
    check_parent,
    is_there,
    read_summary,
    refuse_existing,
    write_folder,
)
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

Origin = Mapping[str, str | int | None]
"""What a collection is made from and nobody else knows: model, corpus and their digests, backend,
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


class _Counts(msgspec.Struct):
    """What a finished folder says of the text that it rests on."""

    rows: int
    tokens: int
    never_fired: list[str]


class Collection:
    """Evidence of some features, gathered batch by batch; made by `open_collection`.

    Attributes:
        mark: How far the checkpoint is.
    """

    def __init__(
        self,
        reader: ActivityReader,
        wanted: WantedFeatures,
        settings: CollectSettings,
        out: Path,
        identity: Identity,
    ) -> None:
        self.mark = Mark()
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

    def find_written(self) -> CollectionFacts | None:
        """Finish a run that died when the folder was written and its checkpoint still there.

        Returns:
            What the folder holds; None where there is none.

        Raises:
            OutputError: The folder is of another collection, or none.
        """
        summary = read_summary(self._out) if is_there(self._checkpoint) else None
        if summary is None or find_difference(
            {key: summary.get(key) for key in self._identity}, self._identity
        ):
            refuse_existing(self._out)
            return None
        counts = msgspec.convert(summary, _Counts)
        self._checkpoint.unlink()
        silent = tuple(map(FeatureId.parse, counts.never_fired))
        features = self._wanted.features
        return CollectionFacts(self._out, counts.rows, counts.tokens, features, silent)

    def resume(self) -> None:
        """Take up the checkpoint, if there is one.

        Raises:
            OutputError: The checkpoint is of another collection, or cannot be written.
            InputError: The checkpoint is damaged.
        """
        if is_there(self._checkpoint):
            arrays = self._findings.arrays
            self.mark = load_checkpoint(self._checkpoint, self._identity, arrays)
        if self.mark == Mark():
            # A folder that cannot be written, or a full disk, shows before any work is done.
            self.save(self.mark)

    def add(self, batch: Batch) -> None:
        """Run the model on a batch and take in what the features do.

        Raises:
            EvidenceError: An activation is not finite, or the reader left a layer out.
        """
        self._findings.add(batch, self._reader.read(batch))

    def save(self, mark: Mark) -> None:
        """Write a checkpoint; every row that the mark stands for, and no other, must be added.

        Raises:
            OutputError: It cannot be written.
        """
        save_checkpoint(self._checkpoint, self._identity, mark, self._findings.arrays)
        self.mark = mark

    def finish(self) -> CollectionFacts:
        """Write the folder and remove the checkpoint.

        Raises:
            InputError: The corpus had no text.
            OutputError: The folder cannot be written.
        """
        if not self.n_tokens:
            self._checkpoint.unlink(missing_ok=True)
            raise InputError("the corpus has no text", remedy="Name another corpus")
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
    """Plan a collection; nothing on the disk is looked at yet.

    Args:
        reader: The model with its transcoders.
        features: Those to collect evidence of.
        settings: How many examples, how wide, how rows are run.
        out: The folder to write, which must not exist.
        origin: What model and corpus are; no paths of this machine.
        prefix: Tokens at the start of every row where features count as off.

    Raises:
        UsageError: No feature is wanted, or one is not of these transcoders.
    """
    wanted = sort_wanted(features, reader)
    identity = {
        "format": _FORMAT,
        "scan": reader.scan,
        "n_layers": reader.n_layers,
        "n_features": reader.n_features,
        "promoted_from": reader.promoted_from,
        "made_with": dict(origin),
        "prefix": prefix,
        # The size of batches is left free: after one that was too large, the same work goes on.
        "settings": settings.model_dump(exclude={"batch_tokens"}),
        "versions": {name: version(name) for name in _DISTRIBUTIONS},
        "features": [str(feature) for feature in wanted.features],
    }
    return Collection(reader, wanted, settings, out, identity)


def check_place(out: Path) -> None:
    """Refuse a place where no folder can be written, before anything is loaded.

    Raises:
        OutputError: There is something else than a finished collection with its checkpoint, which
            `Collection.find_written` looks into, or no folder to write in.
    """
    if not (is_there(name_checkpoint(out)) and read_summary(out)):
        refuse_existing(out)
    check_parent(out)
