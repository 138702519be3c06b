"""What whoever groups or opens a graph should know."""

import re
from collections.abc import Iterator

from clerp.graph import AttributionGraph, shorten
from clerp.grouping import Grouping, read_names
from clerp.grouping.grouping import TOO_MANY
from clerp.viewer_address import COMMON_LIMIT, SERVER_LIMIT

# As circuit_tracer.utils.decode_url_features takes an id apart.
_THREE_NUMBERS = re.compile(r"-?\d+_-?\d+_-?\d+")


def list_notes(graph: AttributionGraph, grouping: Grouping, address: str) -> tuple[str, ...]:
    """Say what groupers lacked, which members no frontend shows, and who cannot read the address.

    Args:
        graph: The graph.
        grouping: Its supernodes and pins.
        address: That of circuit-tracer's frontend with both.
    """
    return (
        *_check_names(graph),
        *_check_size(grouping),
        *_check_pins(grouping),
        *_check_ids(grouping),
        *_check_length(address),
    )


def _check_names(graph: AttributionGraph) -> Iterator[str]:
    if not any(named.text for named in read_names(graph).values()):
        yield "no feature has a label: run clerp label first, or group by wiring (--grouper edges)"


def _check_size(grouping: Grouping) -> Iterator[str]:
    if excess := sum(member.reason == TOO_MANY for member in grouping.ungrouped):
        yield f"{excess:,} feature nodes were compared with no other: {TOO_MANY}"


def _check_pins(grouping: Grouping) -> Iterator[str]:
    members = {i for group in grouping.supernodes for i in group.node_ids}
    if unpinned := members - set(grouping.pins):
        yield (
            f"{len(unpinned)} of {len(members)} members are not pinned, so not shown: frontends "
            "show 200 nodes, what people pinned first, then what has most influence"
        )


def _check_ids(grouping: Grouping) -> Iterator[str]:
    for group in grouping.supernodes:
        odd = next((i for i in group.node_ids if not _THREE_NUMBERS.fullmatch(i)), None)
        if odd is not None:
            yield (
                f"circuit_tracer's decode_url_features stops at the address, for "
                f"{shorten(group.name)!r} has {shorten(odd)!r}; GroupedGraph.features() leaves "
                "such members out"
            )
            return


def _check_length(address: str) -> Iterator[str]:
    n_chars = len(address)
    if n_chars > SERVER_LIMIT:
        yield (
            f"the address has {n_chars:,} characters, and servers take {SERVER_LIMIT:,}: "
            "Neuronpedia reads supernodes from the file (--target neuronpedia)"
        )
    elif n_chars > COMMON_LIMIT:
        yield (
            f"the address has {n_chars:,} characters, and many servers take {COMMON_LIMIT:,}: "
            "open the graph on this machine (clerp open)"
        )
