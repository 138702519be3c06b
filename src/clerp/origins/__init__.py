"""Where activation examples of a graph's transcoders are kept, as far as the graph tells."""

from clerp.origins.origin import Origin, list_origins, normalise_set

__all__ = ["Origin", "list_origins", "normalise_set"]
