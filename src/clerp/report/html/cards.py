"""What heads a report: the graphs, how they were labelled, and what a reader should know."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from clerp.report.html.comparison import list_settings
from clerp.report.html.distinct import DistinctFeature
from clerp.report.html.recorded import RecordedGraph

MAX_TOKENS = 300
"""Of a prompt that are shown."""


@dataclass(frozen=True, slots=True)
class GraphCard:
    """A graph as it heads the report."""

    name: str
    tokens: tuple[str, ...]
    n_left_out: int
    """Tokens beyond `MAX_TOKENS`."""
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SettingRow:
    """A setting, and its values where the graphs were labelled with several."""

    name: str
    values: tuple[str | None, ...]
    """None where it is not set."""


def make_card(one: RecordedGraph) -> GraphCard:
    """Describe a graph."""
    graph = one.graph
    tokens = graph.prompt_tokens
    facts = {
        "transcoders": graph.transcoder_identity.name,
        "revision": graph.transcoder_identity.revision or "",
        "written by": str(graph.flavour),
        "feature nodes": f"{len(graph.feature_nodes):,}",
        "features": f"{len(graph.features):,}",
        "links": f"{len(graph.document['links']):,}",
        "run": one.run.run_id,
        "clerp": one.run.clerp_version,
    }
    notes = list(graph.notes)
    if one.n_unrecorded:
        notes.append(f"{one.n_unrecorded} features of the graph are not in clerp's record of it")
    return GraphCard(
        name=graph.name,
        tokens=tokens[:MAX_TOKENS],
        n_left_out=max(0, len(tokens) - MAX_TOKENS),
        facts=tuple((name, value) for name, value in facts.items() if value),
        notes=tuple(notes),
    )


def join_settings(recorded: Sequence[RecordedGraph]) -> Iterator[SettingRow]:
    """List the settings of all graphs, each once."""
    listed = [list_settings(one.run) for one in recorded]
    for name in dict.fromkeys(name for settings in listed for name in settings):
        values = dict.fromkeys(settings.get(name) for settings in listed)
        if set(values) != {None}:
            yield SettingRow(name, tuple(values))


def list_notes(
    recorded: Sequence[RecordedGraph], features: Sequence[DistinctFeature]
) -> Iterator[str]:
    """Say what a reader should know before the figures."""
    if len({one.run.run_id for one in recorded}) < len(recorded):
        yield "Some of the graphs are the same labelled graph, given more than once."
    known = [f for f in features if f.evidence is not None]
    if not known:
        yield (
            "There are no activation examples in this report: none were found beside the graph. "
            "Name their folder to have them: clerp report GRAPH --features FOLDER"
        )
    others = sum(
        f.evidence is not None and f.evidence.digest != f.outcome.evidence_digest for f in known
    )
    if others:
        yield (
            f"The examples of {others:,} features are others than those that their labels rest on."
        )
