"""How far the clinical baseline depends on the imputation of missing values.

The baseline fills in missing values from the training patients. Beside it stand the same predictions on the patients
without a missing value, and a baseline that was fitted to such patients alone, scored on the same ones.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from nephrograde.errors import ScoresError
from nephrograde.evaluation.baselines.baseline import fit_baseline
from nephrograde.evaluation.performance.metrics import Estimate, auc

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nephrograde.cohort.split import Split
    from nephrograde.evaluation.baselines.baseline import Predictors
    from nephrograde.evaluation.scores.scores import Score, SplitName
    from nephrograde.evaluation.tables import ModelEstimate

ON_COMPLETE = "auc_on_complete"
"""The AUC of the imputing baseline on the patients without a missing value."""
OF_COMPLETE = "auc_complete_cases"
"""The AUC, on the same patients, of a baseline that was fitted to such patients alone."""


def complete_case_estimates(
    predictors: Predictors, imputed: Iterable[Score], split: Split, *, confidence: float
) -> tuple[ModelEstimate, ...]:
    """Compare the clinical baseline with imputation and on complete cases.

    Args:
        predictors: The clinical predictors of each patient.
        imputed: The scores of the baseline that imputes, of all patients with a predictor.
        split: Test patients and folds of the study.
        confidence: Coverage probability of the intervals.

    Returns:
        Rows of ``estimates.csv`` with the measures ``auc_on_complete`` and ``auc_complete_cases``, for each split in
        which both classes have complete cases; none if no value is missing.

    >>> import functools
    >>> from nephrograde.cohort.case import Case, Cohort
    >>> from nephrograde.cohort.split import Assignment, Split
    >>> from nephrograde.evaluation.baselines.baseline import clinical_predictors
    >>> cases = [Case(f"P{k}", k % 2 == 1, None, {}, {"age_years": 50.0 + 10 * (k % 2) + k}) for k in range(12)]
    >>> cases[3] = Case("P3", True, None, {}, {"size_cm": 4.0})
    >>> predictors = clinical_predictors(Cohort(tuple(cases), (), ("age_years", "size_cm"), None), ["age_years"])
    >>> complete_case_estimates(predictors, [], Split({}), confidence=0.95)
    ()
    """
    complete = {patient: row for patient, row in predictors.values.items() if all(map(_is_given, row))}
    if len(complete) == len(predictors.values):
        return ()
    scores = [row for row in imputed if row.patient_id in complete]
    is_high = {row.patient_id: row.is_high for row in scores}
    known = replace(predictors, values={patient: row for patient, row in complete.items() if patient in is_high})
    found = list(_estimates(scores, ON_COMPLETE, confidence))
    try:
        refitted = fit_baseline(known, is_high, split, model="clinical")
    except ScoresError:  # too few complete cases in some fold
        return tuple(found)
    return (*found, *_estimates(refitted, OF_COMPLETE, confidence))


def _estimates(scores: Iterable[Score], measure: str, confidence: float) -> Iterable[ModelEstimate]:
    by_split: dict[SplitName, list[Score]] = {}
    for row in scores:
        by_split.setdefault(row.split, []).append(row)
    for part, rows in by_split.items():
        truths = [row.is_high for row in rows]
        if len(set(truths)) == 2:
            made: Estimate = auc([row.p_high for row in rows], truths, confidence=confidence)
            yield rows[0].model, part, replace(made, measure=measure)


def _is_given(value: float | str | None) -> bool:
    return isinstance(value, str) or (value is not None and not math.isnan(value))
