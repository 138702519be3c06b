"""The address that hands pins and supernodes to circuit-tracer's frontend.

That frontend ignores the supernodes of a file and reads them from its address. Two readers decode
the address, each of them twice: `util.params.get` of the frontend (`URLSearchParams`, then
`decodeURIComponent`) and `circuit_tracer.utils.decode_url_features` (`unquote`, then `parse_qs`).
What either of them takes for syntax after its first pass is therefore encoded twice.
"""

import json
from collections.abc import Iterable, Sequence
from urllib.parse import quote

DEFAULT_BASE = "http://localhost:8046/"
"""Where the demos of circuit-tracer serve its frontend."""

COMMON_LIMIT = 8_192
"""Characters that proxies and servers commonly take in one line of a request (nginx: 8 KiB)."""
SERVER_LIMIT = 65_536
"""Characters of one request line that Python's `http.server` takes, on which circuit-tracer's
own server is built. Chromium asks for longer ones, and uvicorn takes some."""

_READ_AS_SYNTAX = str.maketrans({"%": "%25", "&": "%26", "#": "%23", "+": "%2B"})


def write_address(
    slug: str,
    pins: Iterable[str],
    supernodes: Iterable[Sequence[str]],
    base: str = DEFAULT_BASE,
) -> str:
    """Write the address under which the frontend shows a graph with its pins and supernodes.

    Args:
        slug: `metadata.slug` of the graph.
        pins: Node ids; the frontend shows the first 200.
        supernodes: For each its name, then the ids of its members.
        base: Where the frontend is served.
    """
    listed = [list(supernode) for supernode in supernodes]
    parameters = {
        "slug": slug,
        "pinnedIds": ",".join(pins),
        "supernodes": json.dumps(listed, ensure_ascii=False, separators=(",", ":")),
    }
    return f"{base}?{'&'.join(f'{key}={_encode(value)}' for key, value in parameters.items())}"


def _encode(text: str) -> str:
    return quote(text.translate(_READ_AS_SYNTAX), safe=",")
