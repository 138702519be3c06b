"""What an NLA is asked about single features of a graph."""

from collections.abc import Sequence
from pathlib import Path

from clerp.config import Settings
from clerp.errors import UsageError
from clerp.event_loop import run_to_end
from clerp.feature import FeatureId
from clerp.ledger import open_ledger
from clerp.naming import make_terms
from clerp.nla import open_verbalizer
from clerp.pipeline import find_feature
from clerp.plugins import Verbalizer
from clerp.pool import Pool, read_pools
from clerp.progress import ReportProgress
from clerp.proposing import OF_MODELS, check_method
from clerp.verbalizers.outcome import FeatureVerbalization
from clerp.verbalizing import NlaRequest, open_nla


def ask_about(
    graph: Path,
    features: Sequence[str],
    request: NlaRequest,
    settings: Settings,
    report: ReportProgress,
) -> dict[FeatureId, FeatureVerbalization]:
    """Ask an NLA about features of a graph.

    Args:
        graph: Its file.
        features: `14_2268`, or ids of nodes.
        request: What is asked.
        settings: Name the NLA, the evidence, the ledger and, for some methods, a model.
        report: Is told how far this is.

    Returns:
        For each feature, in the order given, what was said or why nothing was.

    Raises:
        ClerpError: The graph, a feature, the NLA or a setting cannot be used.
    """
    _check(request, settings)
    verbalizer = open_verbalizer(settings)
    (pool,) = read_pools([graph], settings, report)
    wanted = list(dict.fromkeys(find_feature(pool.graphs[0], named) for named in features))
    said = _ask(pool, wanted, verbalizer, request, settings, report)
    return {feature: said[feature] for feature in wanted}


def _check(request: NlaRequest, settings: Settings) -> None:
    check_method(request.method, request.kind)
    if request.method in OF_MODELS and not settings.llm:
        raise UsageError(
            f"the method {request.method} asks a language model, and none is named",
            remedy="Name one: --llm anthropic/claude-sonnet-4-5",
        )


def _ask(
    pool: Pool,
    features: Sequence[FeatureId],
    verbalizer: Verbalizer,
    request: NlaRequest,
    settings: Settings,
    report: ReportProgress,
) -> dict[FeatureId, FeatureVerbalization]:
    async def ask() -> dict[FeatureId, FeatureVerbalization]:
        terms = make_terms(settings)
        async with open_nla(verbalizer, settings, ledger, request.method, terms) as nla:
            return await nla.ask(pool, features, request, report)

    with open_ledger(settings.ledger) as ledger:
        return run_to_end(ask)
