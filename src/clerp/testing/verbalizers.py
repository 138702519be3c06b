"""What every verbalizer is asked for."""

from collections.abc import Awaitable, Sequence
from typing import Any, cast

import numpy as np
from jaxtyping import Float32

from clerp.errors import NotAvailableError
from clerp.event_loop import run_to_end
from clerp.plugins import PassageVerbalizer, VectorVerbalizer, Verbalizer
from clerp.testing.contract import (
    ContractError,
    blaming,
    check_shape,
    find_own_path,
    is_encodable,
    is_line,
    is_text,
    require,
)
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

_ON_VECTORS = ("check", "extract", "describe", "compare", "describe_nothing")
_ON_PASSAGES = ("check", "explain")
_NOBODYS = ModelClaim("a model that nobody has made", "")
_TEXTS = ("A letter about rain.\n\nIt ends in rain.", "雨", "👩‍👩‍👧 \x00")
_SAMPLING = Sampling(temperature=0.0, max_new_tokens=64)
_N_VECTORS = 3
_MOST = 1 + 1e-3
"""A cosine, rounded."""


def check_verbalizer(
    verbalizer: object, *, claim: ModelClaim, passages: Sequence[Passage]
) -> PairIdentity:
    """Check that a verbalizer keeps the contract of `clerp.plugins`.

    It takes vectors (`VectorVerbalizer`) or passages (`PassageVerbalizer`). It is held against the
    claim, twice, and against a model that does not exist; it is given the passages together, one of
    them alone, and none. One that takes vectors describes three, one, none, and nothing at all, and
    compares texts, also of other scripts. What it says need not be the same twice.

    Args:
        verbalizer: What the plugin's entry point returns.
        claim: Of a graph that it is made for.
        passages: At least one, that it can read.

    Returns:
        The pair that it says it is.

    Raises:
        ContractError: It is no verbalizer; it raises; it takes a model that does not exist for its
            own; it does not return one thing for each thing it is given, in order; a text is empty
            and has no fault, or a fault and yet a text; a vector or a cosine is not finite or of
            another shape; it changes what it is given; or something names a path of this machine.
    """
    require(bool(passages), "check_verbalizer needs a passage that the verbalizer can read")
    takes_vectors = hasattr(verbalizer, "describe")
    check_shape(verbalizer, "verbalizer", *(_ON_VECTORS if takes_vectors else _ON_PASSAGES))
    ready = cast(Verbalizer, verbalizer)
    subject = f"the verbalizer {ready.name!r}"
    identity = _check_identity(ready, claim, subject)
    if takes_vectors:
        require(identity.d_model > 0, f"{subject} has vectors of {identity.d_model} numbers")
        check = _VectorCheck(cast(VectorVerbalizer, verbalizer), identity.d_model, subject)
        run_to_end(lambda: check.check(passages))
    else:
        explaining = cast(PassageVerbalizer, verbalizer)
        run_to_end(lambda: _check_explaining(explaining, passages, subject))
    return identity


def _check_identity(verbalizer: Verbalizer, claim: ModelClaim, subject: str) -> PairIdentity:
    with blaming(f"{subject}, held against {claim.model!r},"):
        identity, again = (cast(object, verbalizer.check(claim)) for _ in range(2))
    if not isinstance(identity, PairIdentity):
        raise ContractError(f"{subject} is checked and returns {identity!r}: it is a PairIdentity")
    require(identity == again, f"{subject} is {identity} and, checked again, {again}")
    for what in ("name", "revision", "base_model"):
        _require_line(getattr(identity, what), f"the pair's {what}", subject)
    require(identity.layer >= 0, f"{subject} reads block {identity.layer}: they count from 0")
    _check_refusal(verbalizer, subject)
    return identity


def _check_refusal(verbalizer: Verbalizer, subject: str) -> None:
    refusal: NotAvailableError | None = None
    with blaming(f"{subject}, held against {_NOBODYS.model!r},"):
        try:
            verbalizer.check(_NOBODYS)
        except NotAvailableError as fault:
            refusal = fault
    if refusal is None:
        raise ContractError(
            f"{subject} takes {_NOBODYS.model!r} for its own: it raises NotAvailableError where"
            " the model is another one"
        )
    _require_line(str(refusal), "the reason", subject)


async def _check_explaining(
    verbalizer: PassageVerbalizer, passages: Sequence[Passage], subject: str
) -> None:
    for batch in (passages, passages[:1], ()):
        given = f"{subject}, given {len(batch)} passages,"
        said = await _call(verbalizer.explain(batch, _SAMPLING), len(batch), given)
        for passage, one in zip(batch, said, strict=True):
            if isinstance(one, Explained):
                _check_explained(one, given)
            _check_passage(one, passage, given, Explained)


