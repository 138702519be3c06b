"""What labelling would cost, before anything is asked."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from clerp.config import Settings
from clerp.evidence import FeatureEvidence
from clerp.labelers.combined import FallbackLabeler, RefiningLabeler
from clerp.labelers.llm import LlmLabeler, Preview
from clerp.labelers.methods import list_held_out
from clerp.ledger import Ledger
from clerp.llm.costs import Estimate, estimate_run
from clerp.llm.transport import MAX_TOKENS
from clerp.naming import open_labelers
from clerp.pool import Pool
from clerp.requests import Requests
from clerp.router import Tier
from clerp.verbalizers.choosing import choose_passages
from clerp.verbalizers.driving import N_BASELINE, N_RANDOM, Terms
from clerp.verbalizing import list_tier_3


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


@dataclass(frozen=True, slots=True)
class NlaEstimate:
    """What an NLA would be asked; how much of it the ledger saves cannot be told before."""

    features: int
    """Of tier 3, without artefacts."""
    residuals: int
    """To be described at most, where they fire and where they are off."""
    texts: int
    """To be written at most, with those of controls: without a vector, of random vectors and of
    ordinary residuals."""
    calls: int
    """That a language model would get at most, to make proposals of the texts."""


def estimate_nla(pools: Iterable[Pool], settings: Settings) -> NlaEstimate | None:
    """Estimate what an NLA would be asked; None where none is named."""
    if settings.nla is None:
        return None
    terms = Terms(n_examples=settings.nla_examples, n_samples=settings.nla_samples)
    known = [pool.known[feature] for pool in pools for feature in list_tier_3(pool)]
    asked = [evidence for evidence in known if isinstance(evidence, FeatureEvidence)]
    places = [
        choose_passages(one, terms.n_examples, terms.n_inactive, held_out=list_held_out(one))
        for one in asked
    ]
    firing = sum(len(one.active) for one in places)
    off = firing * terms.n_inactive
    n_calls = len(asked) if settings.llm else 0
    controls = 1 + N_RANDOM + N_BASELINE if firing else 0
    texts = firing * terms.n_texts + off + controls
    return NlaEstimate(len(asked), firing + off, texts, n_calls)


def _add_up(previews: list[Preview]) -> Estimate:
    prompts = (preview.prompt for preview in previews)
    return estimate_run(prompts, previews[0].price, MAX_TOKENS)
