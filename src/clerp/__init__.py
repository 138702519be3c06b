"""Name every feature of an attribution graph, cheaply and checkably."""

from typing import TYPE_CHECKING

from clerp.lazy import import_when_used

if TYPE_CHECKING:
    from clerp.grouped import GroupedGraph
    from clerp.labeled import LabeledGraph
    from clerp.pipeline import label, route

__all__ = ["GroupedGraph", "LabeledGraph", "label", "route"]

_HOMES = {
    "GroupedGraph": "grouped",
    "LabeledGraph": "labeled",
    "label": "pipeline",
    "route": "pipeline",
}

# `import clerp` stays cheap: what is public is imported when it is first used.
__getattr__ = import_when_used(__name__, _HOMES)
