"""Models in repositories of the HuggingFace Hub, kept in its cache."""

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from clerp.errors import PluginError

MODULES = "modules.json"
"""The list of a model's modules, which makes a folder one of a sentence-transformers model."""

# No code, and no weights in formats that are not loaded. The modules behind the transformer are
# often pickled still, and read as tensors only.
_FILES = ("*.json", "*.txt", "*.jinja", "*.model", "*.safetensors", "*/pytorch_model.bin")


def fetch_modules(repository: str) -> Path:
    """Fetch the list of a model's modules, below a folder that is named by its commit.

    What is here already stays: a run makes its embedder several times, and main may move.

    Raises:
        PluginError: The repository has none, or cannot be asked.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    fetch = partial(hf_hub_download, repository, MODULES, cache_dir=_find_cache())
    with suppress(LocalEntryNotFoundError):
        return Path(fetch(local_files_only=True))
    with _explaining(repository):
        return Path(fetch())


def fetch_model(repository: str, commit: str) -> Path:
    """Fetch what is still missing of a commit, or return what is here if nobody answers.

    Raises:
        PluginError: There is nothing here, or a file cannot be fetched.
    """
    from huggingface_hub import snapshot_download

    with _explaining(repository):
        fetched = snapshot_download(
            repository, revision=commit, allow_patterns=list(_FILES), cache_dir=_find_cache()
        )
    return Path(fetched)


def _find_cache() -> str | None:
    # Where sentence-transformers itself looks; None is the Hub's own.
    return os.environ.get("SENTENCE_TRANSFORMERS_HOME")


@contextmanager
def _explaining(repository: str) -> Generator[None]:
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    try:
        yield
    except LocalEntryNotFoundError as fault:
        raise PluginError(
            f"the model {repository!r} is not on this machine, and the Hub cannot be reached",
            remedy="Name a folder, or write sentence-transformers:minilm, which needs no network",
        ) from fault
    except EntryNotFoundError as fault:
        raise PluginError(
            f"the repository {repository!r} holds no sentence-transformers model: no {MODULES}",
            remedy="Name one of https://huggingface.co/models?library=sentence-transformers",
        ) from fault
    except OSError as fault:
        reason = str(fault).splitlines()
        raise PluginError(
            f"the Hub does not give the model {repository!r}: {' '.join(reason[:3])[:300]}",
            remedy="Check the name; for a private or gated repository set HF_TOKEN",
        ) from fault
