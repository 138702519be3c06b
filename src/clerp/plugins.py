"""The whole extension contract: what each kind of plugin is asked for, and how it is found.

A plugin is a distribution with an entry point in the group of its kind, for example::

    [project.entry-points."clerp.labelers"]
    hello = "clerp_hello:HelloLabeler"

The entry point names a callable that takes the text after the colon of `NAME:ARGUMENT` (empty when
there is none) and returns the object described by the Protocol. It is imported when its name is
asked for and not before. clerp's own parts come in through the same door. `clerp.testing` has the
checks that a plugin's author runs.

Commands of the command line come in through the group `clerp.commands`: there the entry point names
a function whose parameters typer reads.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    Protocol,
    cast,
    get_args,
    overload,
    runtime_checkable,
)

from clerp.errors import PluginError

if TYPE_CHECKING:
    from jaxtyping import Float32
    from numpy import ndarray

    from clerp.evidence import EvidenceGap, FeatureEvidence
    from clerp.feature import FeatureId
    from clerp.graph import AttributionGraph
    from clerp.grouping import Named, Supernode
    from clerp.labelers import LabelRequest
    from clerp.labels import Abstention, Label
    from clerp.ledger import Ledger
    from clerp.verbalizers import (
        Explained,
        Extraction,
        Missed,
        ModelClaim,
        PairIdentity,
        Passage,
        Sampling,
        Verbalization,
    )

Kind = Literal["readers", "sources", "embedders", "labelers", "verbalizers", "groupers"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_COMMANDS = "commands"

# importlib_metadata, where something imports it, puts entry points of its own class in place.
_Entry = Any

# Who to install for what clerp's documentation names.
_OWNERS = {
    ("readers", ".pt"): "clerp-circuit-tracer",
    ("readers", "circuit_tracer.graph.Graph"): "clerp-circuit-tracer",
    ("embedders", "sentence-transformers"): "clerp-sentence-transformers",
    ("sources", "huggingface"): "clerp-circuit-tracer",
    ("verbalizers", "nla"): "clerp-nla",
    ("verbalizers", "nla-server"): "clerp-nla",
    ("verbalizers", "neuronpedia-nla"): "clerp-nla",
    ("verbalizers", "recorded-nla"): "clerp-nla",
    ("sources", "neuronpedia"): "clerp-neuronpedia",
    ("sources", "neuronpedia-export"): "clerp-neuronpedia",
    (_COMMANDS, "collect"): "clerp-circuit-tracer",
    (_COMMANDS, "verbalize"): "clerp-nla",
}


@runtime_checkable
class Reader(Protocol):
    """Attribution graphs that are no JSON.

    Its entry point is named by a file's suffix (`.pt`) or by the class of an object
    (`circuit_tracer.graph.Graph`).
    """

    name: str

    def read(self, source: object) -> Mapping[str, object]:
        """Return the graph as parsed JSON.

        Args:
            source: Path of the file, or the object.

        Raises:
            GraphError: It cannot be read, or not safely.
        """
        ...


@runtime_checkable
class Source(Protocol):
    """Where activation examples are read from; one that asks a server is a `Remote` too."""

    name: str
    """What an output calls this source; never a path of this machine."""

    def read(self, features: "Iterable[FeatureId]") -> "Iterator[FeatureEvidence | EvidenceGap]":
        """Yield evidence, or the reason why there is none, once for each feature, in order."""
        ...


@runtime_checkable
class Remote(Protocol):
    """A source that reads over the network and keeps what it read."""

    def offline(self) -> Source:
        """Return the same source, which answers from what was kept and asks nobody.

        It raises MissingEvidenceError where not even an index was kept.
        """
        ...


@runtime_checkable
class Embedder(Protocol):
    """Windows of text to vectors."""

    name: str
    """Name and revision; scores of two embedders are never compared."""

    def embed(self, texts: Sequence[str]) -> "Float32[ndarray, 'text dimension']":
        """Return one row for each text; a text without any known token may be a row of zeros."""
        ...


@runtime_checkable
class Labeler(Protocol):
    """A feature's evidence and route to a label."""

    @property
    def name(self) -> str:
        """The method that stands beside every label, for example `token-frequency`."""
        ...

    async def label(self, request: "LabelRequest") -> "Label | Abstention":
        """Return a label, or decline with a reason.

        Raises:
            LabelerError: The labeler broke; the feature is `failed` and its text no label.
        """
        ...


@runtime_checkable
class Ledgered(Protocol):
    """A labeler that pays for its answers and so keeps them in the ledger."""

    def with_ledger(self, ledger: "Ledger", *, ask: bool = True) -> Labeler:
        """Return the same labeler, reading and recording its answers there.

        Args:
            ledger: An open one.
            ask: False makes it use only what is there, and raise LabelerError for the rest.
        """
        ...

    def show_prompt(self, request: "LabelRequest") -> str:
        """Return what it asks of a feature, as a person reads it."""
        ...

    async def aclose(self) -> None:
        """Close its connections; called once, in the event loop that labelled."""
        ...


@runtime_checkable
class Verbalizer(Protocol):
    """A natural language autoencoder: what there is to check it, and what it says."""

    name: str
    """Its kind and whose it is, for records; never a path or an address."""

    def check(self, claim: "ModelClaim") -> "PairIdentity":
        """Say which pair it is, if it fits the model of a graph.

        Raises:
            NotAvailableError: It was made for another model, or cannot be shown to work on this
                one. Nothing is described then.
        """
        ...


