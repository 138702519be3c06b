"""Evidence from Neuronpedia's exports on disk, in one pass over the files."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from clerp.errors import EvidenceError
from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.evidence.decoding import decode_document
from clerp.evidence.parsing import MAX_EXAMPLES
from clerp.feature import FeatureId
from clerp_neuronpedia.conversion import convert_row
from clerp_neuronpedia.explanations import MAX_NAME_CHARS, clean_line
from clerp_neuronpedia.export_folders import SourceFolder, find_sources, list_files
from clerp_neuronpedia.export_lines import RawLine, read_lines
from clerp_neuronpedia.feature_row import FeatureRow, read_row
from clerp_neuronpedia.spill import PARTS, Line, Lines, Part, Spill

NO_ATTENTION = "attention features have no transcoder evidence here"
NO_FEATURE = "no such feature in the export"
NO_LAYER = "the export has no activations of this layer"
BROKEN_LINE = "broken line of the layer, whose feature nobody can tell"
FOREIGN_LINE = "line of another source among those of the layer"
_LOSSES = {BROKEN_LINE: "broken", FOREIGN_LINE: "of another source"}


class ExportSource:
    """Evidence and explanations from Neuronpedia's exports.

    Args:
        argument: The folder of a source, or a folder above such folders at any level of the
            bucket. Where a folder holds several source sets, the last part is a pattern that
            chooses one: `v1/gemma-2-2b/*-clt-hp`.

    Raises:
        EvidenceError: There is no export, or there are several.
    """

    def __init__(self, argument: str) -> None:
        if not argument:
            raise EvidenceError("no folder is named", remedy="Write neuronpedia-export:FOLDER")
        self._sources = find_sources(argument)
        (source_set,) = {source.source_set for source in self._sources.values()}
        self.name = f"neuronpedia-export:{source_set}"

    def read(self, features: Iterable[FeatureId]) -> Iterator[FeatureEvidence | EvidenceGap]:
        """Yield evidence, or the reason why there is none, once for each feature, in order.

        Every file of the layers that are asked for is read once, from beginning to end; memory
        does not grow with them, because what is wanted waits on disk. Lines that are broken, or of
        another source, are counted: a gap names the first ones, and evidence of the same layer has
        them among `set_aside`.

        Raises:
            EvidenceError: A file is damaged or cut short, or there is no room on the disk.
        """
        asked = list(features)
        selection = _Selection(self._sources)
        with Spill() as spill:
            spill.fill(selection.choose(asked))
            for feature in asked:
                yield self._tell(feature, spill, selection.losses[feature.layer])

    def _tell(
        self, feature: FeatureId, spill: Spill, losses: "_Losses"
    ) -> FeatureEvidence | EvidenceGap:
        if feature.kind:
            return EvidenceGap(feature, NO_ATTENTION)
        source = self._sources.get(feature.layer)
        if source is None:
            return EvidenceGap(feature, NO_LAYER)
        lines = spill.take(feature)
        if not lines.features and not lines.activations:
            return EvidenceGap(feature, f"{NO_FEATURE}{losses}")
        where = f"{source.name}/{feature.index}"
        try:
            item = convert_row(_join(lines), feature, where=where)
        except EvidenceError as fault:
            return EvidenceGap(feature, f"{where}: {fault}{losses}")
        return _admit(item, losses)


@dataclass(slots=True)
class _Losses:
    """The lines of a layer that are of none of its features."""

    counts: Counter[str] = field(default_factory=Counter[str])
    first: dict[str, str] = field(default_factory=dict[str, str])
    """Where the first one of each kind is."""

    def add(self, kind: str, path: Path, line: RawLine) -> None:
        self.counts[kind] += 1
        if kind not in self.first:
            file = clean_line(f"{path.parent.name}/{path.name}", MAX_NAME_CHARS)
            self.first[kind] = f"{file} line {line.number}"

    def __str__(self) -> str:
        return "".join(
            f"; lines of the layer that are {_LOSSES[kind]}: {n_lines}, first {self.first[kind]}"
            for kind, n_lines in sorted(self.counts.items())
        )


class _Selection:
    """The lines of some features out of all lines of their layers."""

    def __init__(self, sources: Mapping[int, SourceFolder]) -> None:
        self._sources = sources
        self.losses: defaultdict[int, _Losses] = defaultdict(_Losses)

    def choose(self, features: Iterable[FeatureId]) -> Iterator[Line]:
        """Read the layers of these features, one after the other."""
        by_layer: defaultdict[int, dict[str, FeatureId]] = defaultdict(dict)
        for feature in features:
            if not feature.kind:
                by_layer[feature.layer][str(feature.index)] = feature
        for layer in sorted(by_layer.keys() & self._sources.keys()):
            for part in PARTS:
                yield from self._choose_part(self._sources[layer], part, by_layer[layer])

    def _choose_part(
        self, source: SourceFolder, part: Part, wanted: Mapping[str, FeatureId]
    ) -> Iterator[Line]:
        n_lines: Counter[FeatureId] = Counter()
        for path in list_files(source.path, part):
            for line in read_lines(path):
                if line.identity is None or not source.owns(line.identity):
                    kind = FOREIGN_LINE if line.identity else BROKEN_LINE
                    self.losses[source.layer].add(kind, path, line)
                    continue
                feature = wanted.get(str(line.identity.index))
                # One more than is read, so that the reader says that there are too many.
                if feature is not None and n_lines[feature] <= MAX_EXAMPLES:
                    n_lines[feature] += 1
                    yield Line(feature, part, line.content)


def _join(lines: Lines) -> FeatureRow:
    return read_row(
        {
            **_find_row(lines.features),
            "activations": [_decode(line) for line in lines.activations],
            "explanations": [_decode(line) for line in lines.explanations],
        }
    )


def _find_row(lines: list[bytes]) -> Mapping[str, object]:
    """Return what `features/` says; nothing where only activations were downloaded."""
    distinct = list(dict.fromkeys(lines))
    if len(distinct) > 1:
        raise EvidenceError("two different rows in the export")
    row = _decode(distinct[0]) if distinct else {}
    if not isinstance(row, dict):
        raise EvidenceError("its row in the export is broken")
    return cast(Mapping[str, object], row)


def _decode(line: bytes) -> object:
    """Decode a line that tells whose it is, though more may be wrong with it."""
    try:
        return decode_document(line)
    except EvidenceError:
        return None


def _admit(item: FeatureEvidence | EvidenceGap, losses: _Losses) -> FeatureEvidence | EvidenceGap:
    if isinstance(item, EvidenceGap):
        return replace(item, reason=f"{item.reason}{losses}")
    return replace(item, set_aside=(*item.set_aside, *sorted(losses.counts.items())))
