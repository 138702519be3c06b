"""Name every feature of an attribution graph, cheaply and checkably."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clerp.labeled import LabeledGraph
    from clerp.pipeline import label, route

__all__ = ["LabeledGraph", "label", "route"]

_HOMES = {"LabeledGraph": "clerp.labeled", "label": "clerp.pipeline", "route": "clerp.pipeline"}


def __getattr__(name: str) -> object:
    # `import clerp` stays cheap: what is public is imported when it is first used.
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'clerp' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
