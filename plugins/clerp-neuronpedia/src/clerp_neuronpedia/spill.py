"""Lines of the features that were asked for, kept on disk while files are read."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, get_args

from clerp.errors import EvidenceError
from clerp.feature import FeatureId

Part = Literal["features", "activations", "explanations"]
PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an export and whose it is."""

    feature: FeatureId
    part: Part
    content: bytes


@dataclass(frozen=True, slots=True)
class Lines:
    """All lines of one feature, in the order in which they were read."""

    features: list[bytes] = field(default_factory=list[bytes])
    activations: list[bytes] = field(default_factory=list[bytes])
    explanations: list[bytes] = field(default_factory=list[bytes])


class Spill:
    """A temporary SQLite file without a name, gone when it is closed. A context manager.

    Raises:
        EvidenceError: There is no room for it.
    """

    def __init__(self) -> None:
        with _explain():
            # The empty name is SQLite's for a private file, which outgrows memory onto the disk.
            self._connection = sqlite3.connect("", isolation_level=None)
            self._connection.execute("PRAGMA journal_mode = OFF")
            self._connection.execute("CREATE TABLE lines (feature TEXT, part TEXT, content BLOB)")

    def __enter__(self) -> "Spill":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def fill(self, lines: Iterable[Line]) -> None:
        """Take in all lines; once.

        Raises:
            EvidenceError: There is no room for them.
        """
        with _explain():
            self._connection.execute("BEGIN")
            self._connection.executemany(
                "INSERT INTO lines VALUES (?, ?, ?)",
                ((str(line.feature), line.part, line.content) for line in lines),
            )
            # Made at the end, it is sorted once instead of grown at random.
            self._connection.execute("CREATE INDEX by_feature ON lines (feature)")
            self._connection.execute("COMMIT")

    def take(self, feature: FeatureId) -> Lines:
        """Return the lines of one feature."""
        taken = Lines()
        with _explain():
            rows = self._connection.execute(
                "SELECT part, content FROM lines WHERE feature = ? ORDER BY rowid", (str(feature),)
            )
            for part, content in rows:
                getattr(taken, part).append(content)
        return taken


@contextmanager
def _explain() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise EvidenceError(
            f"the temporary file of the lines that are wanted cannot be used ({error})",
            remedy="Make room, or set TMPDIR to a folder on a larger disk",
        ) from error
