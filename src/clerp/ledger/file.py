"""The file of an open ledger."""

from dataclasses import dataclass
from pathlib import Path

from clerp.errors import LedgerError
from clerp.ledger.place import mask_password


@dataclass(frozen=True, slots=True)
class LedgerFile:
    """A file by its name, and which one it was when it was opened."""

    path: Path
    device: int
    inode: int

    @staticmethod
    def of(path: Path) -> "LedgerFile":
        """Take the file that has this name now."""
        found = path.stat()
        return LedgerFile(path.absolute(), found.st_dev, found.st_ino)

    def check(self) -> None:
        """Check that it still has its name: what is written into a deleted file is gone.

        Raises:
            LedgerError: It was deleted, or another one is in its place.
        """
        try:
            found = self.path.stat()
        except OSError as fault:
            raise self._report("was deleted or cannot be reached") from fault
        if (found.st_dev, found.st_ino) != (self.device, self.inode):
            raise self._report("was replaced by another file")

    def _report(self, what: str) -> LedgerError:
        return LedgerError(
            f"the ledger {what} while it was open; nothing more is written",
            where=mask_password(str(self.path)),
            remedy="Put it back, then run the same command again",
        )
