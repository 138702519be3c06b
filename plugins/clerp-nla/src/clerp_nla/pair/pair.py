"""Both halves of a pair, of which one is in memory at a time."""

import gc
import re
from collections.abc import Generator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from threading import RLock

import torch

from clerp.errors import InputError
from clerp.verbalizers import PairIdentity
from clerp_nla.pair.actor import Actor, read_actor_sidecar
from clerp_nla.pair.critic import Critic, read_critic_sidecar
from clerp_nla.pair.place import Place, find_place
from clerp_nla.pair.sidecar import Sidecar

# A base that was named by a path of the machine where the pair was trained.
_PATH = re.compile(r"([A-Za-z]:)?[\\/~.].*|.*[\\/].*[\\/].*")


class Pair:
    """An actor and a critic that belong together.

    A half stays loaded until the other one is asked for. With `resident`, both stay.

    Args:
        place: Where they are.
        device: Where they run.
        dtype: float32 or bfloat16.
        resident: Whether both may be in memory at once.

    Raises:
        InputError: A sidecar is not what it should be, or the halves are of different pairs.
    """

    def __init__(
        self,
        place: Place,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        resident: bool = False,
    ) -> None:
        self.place = place
        self.device = device
        self.dtype = dtype
        self.actor_sidecar = read_actor_sidecar(place.actor)
        self.critic_sidecar = read_critic_sidecar(place.critic)
        self._layer = _agree(self.actor_sidecar, self.critic_sidecar, place)
        self._resident = resident
        self._actor: Actor | None = None
        self._critic: Critic | None = None
        self._lock = RLock()

    @property
    def folder(self) -> Path | None:
        """The folder that holds both halves; None for a pair of the Hub."""
        return self.place.folder

    @cached_property
    def identity(self) -> PairIdentity:
        """Which pair it is; for a folder, all its files are read once."""
        base = self.critic_sidecar.base_checkpoint
        if _PATH.fullmatch(base):
            base = re.split(r"[\\/]", base.rstrip("\\/"))[-1]
        return PairIdentity(
            name=self.place.name,
            revision=self.place.find_revision(),
            base_model=base,
            layer=self._layer,
            d_model=self.critic_sidecar.d_model,
        )

    @contextmanager
    def acting(self) -> Generator[Actor]:
        """Give the actor; other threads wait.

        Raises:
            InputError: It cannot be loaded.
        """
        with self._lock:
            if self._actor is None:
                if not self._resident:
                    self.release()
                self._actor = Actor.load(self.place.actor, device=self.device, dtype=self.dtype)
            yield self._actor

    @contextmanager
    def criticizing(self) -> Generator[Critic]:
        """Give the critic; other threads wait.

        Raises:
            InputError: It cannot be loaded.
        """
        with self._lock:
            if self._critic is None:
                if not self._resident:
                    self.release()
                self._critic = Critic.load(self.place.critic, device=self.device, dtype=self.dtype)
            yield self._critic

    def release(self) -> None:
        """Free the memory of what is loaded; the next use loads it again."""
        with self._lock:
            self._actor = self._critic = None
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()


def open_pair(
    place: str,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    resident: bool = False,
) -> Pair:
    """Open a pair, whose models are loaded by the first use.

    Args:
        place: Folder with `av/` and `ar/`, or `owner/name` on HuggingFace.
        device: Where it runs.
        dtype: float32 or bfloat16.
        resident: Whether both models may be in memory at once.

    Raises:
        UsageError: There is no such place.
        InputError: A sidecar is not what it should be, or the halves are of different pairs.
        VerbalizerError: The Hub does not give it.
    """
    return Pair(find_place(place), device=device, dtype=dtype, resident=resident)


def _agree(actor: Sidecar, critic: Sidecar, place: Place) -> int:
    """Return K, if both halves are of one pair."""
    assert critic.layer is not None  # `read_sidecar` has seen to it
    said = (
        ("d_model", actor.d_model, critic.d_model),
        ("layer", critic.layer if actor.layer is None else actor.layer, critic.layer),
        ("base_checkpoint", actor.base_checkpoint, critic.base_checkpoint),
    )
    for key, ours, theirs in said:
        if ours != theirs:
            raise InputError(
                f"{key}: the actor says {ours!r}, the critic {theirs!r}: they are of different "
                "pairs",
                where=place.name,
                remedy="Put together the two halves that were published together",
            )
    return critic.layer
