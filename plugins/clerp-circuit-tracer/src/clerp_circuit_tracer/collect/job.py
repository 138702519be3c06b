"""A whole collection: model, transcoders and corpus in, a folder of evidence out."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Int
from torch import Tensor

from clerp.feature import FeatureId
from clerp_circuit_tracer.collect.backend import (
    Backend,
    BackendName,
    Placement,
    Precision,
    choose_placement,
)
from clerp_circuit_tracer.collect.collecting import CollectProgress, collect_rows
from clerp_circuit_tracer.collect.collection import CollectionFacts
from clerp_circuit_tracer.collect.corpus import (
    Corpus,
    RowForm,
    TensorCorpus,
    TextCorpus,
    open_documents,
)
from clerp_circuit_tracer.collect.documents import Documents
from clerp_circuit_tracer.collect.folder import refuse_existing
from clerp_circuit_tracer.collect.reader import FeatureReader
from clerp_circuit_tracer.collect.settings import CollectSettings
from clerp_circuit_tracer.collect.transcoders import Hooks, Transcoders, load_transcoders

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
        n_tokens: Tokens of text to stop after; None reads everything.
        text_field: Key or column of the text.
        context: Most tokens of a row of text, those in front among them.
        backend: What runs the model.
        device: `cuda`, `mps` or `cpu`; by default a GPU where CUDA has one.
        dtype: In what the model and the transcoders compute.
        settings: How many examples, how wide, how rows are run.
        report: Told how far it is.
        checkpoint_seconds: Most of the work that an interruption may cost.

    Raises:
        UsageError: An argument that cannot be used.
        InputError: Model, transcoders or corpus are not what they should be.
        RemoteError: A server did not answer.
        OutputError: The folder exists or cannot be written.
    """
    folder = Path(out).expanduser()
    refuse_existing(folder)
    source = corpus if isinstance(corpus, Tensor) else open_documents(corpus, text_field)
    placement = choose_placement(device, dtype)
    if isinstance(transcoders, str | Path):
        transcoders = load_transcoders(
            transcoders, hooks=hooks, device=placement.device, dtype=placement.dtype
        )
    context = source.shape[1] if isinstance(source, Tensor) else context
    opened = open_backend(backend, model, transcoders, placement, context)
    reader = FeatureReader(opened, transcoders, list(features))
    rows = _open_rows(source, opened, context, n_tokens)

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
            "transcoders": reader.digest,
            "corpus": rows.identify(),
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


def _open_rows(
    source: Documents | Int[Tensor, "row position"],
    backend: Backend,
    context: int,
    n_tokens: int | None,
) -> Corpus:
    if isinstance(source, Tensor):
        return TensorCorpus(source)
    return TextCorpus(source, RowForm(backend.tokenizer, backend.prefix, context), n_tokens)


def _find_folder(model: str | Path) -> str:
    folder = Path(model).expanduser()
    return str(folder) if folder.is_dir() else str(model)


def _name_model(model: str | Path) -> str:
    """Name a model without the folders of this machine."""
    folder = Path(model).expanduser()
    return folder.resolve().name if folder.is_dir() else str(model)