@runtime_checkable
class VectorVerbalizer(Verbalizer, Protocol):
    """One that takes vectors, so that controls can be run.

    What one may offer besides stands in `clerp.verbalizers.recording` (residuals of ordinary text,
    which one of several it is) and `clerp.verbalizers.features` (transcoders that run beside it).
    """

    async def extract(self, passages: "Sequence[Passage]") -> "Sequence[Extraction | Missed]":
        """Return the residual at the end of each passage, in order."""
        ...

    async def describe(
        self, vectors: "Float32[ndarray, 'vector d_model']", sampling: "Sampling"
    ) -> "Sequence[Verbalization]":
        """Return what the actor says of each vector; of their length nothing is used."""
        ...

    async def compare(
        self, texts: Sequence[str], vectors: "Float32[ndarray, 'vector d_model']"
    ) -> "Float32[ndarray, 'text vector']":
        """Return the cosine of the critic's reconstruction of each text with each vector."""
        ...

    async def describe_nothing(self, sampling: "Sampling") -> "Verbalization":
        """Return what the actor says where no vector is put in."""
        ...


@runtime_checkable
class PassageVerbalizer(Verbalizer, Protocol):
    """One that takes text alone and keeps the residuals to itself."""

    async def explain(
        self, passages: "Sequence[Passage]", sampling: "Sampling"
    ) -> "Sequence[Explained | Missed]":
        """Return what the actor says of the end of each passage, in order."""
        ...


@runtime_checkable
class Grouper(Protocol):
    """A labelled graph to supernodes."""

    name: str

    def group(
        self, graph: "AttributionGraph", names: "Mapping[FeatureId, Named]"
    ) -> "Sequence[Supernode]":
        """Return disjoint groups of feature nodes; of equal names clerp makes different ones."""
        ...


@dataclass(frozen=True, slots=True)
class Registered:
    """One entry of `clerp plugins`."""

    kind: Kind | Literal["commands"]
    name: str
    distribution: str
    version: str


@overload
def find(kind: Literal["readers"], name: str) -> Reader: ...
@overload
def find(kind: Literal["sources"], name: str) -> Source: ...
@overload
def find(kind: Literal["embedders"], name: str) -> Embedder: ...
@overload
def find(kind: Literal["labelers"], name: str) -> Labeler: ...
@overload
def find(kind: Literal["verbalizers"], name: str) -> Verbalizer: ...
@overload
def find(kind: Literal["groupers"], name: str) -> Grouper: ...
def find(kind: Kind, name: str) -> object:
    """Make the plugin called `NAME` or `NAME:ARGUMENT`.

    Raises:
        PluginError: Nobody or more than one registers the name, or a dependency is missing.
    """
    registered, _, argument = name.partition(":")
    entry = _entry(kind, registered)
    with _naming_what_is_missing(kind, entry):
        return cast(Callable[[str], object], entry.load())(argument)


def find_reader(source: object) -> Reader | None:
    """Make the reader of a file, by its suffix, or of an object, by its class or a base of it.

    Raises:
        PluginError: More than one registers it, or a dependency is missing.
    """
    if isinstance(source, str | Path):
        names = [Path(source).suffix.lower()]
    else:
        names = [f"{base.__module__}.{base.__qualname__}" for base in type(source).__mro__]
    for name in names:
        if is_registered("readers", name) or ("readers", name) in _OWNERS:
            return find("readers", name)
    return None


def find_command(name: str) -> Callable[..., None]:
    """Import a plugin's command.

    Raises:
        PluginError: Nobody or more than one registers the name, or a dependency is missing.
    """
    entry = _entry(_COMMANDS, name)
    with _naming_what_is_missing(_COMMANDS, entry):
        return cast(Callable[..., None], entry.load())


def list_commands() -> list[str]:
    """Return the names of the plugins' commands, without importing any."""
    return sorted({entry.name for entry in entry_points(group=f"clerp.{_COMMANDS}")})


def is_command(name: str) -> bool:
    """Say whether a plugin has a command of this name, be it installed or only known of."""
    return (_COMMANDS, name) in _OWNERS or name in list_commands()


def is_registered(kind: Kind, name: str) -> bool:
    """Say whether `NAME` or the name of `NAME:ARGUMENT` belongs to a plugin of this kind."""
    return bool(entry_points(group=f"clerp.{kind}", name=name.partition(":")[0]))


def list_registered() -> list[Registered]:
    """List every plugin that is installed, without importing any."""
    return [
        Registered(kind, entry.name, _distribution(entry), entry.dist.version)
        for kind in (*KINDS, _COMMANDS)
        for entry in sorted(entry_points(group=f"clerp.{kind}"), key=_sort_key)
        if entry.dist is not None
    ]


def _sort_key(entry: _Entry) -> tuple[str, str]:
    return entry.name, _distribution(entry)


@contextmanager
def _naming_what_is_missing(kind: str, entry: _Entry) -> Generator[None]:
    try:
        yield
    except ModuleNotFoundError as missing:
        raise PluginError(
            f"{kind[:-1]} {entry.name!r} needs the module {missing.name!r}, which is not installed",
            remedy=f"Run: pip install '{_distribution(entry)}'",
        ) from missing


def _entry(kind: str, name: str) -> _Entry:
    entries = list(entry_points(group=f"clerp.{kind}", name=name))
    if len(entries) > 1:
        owners = " and ".join(sorted(_distribution(entry) for entry in entries))
        raise PluginError(
            f"{owners} both register the {kind[:-1]} {name!r}", remedy="Uninstall one of them"
        )
    if entries:
        return entries[0]
    owner = _OWNERS.get((kind, name))
    known = ", ".join(sorted(entry.name for entry in entry_points(group=f"clerp.{kind}")))
    raise PluginError(
        f"there is no {kind[:-1]} {name!r}",
        remedy=f"Run: pip install {owner}" if owner else f"Installed: {known or 'none'}",
    )


def _distribution(entry: _Entry) -> str:
    return entry.dist.name if entry.dist is not None else "an unknown distribution"
