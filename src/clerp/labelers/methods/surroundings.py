"""What the graph at hand says of a feature, for a model that names it: off by default."""

from clerp.labelers.methods.data import MAX_CHARS_PER_TOKEN, MAX_WORD_CHARS, Value
from clerp.labelers.request import GraphContext
from clerp.labels import MAX_LABEL_CHARS

MAX_PROMPT_TOKENS = 64
MAX_NEIGHBOURS = 5
"""Names that a model is told."""

TASK = """\
prompt: where it fires now, <<so>>; neighbours: names of the features most tied to it there. They \
are context: a name must fit the examples."""


def describe_context(context: GraphContext) -> dict[str, Value]:
    """Return the prompt, cut short before the feature's last position, and its neighbours."""
    end = max(context.positions, default=len(context.tokens) - 1) + 1
    start = max(0, end - MAX_PROMPT_TOKENS)
    pieces = [
        f"<<{token[:MAX_WORD_CHARS]}>>" if i in context.positions else token
        for i, token in enumerate(context.tokens[start:end], start)
    ]
    return {
        "prompt": "".join(pieces)[-MAX_PROMPT_TOKENS * MAX_CHARS_PER_TOKEN :],
        "neighbours": [label[:MAX_LABEL_CHARS] for label in context.neighbours[:MAX_NEIGHBOURS]],
    }
