"""Evidence from the HuggingFace Hub, where circuit-tracer's frontend reads it."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from io import BytesIO
from itertools import groupby

from clerp.errors import MissingEvidenceError
from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.evidence.bins import PREFIX_BYTES, LayerIndex, read_record
from clerp.evidence.parsing import parse_record
from clerp.evidence.storage import MAX_RECORD_BYTES, NO_RECORD
from clerp.feature import FeatureId
from clerp.remote import Patience
from clerp_circuit_tracer.hub.fetching import Coming, Workers, fetch
from clerp_circuit_tracer.hub.hub import NOT_CACHED, Hub, open_hub
from clerp_circuit_tracer.hub.place import Place
from clerp_circuit_tracer.hub.spot import Spot

_Found = Spot | EvidenceGap


class HuggingFaceSource:
    """Evidence from bins in `features/` of a repository.

    The revision is resolved to a commit once, and only that commit is read. Of the bins only the
    records of the features asked for are fetched; all that is fetched is kept in the cache, so
    that a second run asks only which commit it is.

    Args:
        argument: `OWNER/REPO[//SUB][@REV]`; for a custom set one for each layer, with commas
            between. Each is indexed by the number of the layer all the same.
        ask: False asks nobody and uses what the cache has.
        patience: How often and how long the Hub is waited for.

    Raises:
        UsageError: The argument is no such place.
    """

    def __init__(
        self,
        argument: str,
        *,
        ask: bool = True,
        patience: Patience = Patience(),  # noqa: B008
    ) -> None:
        self._argument = argument
        self._ask = ask
        self._patience = patience
        self._places = [Place.parse(written) for written in argument.split(",")]
        self._pinned: dict[Place, Place | MissingEvidenceError] = {}
        self.name = self._write_name()

    def offline(self) -> "HuggingFaceSource":
        """Return the same source, which asks nobody."""
        return HuggingFaceSource(self._argument, ask=False, patience=self._patience)

    def read(self, features: Iterable[FeatureId]) -> Iterator[FeatureEvidence | EvidenceGap]:
        """Yield evidence, or the reason why there is none, once for each feature, in order.

        Raises:
            MissingEvidenceError: No place has an index of features.
            RemoteError: The Hub does not answer, or not as documented; what came is kept.
            EvidenceError: An index is broken or does not fit its bins; the cache cannot be used.
            UsageError: `$HF_ENDPOINT` or `$HF_TOKEN` cannot be used.
        """
        asked = list(features)
        if not asked:
            return
        workers = Workers()
        with (
            open_hub(ask=self._ask, patience=self._patience, sleep=workers.sleep) as hub,
            workers.ask(hub),
        ):
            self._pin(hub, workers)
            found = self._locate(hub, asked)
            spots = [spot for spot in found.values() if isinstance(spot, Spot)]
            with fetch(hub, spots if self._ask else (), workers) as coming:
                for feature in asked:
                    yield _read_one(hub, feature, found[feature], coming)

    def _pin(self, hub: Hub, workers: Workers) -> None:
        unknown = [place for place in dict.fromkeys(self._places) if place not in self._pinned]
        pins = workers.map(partial(_open_index, hub), unknown)
        self._pinned.update(zip(unknown, pins, strict=True))
        self.name = self._write_name()
        faults = [pin for pin in self._pinned.values() if isinstance(pin, MissingEvidenceError)]
        if len(faults) == len(self._pinned):
            raise faults[0]

    def _write_name(self) -> str:
        pins = {place: pin for place, pin in self._pinned.items() if isinstance(pin, Place)}
        return f"huggingface:{','.join(str(pins.get(place, place)) for place in self._places)}"

    def _locate(self, hub: Hub, features: Iterable[FeatureId]) -> dict[FeatureId, _Found]:
        # By layer, so that the offsets of one layer are in memory at a time.
        return {
            feature: found
            for layer, together in groupby(sorted(set(features)), key=lambda f: f.layer)
            for feature, found in self._locate_in_layer(hub, layer, list(together)).items()
        }

    def _locate_in_layer(
        self, hub: Hub, layer: int, features: Sequence[FeatureId]
    ) -> dict[FeatureId, _Found]:
        pin = self._choose_pin(layer)
        if not isinstance(pin, Place):
            return {feature: EvidenceGap(feature, pin) for feature in features}
        index = hub.read_layer(pin, layer)
        if index is None:
            reason = f"{NO_RECORD}: the index has no layer {layer}"
            return {feature: EvidenceGap(feature, reason) for feature in features}
        return {feature: _find_record(pin, index, feature) for feature in features}

    def _choose_pin(self, layer: int) -> Place | str:
        """Return the place of a layer, or the reason why there is none."""
        single = len(self._places) == 1
        if not single and not 0 <= layer < len(self._places):
            return f"{NO_RECORD}: the set has {len(self._places)} layers"
        place = self._places[0 if single else layer]
        pin = self._pinned[place]
        return pin if isinstance(pin, Place) else f"{place}: {pin.what}"


def _open_index(hub: Hub, place: Place) -> Place | MissingEvidenceError:
    try:
        pinned = hub.pin(place)
        hub.list_layers(pinned)
    except MissingEvidenceError as missing:
        return missing
    return pinned


def _find_record(place: Place, index: LayerIndex, feature: FeatureId) -> _Found:
    if feature.kind:
        return EvidenceGap(feature, "attention features have no transcoder evidence here")
    span = index.find(feature.index)
    if span is None or not span.size:
        return EvidenceGap(feature, NO_RECORD)
    name = index.name_record(feature.index)
    if span.size > PREFIX_BYTES + MAX_RECORD_BYTES:
        return EvidenceGap(feature, f"{name}: larger than {MAX_RECORD_BYTES // 2**20} MB")
    return Spot(place, index.filename, span, name, bin_bytes=int(index.offsets[-1]))


def _read_one(
    hub: Hub, feature: FeatureId, found: _Found, coming: Coming
) -> FeatureEvidence | EvidenceGap:
    if isinstance(found, EvidenceGap):
        return found
    fault = coming[found].result().get(found) if found in coming else None
    if fault is not None:
        return EvidenceGap(feature, f"{found.name}: {fault.what}")
    packed = hub.recall(found)
    if packed is None:
        return EvidenceGap(feature, f"{found.name}: {NOT_CACHED}")
    content = read_record(BytesIO(packed).read, len(packed))
    if not content:
        return EvidenceGap(feature, NO_RECORD)
    return parse_record(content, feature, where=found.name)
