"""The tokenizer of a graph, from this machine only: a graph's file must not start a download."""

import textwrap
from pathlib import Path

import huggingface_hub
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from clerp.errors import GraphError

_REMEDY = (
    "Load it once online with transformers.AutoTokenizer, or write the graph as JSON with "
    "circuit_tracer.utils.create_graph_files where it was made"
)


def load_tokenizer(name: str, where: str) -> PreTrainedTokenizerBase:
    """Load a tokenizer from a folder or from HuggingFace's cache.

    Args:
        name: Folder, or name on the hub.
        where: The graph that names it.

    Raises:
        GraphError: It is not on this machine, broken, or needs code of its own.
    """
    folder = _find_folder(name, where)
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # raised again: tokenizers has no class of its own for its errors
        fault = textwrap.shorten(str(error).partition("\n")[0], 200, placeholder=" ...")
        raise GraphError(
            f"the tokenizer {name!r} cannot be loaded: {fault}", where=where, remedy=_REMEDY
        ) from error


def _find_folder(name: str, where: str) -> Path:
    """Find where a tokenizer is stored.

    By its folder, transformers 4.57 loads it and stays offline. By its name on the hub it asks the
    hub about every large vocabulary, although it is told to use local files only.
    """
    try:
        if name and Path(name).is_dir():
            return Path(name)
        return Path(huggingface_hub.snapshot_download(name, local_files_only=True))
    except (OSError, ValueError) as error:
        raise GraphError(
            f"the tokenizer {name!r} is not on this machine", where=where, remedy=_REMEDY
        ) from error
