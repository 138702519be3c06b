"""What labelling would cost, before anything is asked."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from clerp.config import Settings
from clerp.evidence import FeatureEvidence
from clerp.labelers.combined import FallbackLabeler, RefiningLabeler
from clerp.labelers.llm import LlmLabeler, Preview
from clerp.ledger import Ledger
from clerp.llm.costs import Estimate, estimate_run
from clerp.llm.transport import MAX_TOKENS
from clerp.naming import open_labelers
from clerp.pool import Pool
from clerp.requests import Requests
from clerp.router import Tier


async def estimate_pools(
    pools: Iterable[Pool], settings: Settings, ledger: Ledger
) -> Mapping[Tier, Estimate]:
    """Estimate the calls that the ledger does not save, by tier.

    Raises:
        ClerpError: The ledger could not be read, or a setting cannot be used.
    """
    previews: defaultdict[Tier, list[Preview]] = defaultdict(list)
    async with open_labelers(settings, ledger, ask=False) as labelers:
        for pool in pools:
            requests = Requests(pool, settings)
            for feature, route in pool.routes.items():
                labeler = labelers.get(route.tier)
                known = isinstance(pool.known[feature], FeatureEvidence)
                verdict = pool.reviewed.get(feature)
                is_named = verdict is not None and verdict.label is not None
                if is_named or route.role == "artefact" or not known:
                    continue
                if isinstance(labeler, LlmLabeler | RefiningLabeler | FallbackLabeler):
                    preview = await labeler.preview(await requests.make(feature))
                    if preview is not None:
                        previews[route.tier].append(preview)
    return {tier: _add_up(found) for tier, found in sorted(previews.items())}


def _add_up(previews: list[Preview]) -> Estimate:
    prompts = (preview.prompt for preview in previews)
    return estimate_run(prompts, previews[0].price, MAX_TOKENS)
