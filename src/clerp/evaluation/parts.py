"""Features to look at while working on a rule, and those kept unseen until it is done."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from clerp.errors import UsageError

if TYPE_CHECKING:
    from clerp.evaluation.truth import AnnotatedFeature

Part = Literal["work", "test", "all"]


def select_part(
    truth: "Sequence[AnnotatedFeature]", part: Part, path: Path
) -> "tuple[AnnotatedFeature, ...]":
    """Keep the features of a part; `all` keeps every one.

    Args:
        truth: What `read_truth` read.
        part: Which part.
        path: Where it was read, for messages.

    Raises:
        UsageError: Features have no part, or none has this one.
    """
    if part == "all":
        return tuple(truth)
    if any(annotated.part is None for annotated in truth):
        raise UsageError(
            "not every feature says whether it belongs to work or test",
            where=str(path),
            remedy="Leave out --part, or write the part into every line",
        )
    chosen = tuple(annotated for annotated in truth if annotated.part == part)
    if not chosen:
        raise UsageError(
            f"no feature belongs to the part {part!r}",
            where=str(path),
            remedy="Leave out --part, or choose the other one",
        )
    return chosen
