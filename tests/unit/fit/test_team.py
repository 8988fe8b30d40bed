"""How many networks are fitted at once: as many as processors, folds and memory allow, and never on shared devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch

from nephrograde.errors import FitError
from nephrograde.fit.team import Team, form_team, on_threads
from nephrograde.study import FitSettings

if TYPE_CHECKING:
    from typing import Literal

LARGE = 1e16
SMALL = 1e9


def formed(
    asked: int | Literal["auto"] = "auto",
    *,
    cores: int = 8,
    n_fits: int = 45,
    folds: int = 5,
    operations: float = LARGE,
    memory_bytes: float = SMALL,
    **settings: Any,
) -> Team:
    fits = [FitSettings(**{"accelerator": "cpu", **settings})] * n_fits
    with on_threads(cores):
        return form_team(asked, fits, folds=folds, operations=operations, memory_bytes=memory_bytes)


@pytest.mark.parametrize(
    ("cores", "folds", "team"),
    [(1, 5, Team(1, 1)), (2, 2, Team(2, 1)), (2, 5, Team(2, 1)), (8, 5, Team(8, 1)), (16, 5, Team(5, 3))],
)
def test_the_folds_of_a_model_share_the_processors(cores: int, folds: int, team: Team) -> None:
    assert formed(cores=cores, folds=folds) == team


@pytest.mark.parametrize("asked", [1, 2, 7, "auto"])
@pytest.mark.parametrize("cores", [1, 2, 16])
def test_threads_do_not_depend_on_the_workers(asked: int | Literal["auto"], cores: int) -> None:
    threads = formed(1, cores=cores).threads
    assert formed(asked, cores=cores) == Team(formed(asked, cores=cores).workers, threads)
    assert formed(asked, cores=cores, n_fits=1) == Team(1, threads)
    assert formed(asked, cores=cores, operations=SMALL).threads == threads


def test_a_number_is_taken_as_it_is_but_for_the_fits_there_are() -> None:
    assert formed(7, cores=2).workers == 7
    assert formed(7, cores=2, n_fits=3).workers == 3
    assert formed(2, cores=2, operations=SMALL, memory_bytes=LARGE).workers == 2


def test_small_studies_are_fitted_in_one_process() -> None:
    assert formed(operations=SMALL).workers == 1


def test_no_more_are_fitted_at_once_than_memory_holds() -> None:
    assert formed(memory_bytes=LARGE).workers == 1
    assert formed(memory_bytes=1.0).workers == 8


@pytest.mark.parametrize(
    ("settings", "environment", "reason"),
    [
        ({"devices": 2}, {}, "several devices share each fit"),
        ({"nodes": 2}, {}, "several devices share each fit"),
        ({}, {"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "2"}, "a launcher .* started several processes"),
        ({}, {"SLURM_NTASKS": "4"}, "a launcher .* started several processes"),
    ],
)
def test_shared_devices_are_not_shared_again(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], environment: dict[str, str], reason: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert formed("auto", **settings) == formed(1, **settings) == Team(1, 0)
    with pytest.raises(FitError, match=rf'fit\.workers is 2, but {reason}.*Set fit\.workers = "auto"'):
        formed(2, **settings)


@pytest.mark.parametrize("accelerator", ["auto", "cuda"])
@pytest.mark.parametrize("devices", [1, -1])
def test_networks_share_a_gpu_only_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, accelerator: str, devices: int
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    settings: dict[str, Any] = {"accelerator": accelerator, "devices": devices}
    assert formed("auto", **settings) == formed(1, **settings) == Team(1, 0, on_gpu=True)
    assert formed(3, **settings) == Team(3, 2, on_gpu=True)
    assert formed(30, n_fits=12, **settings) == Team(12, 1, on_gpu=True)


def test_networks_on_several_gpus_are_fitted_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert formed("auto", accelerator="cuda", devices=-1) == Team(1, 0)
    with pytest.raises(FitError, match="several devices share each fit"):
        formed(3, accelerator="cuda", devices=-1)


def test_networks_on_cpu_and_gpu_are_fitted_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    fits = [FitSettings(accelerator="cpu"), FitSettings(accelerator="cuda")]
    assert form_team("auto", fits, folds=5, operations=LARGE, memory_bytes=SMALL) == Team(1, 0)
    with pytest.raises(FitError, match="some networks are fitted on a GPU and others on the CPU"):
        form_team(2, fits, folds=5, operations=LARGE, memory_bytes=SMALL)


def test_networks_on_mps_are_fitted_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert formed("auto", accelerator="mps") == Team(1, 0)
    with pytest.raises(FitError, match=r"fitted on a GPU \(mps\), one after the other"):
        formed(3, accelerator="mps")


def test_the_threads_of_torch_are_restored() -> None:
    before = torch.get_num_threads()
    with on_threads(3):
        assert torch.get_num_threads() == 3
        with on_threads(0):
            assert torch.get_num_threads() == 3
    assert torch.get_num_threads() == before
