"""A whole collection: model, transcoders and corpus in, a folder of evidence out."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Int
from torch import Tensor

from clerp.errors import UsageError
from clerp.feature import FeatureId
from clerp_circuit_tracer.collect.backend import (
    Backend,
    BackendName,
    Placement,
    Precision,
    choose_placement,
)
from clerp_circuit_tracer.collect.collecting import CollectProgress, collect_rows
from clerp_circuit_tracer.collect.collection import CollectionFacts, check_place
from clerp_circuit_tracer.collect.corpus import (
    Corpus,
    RowForm,
    TensorCorpus,
    TextCorpus,
    check_token_ids,
    open_documents,
)
from clerp_circuit_tracer.collect.documents import Documents
from clerp_circuit_tracer.collect.reader import FeatureReader
from clerp_circuit_tracer.collect.settings import CollectSettings
from clerp_circuit_tracer.collect.transcoders import (
    Hooks,
    Transcoders,
    load_transcoders,
    read_directions,
)

_SETTINGS = CollectSettings()
CONTEXT = 256
"""Tokens of a row, where nobody says."""


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far a collection is."""

    tokens: int
    """Those of interrupted runs too, without prefixes and padding."""
    n_tokens: int | None
    """About how many there will be; None as long as nobody can tell."""
    tokens_per_second: float
    """In this run; 0 before its first batch."""
    n_skipped: int
    """Documents without text so far."""

    @property
    def seconds_left(self) -> float | None:
        """About how long it will take; None as long as nobody can tell."""
        if self.n_tokens is None or not self.tokens_per_second:
            return None
        return max(self.n_tokens - self.tokens, 0) / self.tokens_per_second


ReportJob = Callable[[JobProgress], None]


def ignore_job(_: JobProgress) -> None:
    """Report to nobody."""


def ignore_stage(_: str) -> None:
    """Say it to nobody."""


def collect(
    features: Iterable[FeatureId],
    *,
    model: str | Path,
    transcoders: str | Path | Transcoders,
    corpus: str | Path | Int[Tensor, "row position"],
    out: str | Path,
    hooks: Hooks | None = None,
    n_tokens: int | None = None,
    text_field: str = "text",
    context: int = CONTEXT,
    backend: BackendName = "nnsight",
    device: str | None = None,
    dtype: Precision = "float32",
    settings: CollectSettings = _SETTINGS,
    report: ReportJob = ignore_job,
    announce: Callable[[str], None] = ignore_stage,
    checkpoint_seconds: float = 120.0,
) -> CollectionFacts:
    """Run a model over a corpus and write the evidence of some features as a folder.

    Interrupted in any way, the same call goes on where it was and writes the same bytes.

    Args:
        features: Those to collect evidence of.
        model: Name on HuggingFace, or a folder of `save_pretrained`.
        transcoders: `OWNER/REPO[//SUB][@REVISION]`, a folder, or a loaded set, which is moved to
            the model's device and precision.
        corpus: Text file, folder of `*.txt`, `.jsonl`, `.jsonl.gz`, `hf:NAME[:CONFIG][:SPLIT]`, or
            rows of token ids that begin as the model wants it (BOS).
        out: The folder to write, which must not exist.
        hooks: Where the features of a folder without `config.yaml` read and write.
        n_tokens: Tokens to stop after, those in front of rows not counted; None reads everything.
        text_field: Key or column of the text.
        context: Most tokens of a row of text, those in front among them.
        backend: What runs the model.
        device: `cuda`, `mps` or `cpu`; by default a GPU where CUDA has one.
        dtype: In what the model and the transcoders compute.
        settings: How many examples, how wide, how rows are run.
        report: Told how far it is.
        announce: Told in a line what takes its time before the first row.
        checkpoint_seconds: Most of the work that an interruption may cost, apart from the batch
            that is under way.

    Raises:
        UsageError: An argument that cannot be used.
        InputError: Model, transcoders or corpus are not what they should be.
        RemoteError: A server did not answer.
        OutputError: The folder exists or cannot be written.
    """
    folder = Path(out).expanduser()
    check_place(folder)
    source = _open_source(corpus, text_field, n_tokens)
    placement = choose_placement(device, dtype)
    promoted_from = None
    if isinstance(transcoders, str | Path):
        promoted_from = read_directions(transcoders)
        transcoders = load_transcoders(
            transcoders, hooks=hooks, device=placement.device, dtype=placement.dtype
        )
    context = source.shape[1] if isinstance(source, Tensor) else context
    opened = open_backend(backend, model, transcoders, placement, context)
    reader = FeatureReader(opened, transcoders, list(features), promoted_from=promoted_from)
    rows = _open_rows(source, opened, context, n_tokens)
    announce("reading the corpus through once, for its digest")

    def advance(progress: CollectProgress) -> None:
        total = rows.estimate(progress.tokens)
        report(JobProgress(progress.tokens, total, progress.tokens_per_second, rows.n_skipped))

    return collect_rows(
        rows.read,
        reader,
        reader.features,
        settings,
        folder,
        origin={
            "model": _name_model(model),
            "model_weights": opened.digest(),
            "transcoders": reader.digest,
            "corpus": rows.identify(),
            "tokens": n_tokens,
            "backend": backend,
            "dtype": dtype,
        },
        prefix=len(opened.prefix),
        report=advance,
        checkpoint_seconds=checkpoint_seconds,
    )


def open_backend(
    name: BackendName,
    model: str | Path,
    transcoders: Transcoders,
    placement: Placement,
    context: int,
) -> Backend:
    """Load a model; see `open_nnsight` and `open_transformerlens`."""
    place = _find_folder(model)
    if name == "nnsight":
        from clerp_circuit_tracer.collect.nnsight_backend import open_nnsight

        return open_nnsight(place, transcoders, placement, context)
    from clerp_circuit_tracer.collect.transformerlens_backend import open_transformerlens

    return open_transformerlens(place, transcoders, placement, context)


def _open_source(
    corpus: str | Path | Tensor, text_field: str, n_tokens: int | None
) -> Documents | Tensor:
    if n_tokens is not None and n_tokens < 1:
        raise UsageError(
            f"a corpus of {n_tokens} tokens is wanted", remedy="Give at least one, or no number"
        )
    if not isinstance(corpus, Tensor):
        return open_documents(corpus, text_field)
    check_token_ids(corpus)
    return corpus


def _open_rows(
    source: Documents | Int[Tensor, "row position"],
    backend: Backend,
    context: int,
    n_tokens: int | None,
) -> Corpus:
    if isinstance(source, Tensor):
        vocabulary = len(backend.tokenizer)
        return TensorCorpus(source, backend.prefix, vocabulary, n_tokens)
    return TextCorpus(source, RowForm(backend.tokenizer, backend.prefix, context), n_tokens)


def _find_folder(model: str | Path) -> str:
    folder = Path(model).expanduser()
    return str(folder) if folder.is_dir() else str(model)


def _name_model(model: str | Path) -> str:
    """Name a model without the folders of this machine."""
    folder = Path(model).expanduser()
    return folder.resolve().name if folder.is_dir() else str(model)
