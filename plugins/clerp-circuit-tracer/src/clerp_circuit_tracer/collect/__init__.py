"""Evidence of transcoders that have none: a model run over a corpus."""

from clerp_circuit_tracer.collect.collection import CollectionFacts
from clerp_circuit_tracer.collect.job import JobProgress, collect
from clerp_circuit_tracer.collect.settings import CollectSettings
from clerp_circuit_tracer.collect.transcoders import Hooks

__all__ = ["CollectSettings", "CollectionFacts", "Hooks", "JobProgress", "collect"]
