"""What is known of the wanted features so far, in memory that does not grow with the corpus."""

from collections.abc import Iterable, Mapping

import numpy as np
from jaxtyping import Float32, Int64

from clerp_circuit_tracer.collect.activity import Batch, LayerActivity
from clerp_circuit_tracer.collect.drive import Drive, Places
from clerp_circuit_tracer.collect.hashing import hash_features, hash_places, shuffle
from clerp_circuit_tracer.collect.pools import Entries, Pool, Ranking, Sample
from clerp_circuit_tracer.collect.settings import CollectSettings
from clerp_circuit_tracer.collect.tallies import Tallies
from clerp_circuit_tracer.collect.wanted import WantedFeatures

# Some of a ranking fall out at the end because they share a window or lie too close.
_RESERVE = 2


class Findings:
    """Tallies, rankings and samples of all wanted features.

    Attributes:
        tallies: How often and how strongly each fires.
        followed: Highest window peaks with a full right context, distinct.
        unfollowed: Highest window peaks near the end of a row, distinct.
        peaks: Uniform sample of the window peaks.
        others: Uniform sample of the other positive places.
        random: Uniform sample of the windows in which a feature is off.
        near_misses: Windows in which a feature is off and its margin highest, distinct.
    """

    def __init__(self, wanted: WantedFeatures, settings: CollectSettings) -> None:
        n, width = len(wanted.features), settings.width
        n_top = _RESERVE * settings.top_examples
        n_inactive = max(_RESERVE * settings.inactive_examples, 1)
        self._wanted = wanted
        self._settings = settings
        self.tallies = Tallies(n, settings)
        self.followed = Ranking(n, n_top, width)
        self.unfollowed = Ranking(n, n_top, width)
        self.peaks = Sample(n, settings.peak_sample, width)
        self.others = Sample(n, settings.other_sample, width)
        self.random = Sample(n, n_inactive, width)
        self.near_misses = Ranking(n, n_inactive, width)
        layers = np.array([feature.layer for feature in wanted.features])
        indices = np.array([feature.index for feature in wanted.features])
        self._keys = hash_features(settings.seed, layers, indices)
        self._seen = np.zeros(2, np.int64)

    @property
    def n_rows(self) -> int:
        """Rows seen."""
        return int(self._seen[0])

    @property
    def n_tokens(self) -> int:
        """Tokens seen, without prefixes."""
        return int(self._seen[1])

    @property
    def arrays(self) -> Mapping[str, np.ndarray]:
        """The whole state, by name; written to when a checkpoint is read."""
        parts = {
            "tallies": self.tallies,
            "followed": self.followed,
            "unfollowed": self.unfollowed,
            "peaks": self.peaks,
            "others": self.others,
            "random": self.random,
            "near_misses": self.near_misses,
        }
        named = {f"{part}.{name}": a for part in parts for name, a in parts[part].arrays.items()}
        return {"seen": self._seen, **named}

    def add(self, batch: Batch, layers: Iterable[LayerActivity]) -> None:
        """Take in a batch. Which rows share a batch, and their order, makes no difference.

        Raises:
            EvidenceError: A layer is missing or of another shape, or a number is not finite.
        """
        drive = Drive(batch, layers, self._wanted, self._settings)
        self._add_firing(drive)
        self._add_inactive(drive)
        self._seen += len(batch.rows), int((drive.lengths - batch.prefix).clip(min=0).sum())

    def _add_firing(self, drive: Drive) -> None:
        firing = drive.find_firing()
        self.tallies.add(firing.places)
        peaks, others = (firing.places.select(m) for m in (firing.is_peak, ~firing.is_peak))
        is_followed = peaks.position + self._settings.context < drive.lengths[peaks.row]
        for pool, chosen in ((self.followed, is_followed), (self.unfollowed, ~is_followed)):
            places = peaks.select(chosen)
            _offer(pool, drive, places, -_order_by_size(places.value))
        for pool, places in ((self.peaks, peaks), (self.others, others)):
            _offer(pool, drive, places, self._draw(drive, places, places.position))

    def _add_inactive(self, drive: Drive) -> None:
        missed = drive.find_near_misses(read_margins(self.near_misses.worst))
        _offer(self.near_misses, drive, missed, _order_by_size(-missed.value))
        windows = drive.find_off_windows(self._keys, self.random.worst)
        starts = drive.start_windows(windows)
        _offer(self.random, drive, windows, self._draw(drive, windows, starts))

    def _draw(
        self, drive: Drive, places: Places, positions: Int64[np.ndarray, " place"]
    ) -> Int64[np.ndarray, " place"]:
        """Rank places at random, by the number of the token at these positions."""
        hashes = hash_places(drive.places[places.row, positions])
        return shuffle(hashes, self._keys[places.feature])


def read_margins(ranks: Int64[np.ndarray, " entry"]) -> Float32[np.ndarray, " entry"]:
    """Return the margins of entries among the near misses; the least number for none."""
    greatest = np.finfo(np.float32).max.view(np.int32)
    return -np.minimum(ranks, greatest).astype(np.int32).view(np.float32)


def _order_by_size(values: Float32[np.ndarray, " entry"]) -> Int64[np.ndarray, " entry"]:
    """Turn numbers that are not negative into integers of the same order: their bits."""
    return np.abs(values).view(np.int32).astype(np.int64)


def _offer(pool: Pool, drive: Drive, places: Places, ranks: Int64[np.ndarray, " place"]) -> None:
    """Let a pool take what it wants; windows are copied for that and for nothing else."""
    hopeful = ranks <= pool.worst[places.feature]
    places = places.select(hopeful)
    if not len(places):
        return
    admission = pool.admit(
        Entries(
            feature=places.feature,
            rank=ranks[hopeful],
            place=drive.places[places.row, places.position],
            context=drive.hash_contexts(places),
        )
    )
    pool.store(admission.slots, drive.cut_windows(places.select(admission.entries)))
