"""Evidence from files on disk, in the layouts that circuit-tracer's frontend reads."""

import re
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol, runtime_checkable

import msgspec

from clerp.errors import EvidenceError, MissingEvidenceError
from clerp.evidence.bins import INDEX, Bins
from clerp.evidence.decoding import decode_document
from clerp.evidence.parsing import parse_record
from clerp.evidence.record import EvidenceGap, FeatureEvidence
from clerp.evidence.storage import (
    GZIP,
    MAX_RECORD_BYTES,
    NO_RECORD,
    RawRecord,
    check_size,
    describe,
    read_file,
)
from clerp.feature import FeatureId, unpair

_FEATURE_FILE = re.compile(r"\d+\.json(\.gz)?")
# A file that is no JSON Lines shows within so many lines.
_TRIED_LINES = 100
_EXPECTED = (
    "Expected a folder with {cantor}.json files or index.json.gz and its bins, a folder that holds "
    "such a folder named features, a {cantor}.json file, or JSON Lines of records with layer and "
    "index"
)


@runtime_checkable
class _Store(Protocol):
    def fetch(self, feature: FeatureId) -> RawRecord | EvidenceGap:
        """Read one record and nothing else."""
        ...


class FolderSource:
    """Evidence from a folder or file.

    Accepted are a folder of `{cantor}.json` or `{cantor}.json.gz` files; a folder of
    `index.json.gz` and bins; a folder that holds either as `features/`; one `{cantor}.json` file;
    one JSON file of a record with `layer` and `index`, or JSON Lines of such records.
    """

    name = "folder"

    def __init__(self, argument: str) -> None:
        """Look at what is there; records are read later, one by one.

        Args:
            argument: Path of the folder or file.

        Raises:
            EvidenceError: There is nothing, or nothing of the accepted layouts.
        """
        if not argument:
            raise EvidenceError("no folder is named", remedy="Write folder:PATH")
        self._store = _open_store(Path(argument).expanduser())

    def read(self, features: Iterable[FeatureId]) -> Iterator[FeatureEvidence | EvidenceGap]:
        """Yield evidence, or the reason why there is none, once for each feature, in order.

        Raises:
            EvidenceError: The index does not fit its bins, so that no record can be trusted.
        """
        for feature in features:
            yield self._read_one(feature)

    def _read_one(self, feature: FeatureId) -> FeatureEvidence | EvidenceGap:
        if feature.kind:
            return EvidenceGap(feature, "attention features have no transcoder evidence here")
        found = self._store.fetch(feature)
        if isinstance(found, EvidenceGap):
            return found
        return parse_record(found.content, feature, where=found.where)


def _open_store(path: Path) -> _Store:
    try:
        if path.is_dir():
            return _open_folder(path)
        if stat.S_ISREG(path.stat().st_mode):
            _refuse_part(path)
            return _OneFile(path)
    except FileNotFoundError as error:
        raise MissingEvidenceError(describe(error), where=str(path), remedy=_EXPECTED) from error
    except (OSError, ValueError) as error:
        raise EvidenceError(describe(error), where=str(path), remedy=_EXPECTED) from error
    raise EvidenceError("neither folder nor file", where=str(path), remedy=_EXPECTED)


def _refuse_part(path: Path) -> None:
    if path.name == INDEX or (path.suffix == ".bin" and (path.parent / INDEX).exists()):
        raise EvidenceError(
            "this is one file of a folder of bins",
            where=str(path),
            remedy=f"Name the folder, {path.parent}",
        )


def _open_folder(folder: Path) -> _Store:
    for candidate in (folder, folder / "features"):
        if (candidate / INDEX).exists():
            return Bins(candidate)
    # `features/` goes first: graphs beside it may be named by numbers, too.
    for candidate in (folder / "features", folder):
        if candidate.is_dir() and any(map(_is_feature_file, candidate.iterdir())):
            return _Files(candidate)
    raise MissingEvidenceError(_list_found(folder), where=str(folder), remedy=_EXPECTED)


def _is_feature_file(path: Path) -> bool:
    return _FEATURE_FILE.fullmatch(path.name) is not None


