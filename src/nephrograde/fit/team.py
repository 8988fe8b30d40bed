"""How many networks are fitted at once, and on how many threads each of them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from nephrograde.errors import FitError
from nephrograde.fit.machine import find_kind
from nephrograde.run.writer import is_launched

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nephrograde.fit.folds import Fit
    from nephrograde.run.progress import Part
    from nephrograde.study import FitSettings

WORTH_A_PROCESS = 5e12
"""Floating-point operations of all fits together for which starting further processes pays."""


@dataclass(frozen=True, slots=True)
class Team:
    """How a study's networks are fitted: ``workers`` of them at once, each on ``threads`` threads of the CPU.

    ``threads`` is 0 where fits do not run on one CPU alone, and torch's own number is kept.
    """

    workers: int
    threads: int


def form_team(asked: int | str, planned: Sequence[Fit], parts: Sequence[Part]) -> Team:
    """Decide how many networks are fitted at once, and on how many threads each of them.

    On a CPU, the last digits of a network depend on the number of threads. So that they do not depend on how many
    networks are fitted at once, the number of threads follows from the processors and the folds alone: as many threads
    as let the folds of a model share the processors, and one where there are no more processors than folds. Where fits
    run on a GPU or on several devices, they run one after the other.

    Args:
        asked: ``fit.workers`` of the study.
        planned: The fits; at least one.
        parts: The work of each of them.

    Raises:
        FitError: If the devices are not available, or do not allow the number of workers.
    """
    obstacle = next((found for one in planned if (found := _obstacle(one.settings))), "")
    if obstacle:
        if asked not in {1, "auto"}:
            raise FitError(f'fit.workers is {asked}, but {obstacle}. Set fit.workers = "auto".')
        return Team(1, 0)
    cores = torch.get_num_threads()
    threads = max(1, cores // planned[0].split.folds)
    if asked != "auto":
        return Team(min(int(asked), len(planned)), threads)
    if sum(part.units * part.cost for part in parts) < WORTH_A_PROCESS:
        return Team(1, threads)
    return Team(min(cores // threads, len(planned)), threads)


def _obstacle(settings: FitSettings) -> str:
    """Why a fit does not run on one CPU alone."""
    kind = find_kind(settings.accelerator)
    if kind != "cpu":
        return f"networks are fitted on a GPU ({kind}), one after the other"
    if settings.devices not in {1, -1} or settings.nodes > 1:
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
