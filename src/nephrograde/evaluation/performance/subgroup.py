"""Subgroups: the AUC within groups of patients, and whether the groups differ.

A group holds few patients, and among many groups some AUC is low by chance. So the question is not which group has a
good AUC, but whether the AUCs differ by more than chance: this is what the interaction test asks. It has little power,
and a large p value does not show that a model performs equally well everywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from nephrograde.evaluation.performance.delong import place
from nephrograde.evaluation.performance.metrics import auc
from nephrograde.evaluation.remarks import Caution, Judged, Reason
from nephrograde.evaluation.scores.scores import paired_vectors
from nephrograde.sheet import is_blank

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nephrograde.cohort.case import Cohort
    from nephrograde.evaluation.scores.scores import ModelScores
    from nephrograde.vocabulary import BoolVector, FloatVector

Labels: TypeAlias = tuple[str, str, str, str]  # model, split, column, group

CUTS = {"size_cm": (4.0, "cm"), "age_years": (65.0, "years")}
"""Cut points of numeric columns: 4 cm is the limit of stage T1a, and 65 years is customary."""

MOST_VALUES = 8
"""Columns with more distinct values are not split into groups."""

FEWEST = 10
"""Patients of each grade below which a group's AUC has no interval and no part in the interaction test."""

UNKNOWN = "unknown"
"""The group of patients without a value; it is excluded from the interaction test."""


@dataclass(frozen=True, slots=True)
class SubgroupEstimate(Judged):
    """The AUC of one model in one subgroup; a row of ``statistics/subgroups.csv``.

    ``column`` is the column of the cohort table, ``group`` the group ("≤ 4 cm"), ``p_interaction`` the P value of
    whether the AUC differs between the groups of that column (the same in every row of the column) and
    ``tested_groups`` the number of groups compared, at least two for a test. NaN: not computed; ``reason`` says why
    there is no AUC, and ``caution`` why there is no interval, with the limit in ``caution_value``.
    """

    model: str
    split: str
    column: str
    group: str
    n: int
    n_high: int
    auc: float
    low: float
    high: float
    p_interaction: float
    method: str
    confidence: float | None = None
    tested_groups: int | None = None
    reason: Reason | None = None
    caution: Caution | None = None
    caution_value: int | None = None
    is_reliable: bool = field(init=False)


def estimate_subgroups(
    patients: ModelScores,
    values: Mapping[str, Mapping[str, str]],
    *,
    model: str,
    split: str,
    confidence: float,
    columns: Sequence[str],
) -> tuple[SubgroupEstimate, ...]:
    """Estimate the AUC of a model in subgroups, and test for each column whether the groups differ.

    ``size_cm`` is split at 4 cm and ``age_years`` at 65 years; any other column is grouped by its values, of which
    there may be at most eight. A group with fewer than ten patients of a grade has no interval. The groups hold
    different patients, so their AUCs are independent: the test is Wald's chi-square test of equal AUCs with DeLong's
    variances, which for two groups is the z test of their difference. It excludes groups with fewer than ten patients
    of a grade or without a variance above 0, and patients without a value.

    Args:
        patients: The scores of the model in one split.
        values: The text of each patient, by column; a missing patient is "unknown".
        model: The model's id, for the rows.
        split: The split of the patients, for the rows.
        confidence: Coverage probability of the intervals.
        columns: The columns that define subgroups, in this order; those that ``values`` does not have are ignored.

    Returns:
        One row per group; what cannot be computed is NaN, with a reason.

    Raises:
        ScoresError: A prediction that is not finite.

    Source:
        DeLong 1988 for each group.

    >>> from nephrograde.evaluation.scores.scores import ModelScores
    >>> ids, truth = ("A", "B", "C", "D", "E"), np.array([False, False, True, True, True])
    >>> scores = ModelScores(ids, truth, np.array([0.1, 0.6, 0.4, 0.9, 0.5]))
    >>> sexes = {"A": "F", "B": "F", "C": "F", "D": "F", "E": "M"}
    >>> options = {"model": "size", "split": "test", "confidence": 0.95, "columns": ("sex", "centre")}
    >>> for row in estimate_subgroups(scores, {"sex": sexes}, **options):
    ...     print(row.group, row.n, row.n_high, row.auc, row.reason)
    F 4 2 0.75 None
    M 1 1 nan one-grade
    """
    if not len(patients):
        return ()
    p_high, is_high = paired_vectors(patients.p_high, patients.is_high)
    rows: list[SubgroupEstimate] = []
    for column in columns:
        if column not in values:
            continue
        parts = _part(column, [values[column].get(patient_id, "") for patient_id in patients.patient_ids])
        known = len(parts.keys() - {UNKNOWN})
        if known > MOST_VALUES:
            method = f"not computed: {known} different values, and {MOST_VALUES} at most make groups"
            labels = (model, split, column, f"{known} values")
            rows.append(_without_number(labels, is_high, Reason.TOO_MANY_VALUES, method))
            continue
        made = [
            _estimate(p_high[members], is_high[members], (model, split, column, group), confidence=confidence)
            for group, members in parts.items()
        ]
        rows += _test_interaction(made)
    return tuple(rows)


