"""The same checks on what an entry point gives."""

from collections.abc import Callable

from clerp.plugins import Kind, find
from clerp.testing.contract import require
from clerp.testing.embedders import check_embedder
from clerp.testing.groupers import check_grouper
from clerp.testing.labelers import check_labeler
from clerp.testing.readers import check_reader
from clerp.testing.sources import check_source
from clerp.testing.verbalizers import check_verbalizer

_CHECKS: dict[Kind, Callable[..., object]] = {
    "readers": check_reader,
    "sources": check_source,
    "embedders": check_embedder,
    "labelers": check_labeler,
    "verbalizers": check_verbalizer,
    "groupers": check_grouper,
}


def check_registered(kind: Kind, name: str, **given: object) -> None:
    """Find an installed plugin as clerp finds it and run the check of its kind on it.

    Args:
        kind: For example `labelers`.
        name: `NAME` or `NAME:ARGUMENT`, as on the command line.
        given: What the check takes beside the plugin, by name: `source` and `unreadable` of
            `check_reader`, `features` of `check_source`, `graph` of `check_grouper`, `claim` and
            `passages` of `check_verbalizer`, `requests` of `check_labeler`.

    Raises:
        PluginError: Nobody or more than one registers the name, or a dependency is missing.
        ContractError: The plugin breaks the contract, or is called otherwise when it is made again.
    """
    plugin = find(kind, name)
    # Before it is used: a source may add the revision that it reads.
    called, again = (getattr(made, "name", None) for made in (plugin, find(kind, name)))
    require(called == again, f"{name!r} is called {called!r} and, made again, {again!r}")
    _CHECKS[kind](plugin, **given)
