"""The fit stage: every model on every fold."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from nephrograde.fit.folds import encode_planned, fit_planned, list_fits, plan_fits, work_of
from nephrograde.fit.work import memory_of
from nephrograde.fit.workers import fit_at_once
from nephrograde.run.progress import Watched, Workload, silent
from nephrograde.run.stage import remove_interrupted
from nephrograde.sample.prepare import read_prepared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nephrograde.cohort.case import Cohort
    from nephrograde.cohort.split import Split
    from nephrograde.fit.planned import Fit
    from nephrograde.fit.team import Team
    from nephrograde.fit.workers import FitOne
    from nephrograde.run.folder import RunFolder
    from nephrograde.run.progress import Part, Progress
    from nephrograde.study import Study


def fit_models(study: Study, cohort: Cohort, split: Split, run: RunFolder, *, progress: Progress = silent) -> None:
    """Fit every model on every fold, in every repeat that the study asks for; a fold with unchanged inputs is kept.

    Args:
        study: The resolved study.
        cohort: Its patients.
        split: Who is tested, and who is in which fold.
        run: The run folder; the scans are prepared.
        progress: How to show long steps.

    Raises:
        RunError: If the scans are not prepared, or a model has none.
        FitError: If a model cannot be learnt.
    """
    prepared = read_prepared(run)
    planned = plan_fits(study, cohort, split, prepared=prepared, run=run)
    if not planned:
        return
    encode_planned(planned, study, prepared=prepared, run=run, progress=progress)
    is_high = {case.patient_id: case.is_high for case in cohort.cases}
    fit = partial(fit_planned, study=study, is_high=is_high)
    parts = [work_of(one) for one in planned]
    team = team_for(planned, parts, study, split)
    work_through("Fitting models", fit, list(zip(planned, parts, strict=True)), run, team=team, progress=progress)


def team_for(planned: Sequence[Fit], parts: Sequence[Part], study: Study, split: Split) -> Team:
    """Decide how many networks are fitted at once, and on how many threads.

    Args:
        planned: The fits; at least one.
        parts: The work of each of them.
        study: The resolved study.
        split: Its split.

    Raises:
        FitError: If the devices are not available, or do not allow the number of workers.
    """
    from nephrograde.fit.team import form_team

    n_patients = len(split.assignments)
    return form_team(
        study.fit.workers,
        [one.settings for one in planned],
        folds=split.folds,
        operations=sum(part.units * part.cost for part in parts),
        memory_bytes=max(
            memory_of(study, one.arm, n_patients=n_patients, architecture=one.architecture) for one in planned
        ),
    )


def work_through(
    name: str, fit: FitOne, todo: Sequence[tuple[Fit, Part]], run: RunFolder, *, team: Team, progress: Progress
) -> None:
    """Do the same with each of several fits: one after the other, or several at once, the longest first.

    Args:
        name: What the long step is called.
        fit: What is done; it writes the files of its fit as a whole.
        todo: The fits with their work.
        run: The run folder.
        team: How many at once, and on how many threads.
        progress: How to show long steps.

    Raises:
        NephrogradeError: As ``fit``.
    """
    from nephrograde.fit.team import on_threads

    if team.workers == 1:
        work = Workload([part for _, part in todo])
        with progress(name, work) as show, on_threads(team.threads):
            for one, part in todo:
                fit(one, watched=Watched(work, part, show))
        return
    longest_first = sorted(todo, key=_turn)
    work = Workload([part for _, part in longest_first], workers=team.workers)
    try:
        with progress(name, work) as show:
            fit_at_once(fit, [one for one, _ in longest_first], team=team, work=work, show=show)
    except BaseException:
        remove_interrupted(run)  # of fits that were ended while they wrote
        raise


def _turn(fit: tuple[Fit, Part]) -> tuple[bool, float]:
    """Fits of the study's results come before repeats, and longer before shorter, so that all end at the same time."""
    planned, part = fit
    return not planned.repeat.is_first, -part.units * part.cost


def keys_of_fits(study: Study, cohort: Cohort, split: Split, run: RunFolder) -> dict[str, str]:
    """Return the fingerprint of everything that each fit depends on, as its card will state it, before it is fitted.

    Args:
        study: The resolved study.
        cohort: Its patients.
        split: Who is tested, and who is in which fold.
        run: The run folder; the scans are prepared.

    Returns:
        The fingerprints by the name of the fold's folder, such as ``weak-1-cmp/fold-0``, or
        ``seed-1/weak-1-cmp/fold-0`` in a repeat.

    Raises:
        RunError: If the scans are not prepared, or a model has none.
    """
    fits = list_fits(study, cohort, split, prepared=read_prepared(run), run=run)
    return {one.folder.name_in(one.repeat.name): one.key for one in fits}
