"""Features of a transcoder set beside a pair on this machine."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Generic, TypeVar

import numpy as np
from jaxtyping import Float32

from clerp.errors import ClerpError, NotAvailableError
from clerp.feature import FeatureId
from clerp.verbalizers import FoundFeatures, Missed, Passage
from clerp.verbalizers.outcome import tell_fault
from clerp_nla.inputs.decoder import DecoderRows
from clerp_nla.subject.firing import FiringCheck

_Made = TypeVar("_Made")


class LocalFeatures:
    """Features that are run and read by the first use; an `OpenedFeatures`.

    Args:
        found: The features.
        working: Held while a model is loaded or run.
        open_check: Loads what runs them.
        open_rows: Opens what they write.
    """

    def __init__(
        self,
        found: FoundFeatures,
        working: Callable[[], AbstractContextManager[None]],
        open_check: Callable[[], FiringCheck],
        open_rows: Callable[[], DecoderRows],
    ) -> None:
        self._found = found
        self._working = working
        self._check = _Once(open_check, working)
        self._rows = _Once(open_rows, working)

    @property
    def found(self) -> FoundFeatures:
        """What the set has of them."""
        return self._found

    def confirm(self, feature: FeatureId, passages: Sequence[Passage]) -> list[Passage | Missed]:
        """Return each passage, in order, or why it shows the feature no longer.

        Raises:
            UsageError, InputError, RemoteError: Model or set cannot be loaded, or do not fit.
            VerbalizerError: Memory did not suffice.
        """
        check = self._check.get()
        with self._working():
            return check.confirm(feature, passages)

    def sum_rows(self, feature: FeatureId) -> Float32[np.ndarray, " d_model"] | str:
        """Return what a feature writes up to block K, or why that is undefined.

        Raises:
            UsageError, InputError, RemoteError: The set cannot be loaded.
            VerbalizerError: Memory did not suffice.
        """
        try:
            rows = self._rows.get()
            with self._working():
                return rows.sum_up_to(feature)
        except NotAvailableError as undefined:
            return tell_fault(undefined)


class _Once(Generic[_Made]):
    """Something that is made by the first use; a fault is not run into twice."""

    def __init__(
        self, make: Callable[[], _Made], working: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._make = make
        self._working = working
        self._made: _Made | ClerpError | None = None

    def get(self) -> _Made:
        if self._made is None:
            try:
                with self._working():
                    self._made = self._make()
            except ClerpError as fault:
                self._made = fault
        if isinstance(self._made, ClerpError):
            raise self._made
        return self._made
