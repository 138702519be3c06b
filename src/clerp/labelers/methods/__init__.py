"""Ways to ask a language model for the name of a feature, one small file each."""

from collections.abc import Mapping
from types import MappingProxyType

from clerp.errors import UsageError
from clerp.labelers.methods.acts_top20 import ActsTop20
from clerp.labelers.methods.baez import Baez
from clerp.labelers.methods.choice import list_held_out
from clerp.labelers.methods.max_act_logits import MaxActLogits
from clerp.labelers.methods.method import Method, Question, frame_question
from clerp.labelers.methods.small_llm import SmallLlm
from clerp.labelers.methods.token_act_pairs import TokenActPairs

METHODS: Mapping[str, Method] = MappingProxyType(
    {method.name: method for method in (MaxActLogits(), ActsTop20(), TokenActPairs(), SmallLlm())}
)
"""By name, the default first."""

# They make names of what an NLA says, and of evidence alone none: no setting offers them.
_OF_DESCRIPTIONS: Mapping[str, Method] = MappingProxyType(
    {method.name: method for method in (Baez("baez"), Baez("baez_last"))}
)

__all__ = [
    "METHODS",
    "Method",
    "Question",
    "find_description_method",
    "find_method",
    "frame_question",
    "list_held_out",
]


def find_method(name: str) -> Method:
    """Return the method of this name that makes a name of evidence.

    Raises:
        UsageError: There is none.
    """
    return _find(name, METHODS)


def find_description_method(name: str) -> Method:
    """Return the method of this name that makes a name of what an NLA says.

    Raises:
        UsageError: There is none.
    """
    return _find(name, _OF_DESCRIPTIONS)


def _find(name: str, methods: Mapping[str, Method]) -> Method:
    if name not in methods:
        raise UsageError(
            f"there is no method {name!r}", remedy=f"Known methods: {', '.join(methods)}"
        )
    return methods[name]
