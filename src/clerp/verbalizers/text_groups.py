"""Passages of one text together, so that a server that takes text reads it once."""

from collections.abc import Sequence

from clerp.verbalizers.verbalization import Passage


def group_passages(passages: Sequence[Passage], most: int) -> list[list[int]]:
    """Put passages together that are the beginning of another one.

    Those of which nobody knows how many tokens they have stand alone: they are found by their end.

    Args:
        passages: In any order.
        most: In a group.

    Returns:
        Their numbers: of the longest one first, in each group and among groups.
    """
    groups: list[list[int]] = []
    longest_first = sorted(range(len(passages)), key=lambda i: (-len(passages[i].text), i))
    for number in longest_first:
        passage = passages[number]
        fitting = (
            group
            for group in groups
            if len(group) < most
            and passage.n_tokens is not None
            and passages[group[0]].n_tokens is not None
            and passages[group[0]].text.startswith(passage.text)
        )
        found = next(fitting, None)
        if found is None:
            groups.append([number])
        else:
            found.append(number)
    return groups