def _list_found(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir())
    shown = ", ".join(repr(name) for name in names[:5])
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"no feature files; found {shown}{more}" if names else "the folder is empty"


class _Files:
    """One file for each feature, named by its Cantor number."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def fetch(self, feature: FeatureId) -> RawRecord | EvidenceGap:
        for name in (f"{feature.cantor}.json", f"{feature.cantor}.json.gz"):
            try:
                return RawRecord(read_file(self._folder / name, MAX_RECORD_BYTES), name)
            except FileNotFoundError:
                continue
            except (EvidenceError, OSError) as error:
                return EvidenceGap(feature, f"{name}: {describe(error)}")
        return EvidenceGap(feature, NO_RECORD)


@dataclass(frozen=True, slots=True)
class _Span:
    """Where in a file a record stands."""

    start: int
    length: int
    where: str


class _OneFile:
    """One record, or JSON Lines of records."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._spans: defaultdict[FeatureId, list[_Span]] = defaultdict(list)
        self._unreadable: list[int] = []
        with path.open("rb") as file:
            if file.read(len(GZIP)) == GZIP:
                raise EvidenceError("packed with gzip", where=str(path), remedy="Unpack it first")
        if _is_feature_file(path):
            self._take_whole(unpair(int(path.name.partition(".")[0])))
        else:
            self._find_records()

    def fetch(self, feature: FeatureId) -> RawRecord | EvidenceGap:
        spans = self._spans.get(feature, [])
        if len(spans) > 1:
            return EvidenceGap(feature, f"two records, at {spans[0].where} and {spans[1].where}")
        if not spans:
            return EvidenceGap(feature, f"no record in the feature file{self._admit_losses()}")
        try:
            with self._path.open("rb") as file:
                file.seek(spans[0].start)
                return RawRecord(file.read(spans[0].length), spans[0].where)
        except OSError as error:
            return EvidenceGap(feature, describe(error))

    def _admit_losses(self) -> str:
        if not self._unreadable:
            return ""
        return f", of which {len(self._unreadable)} lines (first: {self._unreadable[0]}) are broken"

    def _take_whole(self, feature: FeatureId) -> None:
        size = self._path.stat().st_size
        check_size(size, MAX_RECORD_BYTES, where=str(self._path))
        self._spans[feature].append(_Span(0, size, f"{feature.cantor}.json"))

    def _find_records(self) -> None:
        self._index_lines()
        if self._spans:
            return
        place = _read_place(read_file(self._path, MAX_RECORD_BYTES))
        if place is None:
            raise EvidenceError(
                "no record with layer and index", where=str(self._path), remedy=_EXPECTED
            )
        self._take_whole(place)

    def _index_lines(self) -> None:
        start = 0
        with self._path.open("rb") as file:
            for number, line in enumerate(_read_lines(file, self._path), start=1):
                if line.strip():
                    self._index_line(_Span(start, len(line), f"line {number}"), line, number)
                start += len(line)
                if not self._spans and len(self._unreadable) >= _TRIED_LINES:
                    return

    def _index_line(self, span: _Span, line: bytes, number: int) -> None:
        feature = _read_place(line)
        if feature is None:
            self._unreadable.append(number)
        else:
            self._spans[feature].append(span)


def _read_lines(file: IO[bytes], path: Path) -> Iterator[bytes]:
    while line := file.readline(MAX_RECORD_BYTES + 1):
        check_size(len(line), MAX_RECORD_BYTES, where=str(path))
        yield line


class _Place(msgspec.Struct):
    layer: int
    index: int


def _read_place(raw: bytes) -> FeatureId | None:
    try:
        place = msgspec.json.decode(raw, type=_Place)
    except (ValueError, RecursionError):
        place = _read_place_leniently(raw)
    return None if place is None else FeatureId(place.layer, place.index)


def _read_place_leniently(raw: bytes) -> _Place | None:
    try:
        return msgspec.convert(decode_document(raw), _Place)
    except (EvidenceError, msgspec.ValidationError):
        return None
