"""What the people who review in one ledger agreed on."""

from dataclasses import dataclass

import sqlalchemy as sa

from clerp.ledger.renewals import make_renewals
from clerp.ledger.tables import REVIEW_TERMS

MOST_ANNOTATORS = 1_000
_PARTS = 2**32
_AGREED = "agreed"
_RENEW = make_renewals(REVIEW_TERMS)


@dataclass(frozen=True, slots=True)
class ReviewTerms:
    """How many people judge a feature, and what they see of it before."""

    overlap: float = 0.0
    """Part of all features, 0 to 1, that several people judge, blind to each other; drawn by their
    keys, so that it is the same ones for everybody."""
    annotators: int = 2
    """How many judge each of them."""
    is_blind: bool = False
    """Nobody sees what clerp proposes of a feature before judging it."""

    def is_shared(self, item: str) -> bool:
        """Say whether several people judge a feature."""
        return self.overlap > 0 and int(item[:8], 16) < self.overlap * _PARTS

    def count_wanted(self, item: str) -> int:
        """Return how many people should judge a feature."""
        return self.annotators if self.is_shared(item) else 1


def read_terms(connection: sa.Connection) -> ReviewTerms:
    """Return what was agreed on last; without that every feature is judged by one."""
    row = connection.execute(sa.select(REVIEW_TERMS)).first()
    return ReviewTerms() if row is None else ReviewTerms(row.overlap, row.annotators, row.is_blind)


def write_terms(connection: sa.Connection, terms: ReviewTerms) -> None:
    """Put terms in the place of those before."""
    row = {
        "name": _AGREED,
        "overlap": terms.overlap,
        "annotators": terms.annotators,
        "is_blind": terms.is_blind,
    }
    connection.execute(_RENEW[connection.dialect.name], row)
