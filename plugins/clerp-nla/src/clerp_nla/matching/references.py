"""Texts whose residuals say what is usual at block K."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from clerp.errors import InputError

REFERENCE_FILE = "reference.txt"
N_REFERENCES = 512
"""Residuals that mean and variance are taken of."""
_FEWEST = 128
_MAX_BYTES = 2**22


@dataclass(frozen=True, slots=True)
class ReferenceTexts:
    """Texts, each of which is read at its end."""

    name: str
    """Whose they are, with a digest: for records."""
    texts: tuple[str, ...]


def load_reference_texts(folder: Path | None, n: int = N_REFERENCES) -> ReferenceTexts:
    """Load the texts that come with a pair, else clerp's ordinary text.

    Ordinary text says little of a model that never read English. The folder of such a pair holds
    `reference.txt`, one text a line, of the kind that the pair was trained on but was not shown.

    Args:
        folder: Of the pair; None where it has none of its own.
        n: How many at most; those of a longer list stand at equal distances in it.

    Raises:
        InputError: The file is no text, too large, or has fewer than 128 lines.
    """
    path = folder / REFERENCE_FILE if folder is not None else None
    if path is not None and path.is_file():
        return _read(path, n)
    from clerp.ordinary.passages import load_passages

    passages = load_passages()
    texts = ["".join(tokens) for tokens in passages.tokens]
    return ReferenceTexts(passages.name, _spread(texts, n))


def _read(path: Path, n: int) -> ReferenceTexts:
    with path.open("rb") as file:
        content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise InputError(f"larger than {_MAX_BYTES} bytes", where=str(path))
    try:
        lines = content.decode("utf-8").splitlines()
    except UnicodeDecodeError as fault:
        raise InputError(f"no UTF-8: {fault.reason}", where=str(path)) from fault
    texts = [line for line in lines if line.strip()]
    if len(texts) < _FEWEST:
        raise InputError(
            f"{len(texts)} texts, and a reference takes {_FEWEST}",
            where=str(path),
            remedy="Write one text a line, or remove the file to take clerp's ordinary text",
        )
    digest = hashlib.sha256(content).hexdigest()[:12]
    return ReferenceTexts(f"{REFERENCE_FILE}@{digest}", _spread(texts, n))


def _spread(texts: list[str], n: int) -> tuple[str, ...]:
    if len(texts) <= n:
        return tuple(texts)
    return tuple(texts[number * len(texts) // n] for number in range(n))
