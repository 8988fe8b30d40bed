"""Units on an engine: all of them are tried, and those that failed are named at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.errors import FitError, RunError
from nephrograde.signals import ending_in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from nephrograde.placing.engine import Engine
    from nephrograde.placing.unit import Done, Unit

_MOST_LINES = 6
"""Of what went wrong in a unit; the rest is in its log."""


def place_units(
    units: Sequence[Unit], engine: Engine, *, cpus: int, logs_dir: Path, finished: Callable[[int, Done], None]
) -> None:
    """Do units on an engine. One that fails does not stop the others.

    Args:
        units: The units.
        engine: SLURM or Ray.
        cpus: Processors for each unit, unless the engine has an option for it.
        logs_dir: Where SLURM writes the logs of units.
        finished: Called with the number of each unit that is done, and what it returned, in the order in which they
            are done.

    Raises:
        FitError: Units have failed; each is named, with what went wrong.
        InputError: The engine is not installed, or cannot be used.
        KeyboardInterrupt: After Ctrl-C, or a signal that ends processes; units that are not done are cancelled.
    """
    failed: dict[int, str] = {}

    def collect(number: int, done: Done) -> None:
        if done.problem:
            failed[number] = done.problem
            return
        try:
            finished(number, done)
        except RunError as error:  # what was returned is damaged
            failed[number] = str(error)

    with ending_in_order():
        if engine.kind == "slurm":
            from nephrograde.placing.slurm import place_on_slurm

            place_on_slurm(units, engine, cpus=cpus, logs_dir=logs_dir, collect=collect)
        else:
            from nephrograde.placing.on_ray import place_on_ray

            place_on_ray(units, engine, cpus=cpus, collect=collect)
    if failed:
        told = "\n".join(f"  {units[number].name}: {_shortened(failed[number])}" for number in sorted(failed))
        n_done = len(units) - len(failed)
        raise FitError(
            f"{len(failed)} of {len(units)} units failed:\n{told}\n"
            f"{n_done} are done and kept. Run the same command again to do the others."
        )


def _shortened(problem: str) -> str:
    lines = problem.strip().splitlines()
    return "\n    ".join(lines if len(lines) <= _MOST_LINES else [lines[0], "…", *lines[-_MOST_LINES + 2 :]])
