"""The clinical baseline with and without imputation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nephrograde.cohort.case import Case, Cohort
from nephrograde.cohort.split import Assignment, Split
from nephrograde.evaluation.baselines.baseline import clinical_predictors, fit_baseline
from nephrograde.evaluation.baselines.complete_cases import OF_COMPLETE, ON_COMPLETE, complete_case_estimates
from nephrograde.evaluation.performance.metrics import Estimate, auc

if TYPE_CHECKING:
    from nephrograde.evaluation.scores.scores import Score

COLUMNS = ("age_years", "size_cm")


def make_cohort(missing: set[int], n: int = 60) -> tuple[Cohort, Split]:
    stream = np.random.default_rng(3)
    cases = []
    for k in range(n):
        is_high = k % 2 == 1
        values = {"age_years": float(stream.normal(60 + 4 * is_high, 8)), "size_cm": float(stream.uniform(2, 8))}
        clinical = {name: value for name, value in values.items() if not (name == "age_years" and k in missing)}
        cases.append(Case(f"P{k:02}", is_high, None, {}, clinical))
    split = Split(
        {f"P{k:02}": Assignment("test", None) if k < 20 else Assignment("train", k % 4 // 2) for k in range(n)}
    )
    return Cohort(tuple(cases), (), COLUMNS, None), split


def rows_of(missing: set[int]) -> tuple[dict[tuple[str, str], Estimate], list[Score], Cohort, Split]:
    cohort, split = make_cohort(missing)
    predictors = clinical_predictors(cohort, COLUMNS)
    is_high = {case.patient_id: case.is_high for case in cohort.cases}
    scores = list(fit_baseline(predictors, is_high, split, model="clinical"))
    found = complete_case_estimates(predictors, scores, split, confidence=0.95)
    return {(part, made.measure): made for _, part, made in found}, scores, cohort, split


def test_nothing_is_added_without_missing_values() -> None:
    assert rows_of(set())[0] == {}


def test_both_rows_are_of_the_patients_without_a_missing_value() -> None:
    missing = {1, 2, 7, 25, 33}
    found, scores, cohort, split = rows_of(missing)
    assert set(found) == {(part, measure) for part in ("oof", "test") for measure in (ON_COMPLETE, OF_COMPLETE)}
    kept = [row for row in scores if int(row.patient_id[1:]) not in missing and row.split == "test"]
    expected = auc([row.p_high for row in kept], [row.is_high for row in kept])
    made = found["test", ON_COMPLETE]
    assert (made.n, made.n_high, made.value, made.low) == (17, 8, expected.value, expected.low)
    # a baseline of complete cases alone is that of a cohort that never had the others
    alone = Cohort(tuple(c for c in cohort.cases if int(c.patient_id[1:]) not in missing), (), COLUMNS, None)
    is_high = {case.patient_id: case.is_high for case in alone.cases}
    known = Split({patient: place for patient, place in split.assignments.items() if patient in is_high})
    other = fit_baseline(clinical_predictors(alone, COLUMNS), is_high, known, model="clinical")
    test = [row for row in other if row.split == "test"]
    expected = auc([row.p_high for row in test], [row.is_high for row in test])
    assert found["test", OF_COMPLETE].value == pytest.approx(expected.value)
    assert found["test", OF_COMPLETE].n == 17


def test_too_few_complete_cases_leave_the_first_row() -> None:
    train = [k for k in range(20, 60) if k % 4 // 2 == 1 and k % 2 == 1]
    found, *_ = rows_of(set(train))  # no complete high patient is left to learn from for the other fold
    assert ("test", ON_COMPLETE) in found
    assert ("test", OF_COMPLETE) not in found
    assert not math.isnan(found["test", ON_COMPLETE].value)
