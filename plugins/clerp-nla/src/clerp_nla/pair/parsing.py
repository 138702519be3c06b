"""The explanation in what an actor wrote."""

from clerp.verbalizers import Verbalization

OPENING, CLOSING = "<explanation>", "</explanation>"
MAX_CHARS = 20_000
"""Of what is kept; a token of some vocabularies stands for a hundred blanks."""


def parse_explanation(raw: str, *, n_tokens: int, cut_off: bool) -> Verbalization:
    """Find the explanation between its tags.

    Args:
        raw: What the actor wrote, without its prompt, which has an opening tag too.
        n_tokens: That it wrote.
        cut_off: Whether it was stopped before it came to an end.
    """
    _, opening, rest = raw.partition(OPENING)
    text, closing, _ = rest.partition(CLOSING)
    text = text.strip()
    fault = ""
    if not opening:
        fault = "no opening tag"
    elif not closing:
        fault = "no closing tag"
    elif not text:
        fault = "empty"
    elif len(text) > MAX_CHARS:
        fault = f"longer than {MAX_CHARS:,} characters"
    if cut_off and not closing:
        fault = f"cut off at {n_tokens} tokens"
    return Verbalization("" if fault else text, raw[:MAX_CHARS], fault, n_tokens)
