"""What every reader of graphs that are no JSON is asked for."""

import json
from typing import cast

from clerp.errors import GraphError
from clerp.graph import read_graph
from clerp.plugins import Reader
from clerp.testing.contract import ContractError, blaming, check_shape, find_own_path, require


def check_reader(reader: object, source: object, *, unreadable: object) -> None:
    """Check that a reader keeps the contract of `clerp.plugins.Reader`.

    Args:
        reader: What the plugin's entry point returns.
        source: A path or an object that it reads.
        unreadable: One of the same kind that holds no graph.

    Raises:
        ContractError: It is no reader; it raises; what it returns is no attribution graph of plain
            JSON or holds a path of this machine; it does not read the same twice; or it meets what
            it cannot read with anything but GraphError.
    """
    check_shape(reader, "reader", "read")
    ready = cast(Reader, reader)
    subject = f"the reader {ready.name!r}"
    with blaming(subject):
        first, again = dict(ready.read(source)), dict(ready.read(source))
        written = json.dumps(first, allow_nan=False)
        read_graph(first)
    require(first == again, f"{subject} does not read the same twice")
    path = find_own_path(written, given=str(source))
    require(path is None, f"{subject} puts {path}, a folder of this machine, into the graph")
    try:
        with blaming(subject):
            ready.read(unreadable)
    except ContractError as blamed:
        require(isinstance(blamed.__cause__, GraphError), f"{blamed}: it raises GraphError")
    else:
        raise ContractError(f"{subject} read what holds no graph: it raises GraphError")
