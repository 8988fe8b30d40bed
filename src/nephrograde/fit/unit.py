"""One model on one fold as a unit of its own: done once, by whichever process on whichever machine comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.errors import FitError
from nephrograde.fit.folds import is_fitted
from nephrograde.fit.planned import shaping_versions
from nephrograde.lock import in_turn
from nephrograde.run.progress import unwatched
from nephrograde.run.writer import is_first

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nephrograde.fit.planned import Fit
    from nephrograde.fit.workers import FitOne
    from nephrograde.run.progress import Watched


def fit_unit(fit: FitOne, planned: Fit, *, threads: int, watched: Watched | None = None) -> None:
    """Fit one network, unless that is done; for a process that writes to the run folder beside others.

    If another process is fitting the same network, this one waits, and then finds it done, or does it if the other was
    killed. Nothing but the folder of the fit is written.

    Args:
        fit: Fits it, as :func:`nephrograde.fit.folds.fit_planned` on a study does.
        planned: The fit.
        threads: Of the CPU; 0 keeps torch's own number.
        watched: Told of every step.

    Raises:
        NephrogradeError: As ``fit``.
    """
    from nephrograde.fit.team import on_threads

    watched = watched or unwatched()
    with on_threads(threads):
        if not is_first():  # the first process of a launch holds the lock for all
            fit(planned, watched=watched)
            return
        with in_turn(planned.folder.fold_dir):
            if is_fitted(planned):
                watched.finish()
            else:
                fit(planned, watched=watched)


def check_same_versions(expected: Mapping[str, str], where: str) -> None:
    """Refuse a machine whose networks would be those of other packages than the fit is known by.

    Args:
        expected: The versions on the machine that planned the fit, as of :func:`shaping_versions`.
        where: The name of this machine.

    Raises:
        FitError: A version differs.
    """
    found = shaping_versions()
    others = [name for name, number in expected.items() if found.get(name) != number]
    if others:
        told = ", ".join(f"{name} {found.get(name, 'missing')}, not {expected[name]}" for name in others)
        raise FitError(
            f"{where} has {told}: its networks would not be those of the machine that planned them. "
            "Install the same versions everywhere."
        )
