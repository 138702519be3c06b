"""What a verbalizer answers, as the ledger keeps it.

A residual is kept whole: little-endian single precision, packed and as base64, about 20 kB for the
widest models. With it everything that is computed of a run can be computed again without the model.
"""

import base64
import binascii
import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TypeVar

import msgspec
import numpy as np
from jaxtyping import Float32

from clerp.errors import UsageError, VerbalizerError
from clerp.feature import FeatureId
from clerp.ledger import Answer
from clerp.verbalizers.reference import Reference, read_reference
from clerp.verbalizers.verbalization import (
    Explained,
    Extraction,
    FoundFeatures,
    Missed,
    PairIdentity,
    Passage,
    Sampling,
    Verbalization,
)

SCHEMA_VERSION = "nla 1"
MAX_TEXT_CHARS = 20_000
"""Of a text, and of all that an actor wrote."""
MAX_REASON_CHARS = 500
MAX_NUMBERS = 2**26
"""Of one array."""
N_OTHERS = 64
"""Ordinary residuals that texts are compared with."""
_STORED = np.dtype("<f4")

Parameters = dict[str, str | float | int | None]
_Form = TypeVar("_Form")


@dataclass(frozen=True, slots=True)
class _Residual:
    vector: str
    position: int
    missed: str


@dataclass(frozen=True, slots=True)
class _Explanation:
    verbalization: Verbalization | None
    position: int
    cosine: float | None
    variance: float | None
    missed: str


@dataclass(frozen=True, slots=True)
class _Cosines:
    cosines: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    names: dict[str, str]
    lacking: dict[str, str] = field(default_factory=dict[str, str])
    set_name: str = ""


@dataclass(frozen=True, slots=True)
class _Confirmed:
    holds: bool
    reason: str


@dataclass(frozen=True, slots=True)
class _Rows:
    total: str
    undefined: str


@dataclass(frozen=True, slots=True)
class _Ordinary:
    reference: dict[str, str | float | int]
    others: str


@dataclass(frozen=True, slots=True, eq=False)
class Ordinary:
    """What residuals of ordinary text are like, and some of them to compare with."""

    reference: Reference
    others: Float32[np.ndarray, "other d_model"]