def groups_of(cohort: Cohort, columns: Sequence[str]) -> dict[str, dict[str, str]]:
    """Look up the columns that define subgroups, as far as the cohort table has them.

    Args:
        cohort: The patients.
        columns: The names of the columns.

    Returns:
        The text of each patient, by column and patient id.
    """
    return {
        column: {case.patient_id: str(case.clinical.get(column, "")) for case in cohort.cases}
        for column in columns
        if any(column in case.clinical for case in cohort.cases)
    }


def _part(column: str, texts: Sequence[str]) -> dict[str, BoolVector]:
    """Which patients belong to each group; unknown ones last, if there are any."""
    if column in CUTS:
        cut, unit = CUTS[column]
        numbers = np.array([_number(text) for text in texts])
        parts = {f"≤ {cut:g} {unit}": numbers <= cut, f"> {cut:g} {unit}": numbers > cut}
        unknown = np.isnan(numbers)
    else:
        stripped = [text.strip() for text in texts]
        cells = np.array([UNKNOWN if is_blank(text) or text.casefold() == UNKNOWN else text for text in stripped])
        unknown = cells == UNKNOWN
        parts = {str(value): cells == value for value in np.unique(cells[~unknown])}
    return parts | {UNKNOWN: unknown} if unknown.any() else parts


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _estimate(
    p_high: FloatVector, is_high: BoolVector, labels: Labels, *, confidence: float
) -> tuple[SubgroupEstimate, float]:
    """The row of a group, and the variance of its AUC."""
    if not is_high.size:
        return _without_number(labels, is_high, Reason.NO_PATIENTS, "not computed: no patients"), math.nan
    if is_high.all() or not is_high.any():
        method = "not computed: patients of one grade only"
        return _without_number(labels, is_high, Reason.ONE_GRADE, method), math.nan
    found = auc(p_high, is_high, confidence=confidence)
    low, high, note, caution, limit = found.low, found.high, found.note, found.caution, None
    variance = place(p_high[np.newaxis], is_high).area(0).variance
    if labels[1] == "oof" and caution is None:
        note, caution = "pooled over the folds", Caution.POOLED
    if min(found.n_high, found.n - found.n_high) < FEWEST:
        low, high, variance = math.nan, math.nan, math.nan
        note, caution, limit = f"no interval: fewer than {FEWEST} patients of a grade", Caution.TOO_FEW, FEWEST
    row = SubgroupEstimate(
        *labels,
        found.n,
        found.n_high,
        found.value,
        low,
        high,
        p_interaction=math.nan,
        method=f"{found.method}; {note}" if note else found.method,
        confidence=confidence,
        caution=caution,
        caution_value=limit,
    )
    return row, variance


def _test_interaction(made: Sequence[tuple[SubgroupEstimate, float]]) -> list[SubgroupEstimate]:
    """Add the test of equal AUCs to every row of a column."""
    from scipy.special import chdtrc

    usable = [(row.auc, variance) for row, variance in made if row.group != UNKNOWN and variance > 0.0]
    if len(usable) < 2:
        p_value, how = (
            math.nan,
            "interaction not computed: fewer than two parts whose AUC has an interval and a variance above 0",
        )
    else:
        aucs, variances = np.array(usable).T
        mean = np.average(aucs, weights=1.0 / variances)
        p_value = float(chdtrc(len(usable) - 1, ((aucs - mean) ** 2 / variances).sum()))
        how = f"interaction: Wald chi-square test of equal AUCs in {len(usable)} parts"
    return [
        replace(row, p_interaction=p_value, method=f"{row.method}; {how}", tested_groups=len(usable)) for row, _ in made
    ]


def _without_number(labels: Labels, is_high: BoolVector, reason: Reason, method: str) -> SubgroupEstimate:
    nan = math.nan
    n, n_high = is_high.size, int(is_high.sum())
    return SubgroupEstimate(
        *labels, n, n_high, auc=nan, low=nan, high=nan, p_interaction=nan, method=method, reason=reason
    )
