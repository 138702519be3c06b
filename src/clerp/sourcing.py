"""From graphs to the evidence of their features: which source is asked, and its answers."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from clerp.config import Settings
from clerp.errors import EvidenceError, MissingEvidenceError, PluginError, UsageError
from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.feature import FeatureId
from clerp.graph import AttributionGraph, GraphInput, shorten
from clerp.origins import Origin, list_origins, normalise_set
from clerp.plugins import Remote, Source, find, is_registered
from clerp.progress import Progress, ReportProgress

# Two characters at least: one is a drive.
_NAMED = re.compile(r"[a-z][a-z0-9_-]+:")
_FOLDER = "folder:"


@dataclass(frozen=True, slots=True)
class Sourced:
    """What a source said of every feature that it was asked about, and how it was chosen."""

    source: str
    """What the source calls itself, with the revision that it read."""
    because: str
    """Why this source; never a path of this machine."""
    known: Sequence[FeatureEvidence | EvidenceGap]


def choose_origins(
    given: GraphInput, graph: AttributionGraph, settings: Settings
) -> tuple[Origin, ...]:
    """List the sources to try for a graph, in order.

    A source that is asked for is the only one; so is a folder `features/` beside the graph. Else
    the graph's own metadata says where its transcoders keep their features.
    """
    if settings.features is not None:
        source = name_source(settings.features)
        return (Origin(source, "it was asked for", is_certain=True),)
    beside = _find_beside(given)
    if beside is not None and beside.is_dir():
        return (Origin(f"{_FOLDER}{beside}", "it lies beside the graph", is_certain=True),)
    own_sets = {
        normalise_set(name): [name_source(source) for source in sources]
        for name, sources in settings.transcoder_sets.items()
    }
    return list_origins(graph.metadata, own_sets)


def read_evidence(
    origins: Sequence[Origin],
    graphs: Sequence[AttributionGraph],
    given: GraphInput,
    settings: Settings,
    report: ReportProgress,
) -> Sourced:
    """Read every feature of some graphs from the first origin that has evidence of any.

    Args:
        origins: What `choose_origins` chose.
        graphs: Those that share their features.
        given: The first of them as it was given, for messages.
        settings: Whether a server may be asked.
        report: Is told which source is asked, and how far that is.

    Raises:
        MissingEvidenceError: None has; the message lists what was tried.
        EvidenceError: An origin that may have some cannot be read: another would answer otherwise.
        PluginError: The source that was asked for is not installed, or breaks its contract.
    """
    features = sorted({feature for graph in graphs for feature in graph.features})
    tried: list[str] = []
    for origin in origins:
        try:
            source = open_origin(origin, settings)
            report(Progress("evidence", 0, len(features), _announce(origin, settings)))
            return read_all(source, origin, features, report)
        except MissingEvidenceError as missing:
            if origin.is_certain:
                raise
            tried.append(f"{shorten(origin.source)}: {missing.what}")
            report(Progress("evidence", 0, len(features), tried[-1]))
    raise _tell_missing(graphs[0], given, tried, settings)


def name_source(features: str) -> str:
    """Return the source that `--features` asks for, as a plugin's name and argument."""
    # A name that nobody registers is for `find` to refuse, which knows what is installed.
    is_known = ":" in features and is_registered("sources", features)
    is_name = _NAMED.match(features) is not None and not Path(features).exists()
    return features if is_known or is_name else f"{_FOLDER}{features}"


def _find_beside(given: GraphInput) -> Path | None:
    return Path(given).parent / "features" if isinstance(given, str | Path) else None


def _announce(origin: Origin, settings: Settings) -> str:
    if origin.is_certain and origin.source.startswith(_FOLDER):
        return ""
    where = "the cache of " if settings.offline else ""
    return f"Activation examples: {where}{shorten(origin.source)}, because {origin.because}"


def open_origin(origin: Origin, settings: Settings) -> Source:
    """Open a source; offline, where no server may be asked.

    Raises:
        MissingEvidenceError: Nobody asked for it, and it is not installed.
        PluginError: It is not installed.
    """
    try:
        source = find("sources", origin.source)
    except (PluginError, UsageError) as unfit:
        if origin.is_certain:
            raise
        raise MissingEvidenceError(str(unfit)) from unfit
    return source.offline() if settings.offline and isinstance(source, Remote) else source


def read_all(
    source: Source, origin: Origin, features: Sequence[FeatureId], report: ReportProgress
) -> Sourced:
    """Read features from an open source.

    Raises:
        MissingEvidenceError: It has none of them.
    """
    known: list[FeatureEvidence | EvidenceGap] = []
    for item in _ask(source, features):
        known.append(item)
        report(Progress("evidence", len(known), len(features)))
    if all(isinstance(item, EvidenceGap) for item in known):
        raise MissingEvidenceError(
            f"none of the {len(known)} features has activation examples here, the first because: "
            f"{_tell_gap(known[0])}",
            where=source.name,
            remedy="Check that --features belongs to the transcoders of the graph",
        )
    return Sourced(source.name, origin.because, known)


def _tell_gap(item: FeatureEvidence | EvidenceGap) -> str:
    return item.reason if isinstance(item, EvidenceGap) else ""


def _tell_missing(
    graph: AttributionGraph, given: GraphInput, tried: Sequence[str], settings: Settings
) -> EvidenceError:
    beside = _find_beside(given)
    places = [*([str(beside)] if beside else []), *tried]
    looked = f"Tried {'; '.join(places)}. " if places else ""
    online = " without --offline" if settings.offline and tried else ""
    scan = graph.transcoder_identity.name or "the graph's transcoders"
    return MissingEvidenceError(
        "no activation examples found for this graph",
        where=str(given) if beside else graph.name,
        remedy=f"{looked}Get those of {scan}{online} and "
        "name their folder: --features FOLDER (features=FOLDER in Python), or make them: clerp "
        "collect",
    )


def _ask(source: Source, features: Sequence[FeatureId]) -> Iterator[FeatureEvidence | EvidenceGap]:
    """Yield what a source that anybody may have written knows of each feature."""
    answers: Iterator[object] = iter(source.read(features))
    for feature in features:
        item = next(answers, None)
        if not isinstance(item, FeatureEvidence | EvidenceGap):
            said = "nothing" if item is None else type(item).__name__
            raise _break_contract(source, f"answered {said} when asked for {feature}")
        if item.feature != feature:
            raise _break_contract(source, f"answered {item.feature} when asked for {feature}")
        yield item
    if next(answers, None) is not None:
        raise _break_contract(source, f"answered more than the {len(features)} features asked for")


def _break_contract(source: Source, how: str) -> PluginError:
    return PluginError(
        f"the source {source.name!r} {how}",
        remedy="Its author can check it with clerp.testing.check_source",
    )
