"""The fit stage: every model on every fold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.fit.folds import fit_planned, list_fits, plan_fits, work_of
from nephrograde.run.progress import Watched, Workload, silent
from nephrograde.sample.prepare import read_prepared

if TYPE_CHECKING:
    from nephrograde.cohort.case import Cohort
    from nephrograde.cohort.split import Split
    from nephrograde.run.folder import RunFolder
    from nephrograde.run.progress import Progress
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
    is_high = {case.patient_id: case.is_high for case in cohort.cases}
    planned = plan_fits(study, cohort, split, prepared=read_prepared(run), run=run)
    parts = [work_of(one) for one in planned]
    work = Workload(parts)
    with progress("Fitting models", work) as show:
        for one, part in zip(planned, parts, strict=True):
            fit_planned(one, study, is_high=is_high, watched=Watched(work, part, show))


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
