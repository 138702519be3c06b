"""Documents of a HuggingFace data set, streamed."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zstandard
from datasets import load_dataset
from datasets.exceptions import DatasetsError
from datasets.utils import logging as datasets_logging
from huggingface_hub import HfApi

from clerp.errors import InputError, RemoteError, UsageError
from clerp_circuit_tracer.collect.documents import (
    Mileage,
    cut_pieces,
    digest_files,
    digest_texts,
    take_text,
)

_DEFAULT_SPLIT = "train"
_DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError)
_FORM = "Write hf:NAME, hf:NAME:CONFIG or hf:NAME:CONFIG:SPLIT; CONFIG may be empty"


@dataclass(slots=True)
class StreamedDataset:
    """Rows of one split at one revision; the text of each is one document."""

    name: str
    config: str
    split: str
    revision: str | None
    """Commit on the hub; None for a folder."""
    text_field: str
    mileage: Mileage = field(default_factory=Mileage)

    def identify(self) -> str:
        """Return the digest of the settings and, for a folder, of its files."""
        settings = (self.config, self.split, self.text_field)
        if self.revision is not None:
            return digest_texts(self.name, self.revision, *settings)
        files = sorted(path for path in Path(self.name).rglob("*") if path.is_file())
        return digest_texts(digest_files(files), *settings)

    def __iter__(self) -> Iterator[Iterator[str]]:
        """Yield the pieces of each row's text.

        Raises:
            RemoteError: The hub did not answer.
            InputError: There is no such part, or a row has no text.
        """
        for number, record in enumerate(self._read_records()):
            where = f"{self.name} ({self.split}): row {number}"
            yield cut_pieces([take_text(record, self.text_field, where)])

    def _read_records(self) -> Iterator[Any]:
        try:
            with _quiet():
                yield from load_dataset(
                    self.name,
                    self.config or None,
                    split=self.split,
                    revision=self.revision,
                    streaming=True,
                )
        except _DAMAGED as fault:
            raise InputError(
                f"the data set has damaged files: {fault}",
                where=self.name,
                remedy="Name another, or mend it where it is kept",
            ) from fault
        except StopIteration as fault:
            # What `datasets` raises where it finds no first record.
            raise InputError(
                "the data set has no record that can be read", where=self.name, remedy=_FORM
            ) from fault
        except OSError as fault:
            raise RemoteError(
                f"the data set cannot be read: {fault}",
                where=self.name,
                remedy="Check the network and HF_TOKEN; the same command continues",
            ) from fault
        except (ValueError, DatasetsError) as fault:
            raise InputError(
                f"the data set cannot be read: {fault}", where=self.name, remedy=_FORM
            ) from fault


def open_dataset(reference: str, text_field: str) -> StreamedDataset:
    """Open a data set and pin its revision, so that an interrupted run meets the same rows.

    Args:
        reference: `NAME[:CONFIG][:SPLIT]`; the name is one on the hub or a folder.
        text_field: Column of the text.

    Raises:
        UsageError: The reference is none.
        RemoteError: The hub does not know it or did not answer.
    """
    name, *parts = reference.split(":")
    config, split = (*parts, "", "")[:2]
    if not name or len(parts) > 2:
        raise UsageError("no data set is named", where=f"hf:{reference}", remedy=_FORM)
    revision = None if Path(name).is_dir() else _resolve_revision(name)
    return StreamedDataset(name, config, split or _DEFAULT_SPLIT, revision, text_field)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep `datasets` from writing to stderr what is raised as an error here."""
    before = datasets_logging.get_verbosity()
    datasets_logging.set_verbosity(datasets_logging.CRITICAL)
    try:
        yield
    finally:
        datasets_logging.set_verbosity(before)


def _resolve_revision(name: str) -> str:
    try:
        revision = HfApi().dataset_info(name).sha
    except (OSError, ValueError) as fault:
        raise RemoteError(
            f"HuggingFace gave no data set: {fault}",
            where=f"hf:{name}",
            remedy="Check the name, the network and HF_TOKEN",
        ) from fault
    if revision is None:
        raise RemoteError("HuggingFace named no revision", where=f"hf:{name}")
    return revision
