from pathlib import Path

import pytest
import torch

from clerp.errors import UsageError, VerbalizerError
from clerp_nla import placement
from clerp_nla.placement import Placement, choose_placement, fit_together, guard_memory

CPU = Placement(torch.device("cpu"), torch.float32)


def test_the_processor_computes_in_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    assert choose_placement() == CPU
    assert choose_placement("cpu", torch.bfloat16).dtype == torch.bfloat16


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="there is no device 'nowhere' here"):
        choose_placement("nowhere")


@pytest.mark.parametrize(("dtype", "growth"), [(torch.float32, 2), (torch.bfloat16, 1)])
def test_models_fit_together_where_there_is_room_for_half_as_much_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, growth: int
) -> None:
    for name, size in (("av", 100), ("ar", 60)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(b"0" * size)
        (tmp_path / name / "notes.txt").write_bytes(b"0" * 1000)
    folders = [tmp_path / "av", tmp_path / "ar"]
    place = Placement(torch.device("cpu"), dtype)

    monkeypatch.setattr(placement, "_measure_free", lambda _: 240 * growth + 1)
    assert fit_together(folders, place)
    monkeypatch.setattr(placement, "_measure_free", lambda _: 240 * growth)
    assert not fit_together(folders, place)


def test_free_memory_is_measured(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"0")

    assert fit_together([tmp_path], CPU)


@pytest.mark.parametrize(
    ("most", "fits"), [("1000", True), ("998", False), ("400", False), ("max\n", True)]
)
def test_a_container_may_leave_less_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: str, fits: bool
) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"0" * 166)
    (tmp_path / "memory.max").write_text(most)
    (tmp_path / "memory.current").write_text("500\n")
    monkeypatch.setattr(placement, "_CONTROL_GROUP", tmp_path)

    assert fit_together([tmp_path], CPU) is fits


@pytest.mark.parametrize(
    "fault",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
)
def test_memory_that_does_not_suffice_is_said_in_a_line(fault: Exception) -> None:
    with pytest.raises(VerbalizerError, match="out of memory on cpu"), guard_memory(CPU):
        raise fault


def test_other_faults_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="shapes"), guard_memory(CPU):
        raise RuntimeError("shapes cannot be multiplied")


def test_another_device_than_there_is_is_answered_with_those_that_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)

    with pytest.raises(UsageError, match=r"no device 'cuda:2' here.*: cpu, cuda, cuda:0, cuda:1$"):
        choose_placement("cuda:2")


@pytest.mark.parametrize("name", ["", "meta", "cpu:1", "CUDA"])
def test_what_is_no_name_of_a_device_here_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="there is no device"):
        choose_placement(name)


def test_a_device_that_cannot_be_used_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error: all devices are busy")

    monkeypatch.setattr(torch, "empty", fail)

    with pytest.raises(UsageError, match="the device 'cpu' cannot be used"):
        choose_placement("cpu")
