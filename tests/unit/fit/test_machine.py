"""Devices and precision are found or refused with a remedy, and torch's settings are restored."""

from __future__ import annotations

import os
import warnings
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from nephrograde.errors import FitError
from nephrograde.fit.machine import Machine, find_machine, find_precision, make_fabric, reproducible
from nephrograde.study import FitSettings

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA Test")


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_auto_is_the_cpu_without_cuda(no_gpu: None) -> None:
    machine = find_machine(FitSettings())
    assert (machine.kind, machine.processes, machine.spawns, str(machine)) == ("cpu", 1, False, "cpu")
    assert find_machine(FitSettings(devices=-1)).devices == 1


def test_auto_is_cuda_where_there_is_one(two_gpus: None) -> None:
    assert str(find_machine(FitSettings())) == "cuda (NVIDIA Test)"
    machine = find_machine(FitSettings(accelerator="gpu", devices=-1))
    assert (machine.devices, machine.spawns, str(machine)) == (2, True, "cuda (NVIDIA Test) × 2")


def test_mps_only_by_name(no_gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert find_machine(FitSettings()).kind == "cpu"
    assert find_machine(FitSettings(accelerator="mps")).kind == "mps"
    assert find_machine(FitSettings(accelerator="gpu")).kind == "mps"


def test_more_devices_than_there_are(two_gpus: None) -> None:
    with pytest.raises(FitError, match=r"fit\.devices is 3, but there are 2 of cuda"):
        find_machine(FitSettings(devices=3))
    with pytest.raises(FitError, match=r"fit\.devices is 0"):
        find_machine(FitSettings(devices=0))


def test_accelerator_that_is_not_there(no_gpu: None) -> None:
    with pytest.raises(FitError, match=r'fit\.accelerator is "cuda", but torch finds none'):
        find_machine(FitSettings(accelerator="cuda"))


def test_nodes_need_a_launcher(no_gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = FitSettings(nodes=2, devices=2)
    with pytest.raises(FitError, match="torchrun or srun"):
        find_machine(settings)
    for name in ("RANK", "GROUP_RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "WORLD_SIZE", "TORCHELASTIC_RUN_ID"):
        monkeypatch.setenv(name, "0")
    machine = find_machine(settings)
    assert (machine.processes, machine.launched, machine.spawns) == (4, True, False)


@pytest.mark.parametrize(
    ("dimensions", "kind", "capabilities", "expected"),
    [
        (2, "cpu", {"avx512_bf16": True}, "bf16"),
        (2, "cpu", {"amx_bf16": True}, "bf16"),
        (2, "cpu", {"avx2": True}, "fp32"),
        (3, "cpu", {"avx512_bf16": True}, "fp32"),
        (2, "mps", {}, "fp32"),
        (3, "cuda", {}, "bf16"),
    ],
)
def test_auto_precision(
    monkeypatch: pytest.MonkeyPatch, dimensions: Any, kind: str, capabilities: dict[str, bool], expected: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    assert find_precision("auto", dimensions=dimensions, kind=kind) == expected


def test_old_cuda_devices_have_no_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    assert find_precision("auto", dimensions=3, kind="cuda") == "fp32"
    assert find_precision("bf16", dimensions=3, kind="cuda") == "bf16"


def test_one_device_spawns_nothing() -> None:
    fabric = make_fabric(Machine("cpu", 1, 1, launched=False), "bf16")
    assert (fabric.world_size, fabric.device.type) == (1, "cpu")
    assert fabric.strategy.launcher is None
    with fabric.autocast():
        assert torch.get_autocast_dtype("cpu") is torch.bfloat16


def test_what_fabric_refuses_is_said_in_its_words(no_gpu: None) -> None:
    with pytest.raises(FitError, match=r"cannot be used: .*Check fit\.accelerator"):
        make_fabric(Machine("cuda", 1, 1, launched=False), "fp32")


def _global_state() -> tuple[Any, ...]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
        torch.backends.cudnn.deterministic,
        torch.backends.cudnn.benchmark,
        os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
        list(warnings.filters),
    )


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
@pytest.mark.parametrize("workspace", [None, ":16:8"])
def test_settings_come_back_even_after_an_error(
    monkeypatch: pytest.MonkeyPatch, kind: str, workspace: str | None
) -> None:
    if workspace:
        monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", workspace)
    else:
        monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    before = _global_state()
    with pytest.raises(KeyboardInterrupt), reproducible(kind):
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled() == (kind == "cuda")
        assert torch.backends.cudnn.deterministic or kind == "cpu"
        raise KeyboardInterrupt
    assert _global_state() == before


def test_srun_advice_is_not_passed_on(monkeypatch: pytest.MonkeyPatch, no_gpu: None) -> None:
    which: Callable[[str], str] = lambda name: f"/usr/bin/{name}"  # noqa: E731
    from lightning_fabric.plugins.environments import slurm

    monkeypatch.setattr(slurm, "shutil", SimpleNamespace(which=which))
    assert find_machine(FitSettings()).kind == "cpu"  # warnings are errors here