def _check_explained(said: Explained, subject: str) -> None:
    _check_said(said.verbalization, subject)
    require(said.position >= 0, f"{subject} gave the position {said.position}")
    require(
        said.cosine is None or -_MOST <= said.cosine <= _MOST,
        f"{subject} gave the cosine {said.cosine}: it lies from -1 to 1",
    )
    require(
        said.variance is None or 0 < said.variance <= 1,
        f"{subject} gave the variance {said.variance}: that of unit vectors lies from 0 to 1",
    )


class _VectorCheck:
    def __init__(self, verbalizer: VectorVerbalizer, d_model: int, subject: str) -> None:
        self._verbalizer = verbalizer
        self._d_model = d_model
        self._subject = subject

    async def check(self, passages: Sequence[Passage]) -> None:
        """Ask for everything once.

        Raises:
            ContractError: Something is not as the contract asks.
        """
        for batch in (passages, passages[:1], ()):
            await self._extract(batch)
        drawn = np.random.default_rng(0).standard_normal(
            (_N_VECTORS, self._d_model), dtype=np.float32
        )
        for vectors in (drawn, drawn[:1], drawn[:0]):
            await self._describe(vectors)
        for texts in (_TEXTS, _TEXTS[:1], ()):
            await self._compare(texts, drawn)
        with blaming(f"{self._subject}, given no vector,"):
            said: object = await self._verbalizer.describe_nothing(_SAMPLING)
        _check_said(said, f"{self._subject}, given no vector,")

    async def _extract(self, passages: Sequence[Passage]) -> None:
        subject = f"{self._subject}, given {len(passages)} passages,"
        found = await _call(self._verbalizer.extract(passages), len(passages), subject)
        for passage, one in zip(passages, found, strict=True):
            if isinstance(one, Extraction):
                self._require_vectors(one.vector, (self._d_model,), subject)
                require(one.position >= 0, f"{subject} gave the position {one.position}")
            _check_passage(one, passage, subject, Extraction)

    async def _describe(self, vectors: Float32[np.ndarray, "vector d_model"]) -> None:
        subject = f"{self._subject}, given {len(vectors)} vectors,"
        before = vectors.copy()
        said = await _call(self._verbalizer.describe(vectors, _SAMPLING), len(vectors), subject)
        require(bool((vectors == before).all()), f"{subject} changed them")
        for one in said:
            _check_said(one, subject)

    async def _compare(
        self, texts: Sequence[str], vectors: Float32[np.ndarray, "vector d_model"]
    ) -> None:
        subject = f"{self._subject}, given {len(texts)} texts and {len(vectors)} vectors,"
        before = vectors.copy()
        with blaming(subject):
            cosines: object = await self._verbalizer.compare(texts, vectors)
        require(bool((vectors == before).all()), f"{subject} changed them")
        self._require_vectors(cosines, (len(texts), len(vectors)), subject)
        high = float(np.abs(cast("np.ndarray[Any, Any]", cosines)).max(initial=0.0))
        require(high <= _MOST, f"{subject} gave the cosine {high}: it lies from -1 to 1")

    def _require_vectors(self, given: object, shape: tuple[int, ...], subject: str) -> None:
        if not isinstance(given, np.ndarray):
            raise ContractError(f"{subject} gave {given!r}: it gives a numpy array")
        numbers = cast("np.ndarray[Any, Any]", given)
        require(numbers.dtype == np.float32, f"{subject} gave {numbers.dtype}: it gives float32")
        require(numbers.shape == shape, f"{subject} gave the shape {numbers.shape}, not {shape}")
        require(bool(np.isfinite(numbers).all()), f"{subject} gave a number that is not finite")


async def _call(asked: Awaitable[Sequence[object]], n: int, subject: str) -> list[object]:
    with blaming(subject):
        returned = list(await asked)
    require(
        len(returned) == n, f"{subject} returned {len(returned)} things: one for each, in order"
    )
    return returned


def _check_passage(one: object, passage: Passage, subject: str, kind: type) -> None:
    if isinstance(one, Missed):
        _require_line(one.reason, "the reason", subject)
    elif not isinstance(one, kind):
        raise ContractError(f"{subject} returned {one!r}: it returns {kind.__name__} or Missed")
    told = cast("Extraction | Explained | Missed", one).passage
    require(told == passage, f"{subject} returned the passage {told.id!r} for {passage.id!r}")


def _check_said(said: object, subject: str) -> None:
    if not isinstance(said, Verbalization):
        raise ContractError(f"{subject} returned {said!r}: it returns Verbalization objects")
    if said.fault:
        _require_line(said.fault, "the fault", subject)
        require(not said.text, f"{subject} said {said.text!r} with the fault {said.fault!r}")
    else:
        require(is_text(said.text), f"{subject} said {said.text!r}: that is no text")
    require(is_encodable(said.raw), f"{subject} wrote half of a character")


def _require_line(text: object, what: str, subject: str) -> None:
    require(is_line(text), f"{subject} gave {what} {text!r}: it is one line of text")
    path = find_own_path(str(text))
    require(path is None, f"{subject} names {path}, a folder of this machine, as {what}")
