"""Ordinary text, with which the router compares what stands around a feature's peaks.

It is counted once, frozen in files and named by their digests, so that what a feature scores
depends on nothing but its own evidence.
"""

from typing import TYPE_CHECKING

from clerp.lazy import import_when_used

if TYPE_CHECKING:
    from clerp.ordinary.contexts import OrdinaryContexts, join_sides
    from clerp.ordinary.corpus import Document, read_documents
    from clerp.ordinary.loading import load_contexts, load_ordinary
    from clerp.ordinary.making import build_ordinary, write_ordinary
    from clerp.ordinary.means import Side
    from clerp.ordinary.text import OrdinaryText

__all__ = [
    "Document",
    "OrdinaryContexts",
    "OrdinaryText",
    "Side",
    "build_ordinary",
    "join_sides",
    "load_contexts",
    "load_ordinary",
    "read_documents",
    "write_ordinary",
]

_HOMES = {
    "Document": "corpus",
    "OrdinaryContexts": "contexts",
    "OrdinaryText": "text",
    "Side": "means",
    "build_ordinary": "making",
    "join_sides": "contexts",
    "load_contexts": "loading",
    "load_ordinary": "loading",
    "read_documents": "corpus",
    "write_ordinary": "making",
}

# The command line imports this package to know its command, and nothing that counts or reads.
__getattr__ = import_when_used(__name__, _HOMES)
