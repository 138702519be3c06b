"""Where models run and how many fit there."""

import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from clerp.errors import UsageError, VerbalizerError

# What running takes beside the weights, as a share of them.
_BESIDE = 1.5
_CONTROL_GROUP = Path("/sys/fs/cgroup")
# What torch says of a device without an error of its own for it.
_FULL = ("out of memory", "can't allocate memory", "not enough memory")


@dataclass(frozen=True, slots=True)
class Placement:
    """Device and precision."""

    device: torch.device
    dtype: torch.dtype


def choose_placement(device: str | None = None, dtype: torch.dtype | None = None) -> Placement:
    """Choose what nobody named: a GPU where CUDA has one, bfloat16 there and float32 elsewhere.

    Raises:
        UsageError: There is no such device.
    """
    known = _list_devices()
    name = ("cuda" if "cuda" in known else "cpu") if device is None else device
    if name not in known:
        raise _refuse(f"there is no device {name!r} here", known)
    chosen = torch.device(name)
    try:
        torch.empty(0, device=chosen)
    except RuntimeError as fault:
        raise _refuse(f"the device {name!r} cannot be used", known) from fault
    by_device = torch.bfloat16 if chosen.type == "cuda" else torch.float32
    return Placement(chosen, dtype or by_device)


def _list_devices() -> list[str]:
    n_cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    cuda = [f"cuda:{number}" for number in range(n_cuda)]
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return ["cpu", *(["cuda"] if cuda else []), *cuda, *mps]


def _refuse(what: str, known: list[str]) -> UsageError:
    return UsageError(what, where="device", remedy=f"Name one that there is: {', '.join(known)}")


def fit_together(folders: Iterable[Path], placement: Placement) -> bool:
    """Say whether all models of some folders fit into what memory is free, with some to spare.

    Weights on disk count as half precision, as they are published.
    """
    sizes = (path.stat().st_size for folder in folders for path in folder.glob("*.safetensors"))
    growth = placement.dtype.itemsize / torch.bfloat16.itemsize
    return _BESIDE * growth * sum(sizes) < _measure_free(placement.device)


def _measure_free(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if "SC_AVPHYS_PAGES" in os.sysconf_names:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return min(free, _measure_allowed(free))
    # Nobody says: one model at a time is always right.
    return 0


def _measure_allowed(free: int) -> int:
    """Return what a container leaves of the memory that is free; all of it outside of one."""
    try:
        most, taken = (
            (_CONTROL_GROUP / name).read_text() for name in ("memory.max", "memory.current")
        )
        return max(int(most) - int(taken), 0)
    # No control groups of version 2, or no limit, which is called "max".
    except (OSError, ValueError):
        return free


@contextmanager
def guard_memory(placement: Placement) -> Generator[None]:
    """Say in a line that memory did not suffice.

    Raises:
        VerbalizerError: It did not.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as fault:
        known = isinstance(fault, MemoryError | torch.OutOfMemoryError)
        if not known and not any(words in str(fault) for words in _FULL):
            raise
        raise VerbalizerError(
            f"out of memory on {placement.device}",
            remedy="Use a larger device, or a pair of a smaller model",
        ) from fault
