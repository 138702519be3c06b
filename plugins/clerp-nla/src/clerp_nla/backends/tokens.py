"""Whether a server's tokens are those of the evidence."""

# How tokenizers write a space, and a line break.
_MARKS = str.maketrans({"▁": " ", "Ġ": " ", "Ċ": "\n"})


def is_same_token(one: str, other: str) -> bool:
    """Say whether two ways to write a token mean the same; space around it does not count."""
    ours, theirs = (token.translate(_MARKS) for token in (one, other))
    return ours.strip() == theirs.strip() if ours.strip() else ours == theirs