@dataclass(frozen=True, slots=True)
class Storage:
    """Makes keys and answers for one pair."""

    pair: PairIdentity

    def make_key(self, what: str, **parts: str | int | float | None) -> str:
        """Hash all that decides an answer: the pair, what is asked, and of what."""
        asked = {"what": what, "pair": _write(self.pair), "form": SCHEMA_VERSION, "of": parts}
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()

    def make_extract_key(self, passage: Passage) -> str:
        """Hash what decides the residual at the end of a passage, whosever it is."""
        return self.make_key("extract", text=passage.text, token=passage.token)

    def make_explain_key(self, passage: Passage, sampling: Sampling) -> str:
        """Hash what decides what is said of the end of a passage, whosever it is."""
        asked = asdict(sampling)
        return self.make_key("explain", text=passage.text, token=passage.token, **asked)

    def make_describe_key(self, vector: Float32[np.ndarray, " d_model"], sampling: Sampling) -> str:
        """Hash what decides what is said of a vector."""
        return self.make_key("describe", vector=digest(vector), **asdict(sampling))

    def make_nothing_key(self, sampling: Sampling) -> str:
        """Hash what decides what is said of no vector."""
        return self.make_key("describe nothing", **asdict(sampling))

    def make_compare_key(self, text: str, of: str) -> str:
        """Hash what decides the cosines of a text with vectors of this digest."""
        return self.make_key("compare", text=text, vectors=of)

    def make_ordinary_key(self) -> str:
        """Hash what decides what ordinary residuals are like: the texts too."""
        return self.make_key("reference", n_others=N_OTHERS, texts=self.pair.reference)

    def make_names_key(self, place: str, number: int) -> str:
        """Hash under what name features of a transcoder set are asked for, for the n-th time."""
        return self.make_key("features", transcoders=place, number=number)

    def make_confirm_key(self, name: str, feature: FeatureId, passage: Passage) -> str:
        """Hash what decides whether a feature fires at the end of a passage as it is said to."""
        return self.make_key(
            "confirm",
            rows=name,
            feature=str(feature),
            text=passage.text,
            token=passage.token,
            activation=passage.activation,
        )

    def make_rows_key(self, name: str, feature: FeatureId) -> str:
        """Hash what decides what a feature writes up to the layer of the pair."""
        return self.make_key("rows", rows=name, feature=str(feature))

    def keep_identity(self, key: str) -> Answer:
        """Keep which pair a verbalizer was found to be."""
        return self._make(key, "check", self.pair)

    def keep_verbalization(self, key: str, said: Verbalization, given: Parameters) -> Answer:
        """Keep what an actor said of one vector, or of nothing."""
        clean = clean_verbalization(said)
        return self._make(key, "describe", clean, given, clean)

    def keep_residual(self, key: str, found: Extraction | Missed) -> Answer:
        """Keep the residual at the end of a passage."""
        if isinstance(found, Missed):
            return self._make(key, "extract", _Residual("", 0, clean_reason(found.reason)))
        return self._make(key, "extract", _Residual(_pack(found.vector), found.position, ""))

    def keep_explanation(self, key: str, found: Explained | Missed, given: Parameters) -> Answer:
        """Keep what a server said of the end of a passage."""
        if isinstance(found, Missed):
            missed = _Explanation(None, 0, None, None, clean_reason(found.reason))
            return self._make(key, "explain", missed, given)
        said = clean_verbalization(found.verbalization)
        form = _Explanation(said, found.position, found.cosine, found.variance, "")
        return self._make(key, "explain", form, given, said)

    def keep_cosines(self, key: str, cosines: Float32[np.ndarray, " vector"]) -> Answer:
        """Keep how near the critic's reconstruction of a text comes to some vectors."""
        return self._make(key, "compare", _Cosines(tuple(float(cosine) for cosine in cosines)))

    def keep_found(self, key: str, found: FoundFeatures) -> Answer:
        """Keep which rows features were found to have."""
        form = _Found(
            {str(feature): name for feature, name in found.names.items()},
            {str(feature): why for feature, why in found.lacking.items()},
            found.set_name,
        )
        return self._make(key, "features", form)

    def keep_confirmed(self, key: str, found: Passage | Missed) -> Answer:
        """Keep whether a feature fires at the end of a passage as it is said to."""
        reason = clean_reason(found.reason) if isinstance(found, Missed) else ""
        return self._make(key, "confirm", _Confirmed(isinstance(found, Passage), reason))

    def keep_rows(self, key: str, found: "Float32[np.ndarray, ' _'] | str") -> Answer:
        """Keep what a feature writes up to the layer of the pair, or why that is undefined."""
        if isinstance(found, str):
            return self._make(key, "rows", _Rows("", clean_reason(found)))
        return self._make(key, "rows", _Rows(_pack(found), ""))

    def keep_ordinary(self, key: str, ordinary: Ordinary) -> Answer:
        """Keep what ordinary residuals are like."""
        form = _Ordinary(ordinary.reference.to_record(), _pack(ordinary.others))
        return self._make(key, "reference", form)

    def _make(
        self,
        key: str,
        what: str,
        form: object,
        given: Parameters | None = None,
        said: Verbalization | None = None,
    ) -> Answer:
        return Answer(
            key=key,
            text=said.raw if said else "",
            model=str(self.pair),
            prompt_tokens=None,
            completion_tokens=said.n_tokens if said else None,
            cost_usd=None,
            finish_reason="",
            parameters=given or {},
            method=f"nla {what}",
            schema_version=SCHEMA_VERSION,
            parsed=msgspec.json.encode(form).decode(),
            complaint=said.fault if said else "",
        )


def read_identity(answer: Answer) -> PairIdentity:
    """Read which pair a verbalizer was found to be.

    Raises:
        VerbalizerError: It is something else.
    """
    return _read(answer, PairIdentity)


def read_verbalization(answer: Answer) -> Verbalization:
    """Read what was said.

    Raises:
        VerbalizerError: It is something else.
    """
    return _read(answer, Verbalization)


def read_residual(answer: Answer, passage: Passage) -> Extraction | Missed:
    """Read the residual at the end of a passage.

    Raises:
        VerbalizerError: It is something else.
    """
    form = _read(answer, _Residual)
    if form.missed:
        return Missed(passage, form.missed)
    return Extraction(passage, _unpack(form.vector, answer), form.position)


def read_explanation(answer: Answer, passage: Passage) -> Explained | Missed:
    """Read what was said of the end of a passage.

    Raises:
        VerbalizerError: It is something else.
    """
    form = _read(answer, _Explanation)
    if form.verbalization is None:
        return Missed(passage, form.missed)
    return Explained(passage, form.verbalization, form.position, form.cosine, form.variance)


