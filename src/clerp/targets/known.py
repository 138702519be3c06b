"""The targets there are, by name."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from clerp.errors import UsageError
from clerp.targets.circuit_tracer import CircuitTracer
from clerp.targets.neuronpedia import Neuronpedia
from clerp.targets.table import Table
from clerp.targets.target import Target

_TARGETS: Mapping[str, Callable[[], Target]] = MappingProxyType(
    {"circuit-tracer": CircuitTracer, "neuronpedia": Neuronpedia, "table": Table}
)
_WITH_ARGUMENT: Mapping[str, Callable[[str], Target]] = MappingProxyType(
    {"neuronpedia": Neuronpedia}
)


def find_target(name: str) -> Target:
    """Find a target.

    Args:
        name: `circuit-tracer`, `neuronpedia`, `neuronpedia:MODEL` or `table`.

    Raises:
        UsageError: There is none of this name.
    """
    kind, colon, argument = name.partition(":")
    if colon and kind in _WITH_ARGUMENT:
        return _WITH_ARGUMENT[kind](argument)
    if name in _TARGETS:
        return _TARGETS[name]()
    raise UsageError(f"there is no target {name!r}", remedy=f"Known: {', '.join(_TARGETS)}")
