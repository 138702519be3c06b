"""Features beside a pair: what runs and reads them is opened once, by the first use."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from clerp.errors import InputError, NotAvailableError, VerbalizerError
from clerp.feature import FeatureId
from clerp.verbalizers import FoundFeatures, Passage
from clerp.verbalizers.features import OpenedFeatures
from clerp_nla.features import LocalFeatures

FEATURE = FeatureId(1, 2)
PASSAGE = Passage("0.0", "a text", " text", 1.0)


class Opening:
    """Counts what is opened, and whether that is guarded."""

    def __init__(self, fault: Exception | None = None, undefined: bool = False) -> None:
        self.fault = fault
        self.undefined = undefined
        self.opened: list[str] = []
        self.is_guarded = False

    @contextmanager
    def working(self) -> Generator[None]:
        before, self.is_guarded = self.is_guarded, True
        try:
            yield
        except MemoryError as fault:
            raise VerbalizerError("out of memory") from fault
        finally:
            self.is_guarded = before

    def open(self, what: str) -> Callable[[], Any]:
        def make() -> Any:
            assert self.is_guarded
            self.opened.append(what)
            if self.fault is not None:
                raise self.fault
            return self

        return make

    def confirm(self, feature: FeatureId, passages: Sequence[Passage]) -> list[Any]:
        assert self.is_guarded
        return list(passages)

    def sum_up_to(self, feature: FeatureId) -> Any:
        assert self.is_guarded
        if self.undefined:
            raise NotAvailableError("it writes later", where="/home/ada", remedy="Use another")
        return np.ones(4, np.float32)


def make(opening: Opening) -> LocalFeatures:
    found = FoundFeatures("a/set", {FEATURE: "a" * 64}, {FeatureId(9, 9): "outside"})
    return LocalFeatures(found, opening.working, opening.open("check"), opening.open("rows"))


def test_nothing_is_opened_before_it_is_used() -> None:
    opening = Opening()

    features = make(opening)

    assert isinstance(features, OpenedFeatures)
    assert features.found.names == {FEATURE: "a" * 64}
    assert features.found.lacking == {FeatureId(9, 9): "outside"}
    assert opening.opened == []


def test_each_is_opened_once() -> None:
    opening = Opening()
    features = make(opening)

    for _ in range(2):
        assert features.confirm(FEATURE, [PASSAGE]) == [PASSAGE]
    assert opening.opened == ["check"]
    for _ in range(2):
        assert np.array_equal(features.sum_rows(FEATURE), np.ones(4))
    assert opening.opened == ["check", "rows"]


@pytest.mark.parametrize("fault", [InputError("cut off"), VerbalizerError("no"), MemoryError()])
def test_what_cannot_be_opened_is_not_tried_again(fault: Exception) -> None:
    opening = Opening(fault)
    features = make(opening)

    for _ in range(3):
        with pytest.raises((InputError, VerbalizerError)):
            features.confirm(FEATURE, [PASSAGE])
    assert opening.opened == ["check"]


def test_rows_that_are_undefined_say_why() -> None:
    assert make(Opening(undefined=True)).sum_rows(FEATURE) == "it writes later. Use another"


def test_rows_that_are_of_no_use_for_the_pair_say_why() -> None:
    misfit = NotAvailableError("of another shape", where="/home/ada", remedy="Name its own")
    opening = Opening(misfit)
    features = make(opening)

    for _ in range(2):
        assert features.sum_rows(FEATURE) == "of another shape. Name its own"
    assert opening.opened == ["rows"]