def read_cosines(answer: Answer) -> Float32[np.ndarray, " vector"]:
    """Read cosines.

    Raises:
        VerbalizerError: It is something else.
    """
    return np.array(_read(answer, _Cosines).cosines, dtype=np.float32)


def read_features(answer: Answer) -> FoundFeatures:
    """Read which rows features were found to have.

    Raises:
        VerbalizerError: It is something else.
    """
    written = _read(answer, _Found)
    try:
        return FoundFeatures(
            written.set_name, _read_features(written.names), _read_features(written.lacking)
        )
    except UsageError as fault:
        raise _refuse(answer, fault.what) from fault


def _read_features(written: Mapping[str, str]) -> dict[FeatureId, str]:
    return {FeatureId.parse(feature): what for feature, what in written.items()}


def read_confirmed(answer: Answer, passage: Passage) -> Passage | Missed:
    """Read whether a feature fires at the end of a passage as it is said to.

    Raises:
        VerbalizerError: It is something else.
    """
    form = _read(answer, _Confirmed)
    return passage if form.holds else Missed(passage, form.reason)


def read_rows(answer: Answer) -> "Float32[np.ndarray, ' _'] | str":
    """Read what a feature writes up to the layer of the pair, or why that is undefined.

    Raises:
        VerbalizerError: It is something else.
    """
    form = _read(answer, _Rows)
    return form.undefined or _unpack(form.total, answer)


def read_ordinary(answer: Answer, d_model: int) -> Ordinary:
    """Read what ordinary residuals are like.

    Raises:
        VerbalizerError: It is something else.
    """
    form = _read(answer, _Ordinary)
    others = _unpack(form.others, answer)
    if others.size % d_model:
        raise _refuse(answer, f"{others.size} numbers are no vectors of {d_model}")
    return Ordinary(read_reference(form.reference), others.reshape(-1, d_model))


def digest(vectors: Float32[np.ndarray, "..."]) -> str:
    """Return the sha256 of numbers and shape."""
    content = np.ascontiguousarray(vectors, dtype=_STORED)
    return hashlib.sha256(repr(content.shape).encode() + content.tobytes()).hexdigest()


def clean_verbalization(said: Verbalization) -> Verbalization:
    """Return it without what no file can hold; one that goes on for ever has a fault."""
    raw, text, fault = _clean(said.raw), _clean(said.text).strip(), clean_reason(said.fault)
    if not fault and len(text) > MAX_TEXT_CHARS:
        fault = f"longer than {MAX_TEXT_CHARS:,} characters"
    if not fault and not text:
        fault = "empty"
    return replace(said, text="" if fault else text, raw=raw[:MAX_TEXT_CHARS], fault=fault)


def _clean(text: str) -> str:
    return text.encode(errors="replace").decode()


def clean_reason(reason: str) -> str:
    """Return a line that can be kept: of one line, and not too long."""
    return " ".join(_clean(reason).split())[:MAX_REASON_CHARS]


def _write(pair: PairIdentity) -> list[str | int]:
    return [pair.name, pair.revision, pair.base_model, pair.layer, pair.d_model]


def _pack(vectors: Float32[np.ndarray, "..."]) -> str:
    content = np.ascontiguousarray(vectors, dtype=_STORED).tobytes()
    return base64.b64encode(zlib.compress(content)).decode("ascii")


def _unpack(packed: str, answer: Answer) -> Float32[np.ndarray, " number"]:
    try:
        most = MAX_NUMBERS * _STORED.itemsize
        stream = zlib.decompressobj()
        content = stream.decompress(base64.b64decode(packed, validate=True), most)
        numbers = np.frombuffer(content, _STORED)
    except (ValueError, zlib.error, binascii.Error) as fault:
        raise _refuse(answer, str(fault)) from fault
    if not stream.eof or not bool(np.isfinite(numbers).all()):
        raise _refuse(answer, "numbers that are cut off or not finite")
    return numbers.astype(np.float32)


def _read(answer: Answer, form: type[_Form]) -> _Form:
    try:
        return msgspec.json.decode(answer.parsed, type=form)
    except (msgspec.DecodeError, RecursionError) as fault:
        raise _refuse(answer, str(fault)) from fault


def _refuse(answer: Answer, what: str) -> VerbalizerError:
    return VerbalizerError(
        f"an answer on record cannot be read: {what}", where=f"ledger, answer {answer.key[:12]}"
    )
