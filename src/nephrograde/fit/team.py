"""How many networks are fitted at once, and on how many threads each of them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from nephrograde.errors import FitError
from nephrograde.fit.machine import find_kind
from nephrograde.run.memory import free_bytes
from nephrograde.run.writer import is_launched

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nephrograde.study import FitSettings

WORTH_A_PROCESS = 2e12
"""Floating-point operations of all fits together from which further processes pay: about 20 s of work on two cores.

Each of them imports torch first, which takes 3 to 5 s.
"""


@dataclass(frozen=True, slots=True)
class Team:
    """How a study's networks are fitted: ``workers`` of them at once, each on ``threads`` threads of the CPU.

    ``threads`` is 0 where fits do not run on one CPU alone, and torch's own number is kept. ``on_gpu`` says whether
    they share a GPU, each with its part of the memory.
    """

    workers: int
    threads: int
    on_gpu: bool = False


def form_team(
    asked: int | Literal["auto"], fits: Sequence[FitSettings], *, folds: int, operations: float, memory_bytes: float
) -> Team:
    """Decide how many networks are fitted at once, and on how many threads each of them.

    On a CPU, the last digits of a network depend on the number of threads. So that they do not depend on how many
    networks are fitted at once, the number of threads follows from the processors and the folds alone: as many threads
    as let the folds of a model share the processors, and one where there are no more processors than folds.

    On a single GPU, fits run one after the other, unless the study asks for a number of workers: these share the card.
    "auto" leaves it at one there until it has been measured what is gained. Where several devices share each fit, only
    one runs at a time.

    Args:
        asked: ``fit.workers`` of the study.
        fits: The settings of each of the fits; at least one.
        folds: The number of folds.
        operations: Floating-point operations of all fits together.
        memory_bytes: Memory that one fit takes at most.

    Raises:
        FitError: If the devices are not available, or do not allow the number of workers.

    >>> from nephrograde.study import FitSettings
    >>> form_team(2, [FitSettings(accelerator="cpu")] * 10, folds=5, operations=1e15, memory_bytes=1e9).workers
    2
    """
    kinds = {find_kind(settings.accelerator) for settings in fits}
    obstacle = next((found for settings in fits if (found := _obstacle(settings))), "")
    if len(kinds) > 1:
        obstacle = obstacle or "some networks are fitted on a GPU and others on the CPU"
    if obstacle:
        if asked not in {1, "auto"}:
            raise FitError(f'fit.workers is {asked}, but {obstacle}. Set fit.workers = "auto".')
        return Team(1, 0)
    cores = torch.get_num_threads()
    if kinds == {"cuda"}:
        workers = 1 if asked == "auto" else min(asked, len(fits))
        # Digits come from the GPU and do not depend on the threads, which only prepare batches.
        return Team(workers, 0 if workers == 1 else max(1, cores // workers), on_gpu=True)
    threads = threads_on_cpu(folds)
    if asked != "auto":
        return Team(min(asked, len(fits)), threads)
    if operations < WORTH_A_PROCESS:
        return Team(1, threads)
    fitting = max(1.0, free_bytes() / memory_bytes)
    return Team(int(min(cores // threads, len(fits), fitting)), threads)


def threads_on_cpu(folds: int) -> int:
    """Return on how many threads of the CPU each network is fitted, as :func:`form_team` explains it.

    Args:
        folds: The number of folds.

    >>> threads_on_cpu(1000)
    1
    """
    return max(1, torch.get_num_threads() // folds)


def _obstacle(settings: FitSettings) -> str:
    """Why a fit has to be alone: it does not run in a single process on a CPU or on one GPU of CUDA."""
    kind = find_kind(settings.accelerator)
    if kind == "mps":
        return f"networks are fitted on a GPU ({kind}), one after the other"
    is_one = settings.devices == 1 or (settings.devices == -1 and (kind == "cpu" or torch.cuda.device_count() == 1))
    if not is_one or settings.nodes > 1:
        return "several devices share each fit (fit.devices, fit.nodes)"
    return "a launcher (torchrun, srun) started several processes" if is_launched() else ""


@contextmanager
def on_threads(count: int) -> Iterator[None]:
    """Let torch use this number of threads within the block; 0 leaves its own number.

    >>> with on_threads(1):
    ...     torch.get_num_threads()
    1
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
