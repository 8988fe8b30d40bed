"""Which of two models is better: paired comparisons on the same patients.

Two models that are read on the same patients are right and wrong on much the same ones, and only the patients on
whom they disagree tell them apart. So every comparison is paired by patient id: DeLong's test for the AUC, McNemar's
exact test for the calls on high-grade patients (sensitivity) and on low-grade patients (specificity). Many pairs
make chance findings likely, so the p values are adjusted after Holm within each measure.

A large p value does not show that two models are equal.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.errors import ScoresError
from nephrograde.evaluate.delong import Placements, normal_quantile, place, two_sided_p

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nephrograde.evaluate.scores import ModelScores, SplitName
    from nephrograde.vocabulary import FloatVector


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measure of model a minus that of model b, with the test of whether they differ.

    ``n`` counts the patients that the test rests on: all common patients for the AUC, the high-grade ones for the
    sensitivity, the low-grade ones for the specificity. NaN means "not computed"; ``method`` then says why.
    ``low`` and ``high`` bound the difference of AUCs; McNemar's test has no interval.

    >>> Comparison("a", "b", "auc", 0.02, -0.04, 0.08, 0.65, 0.52, 0.52, 90, "paired DeLong, 95 % CI").difference
    0.02
    """

    model_a: str
    model_b: str
    measure: str
    difference: float
    low: float
    high: float
    statistic: float
    p_value: float
    p_adjusted: float
    n: int
    method: str


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two models on their common patients, in one order."""

    model_a: str
    model_b: str
    a: ModelScores
    b: ModelScores
    remark: str


def compare_models(
    models: Mapping[str, ModelScores],
    thresholds: Mapping[str, float],
    *,
    split: SplitName = "test",
    confidence: float = 0.95,
) -> tuple[Comparison, ...]:
    """Compare every pair of models on the patients that both have scored.

    Args:
        models: The scores of each model in one split, by model id; the order decides which model is a and which b.
        thresholds: The frozen threshold of each model.
        split: Where the scores are from; said in ``method``.
        confidence: The probability that the interval of an AUC difference is to cover.

    Returns:
        All pairs for the AUC, then for the sensitivity, then for the specificity. A pair that cannot be compared
        (no common patients, one grade only) keeps its row, without numbers and with the reason.

    Raises:
        ScoresError: Two models disagree on a patient's truth.

    Source:
        DeLong 1988; McNemar 1947, Psychometrika 12:153 (exact form); Holm 1979, Scand J Stat 6:65.

    >>> from nephrograde.evaluate.scores import ModelScores
    >>> truth = np.array([False, False, True, True])
    >>> a = ModelScores(("A", "B", "C", "D"), truth, np.array([0.1, 0.6, 0.4, 0.9]))
    >>> b = ModelScores(("A", "B", "C", "D"), truth, np.array([0.2, 0.3, 0.6, 0.5]))
    >>> first = compare_models({"a": a, "b": b}, {"a": 0.5, "b": 0.5})[0]
    >>> first.measure, first.difference, round(first.p_value, 3)
    ('auc', -0.25, 0.48)
    """
    pairs = [_pair(a, b, models, split=split) for a, b in itertools.combinations(models, 2)]
    rows = _compare_aucs(pairs, confidence=confidence)
    for measure, of_high in (("sensitivity", True), ("specificity", False)):
        rows += [_compare_calls(pair, thresholds, measure=measure, of_high=of_high) for pair in pairs]
    return _adjusted(rows)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust the p values of one family of tests after Holm.

    Args:
        p_values: NaN where a test was not computed; such tests do not count.

    Returns:
        The adjusted p values in the same order, NaN where there was NaN.

    Source:
        Holm 1979, as computed by statsmodels.

    >>> [round(p, 6) for p in holm([0.01, 0.04, float("nan"), 0.03])]
    [0.03, 0.06, nan, 0.06]
    """
    from statsmodels.stats.multitest import multipletests

    computed = [k for k, p in enumerate(p_values) if not math.isnan(p)]
    adjusted = [math.nan] * len(p_values)
    if computed:
        for k, p in zip(computed, multipletests([p_values[k] for k in computed], method="holm")[1], strict=True):
            adjusted[k] = float(p)
    return adjusted


def _pair(model_a: str, model_b: str, models: Mapping[str, ModelScores], *, split: SplitName) -> _Pair:
    a, b = models[model_a], models[model_b]
    remark = f"{split} patients"
    if a.patient_ids != b.patient_ids:
        common = tuple(sorted(set(a.patient_ids) & set(b.patient_ids)))
        dropped_a, dropped_b = len(a) - len(common), len(b) - len(common)
        if dropped_a or dropped_b:
            remark += f" that both models scored ({dropped_a} of {model_a} and {dropped_b} of {model_b} dropped)"
        a, b = a.select(common), b.select(common)
    differing = np.flatnonzero(a.is_high != b.is_high)
    if differing.size:
        raise ScoresError(
            f"Patient {a.patient_ids[int(differing[0])]}: is_high differs between models {model_a} and {model_b}. "
            "Correct the one that is wrong."
        )
    return _Pair(model_a, model_b, a, b, remark)


def _compare_aucs(pairs: Sequence[_Pair], *, confidence: float) -> list[Comparison]:
    """One row a pair; models that share their patients are placed together, once."""
    groups: dict[tuple[str, ...], dict[str, FloatVector]] = {}
    for pair in pairs:
        group = groups.setdefault(pair.a.patient_ids, {})
        group[pair.model_a], group[pair.model_b] = pair.a.p_high, pair.b.p_high
    placed: dict[tuple[str, ...], Placements] = {}
    rows = []
    for pair in pairs:
        patient_ids, truths = pair.a.patient_ids, pair.a.is_high
        if not patient_ids:
            rows.append(_not_computed(pair, "auc", 0, "no common patients"))
        elif truths.all() or not truths.any():
            grade = "high" if truths.all() else "low"
            rows.append(_not_computed(pair, "auc", len(truths), f"all common patients are {grade} grade"))
        else:
            group = groups[patient_ids]
            if patient_ids not in placed:
                placed[patient_ids] = place(np.stack(list(group.values())), truths)
            position = [list(group).index(model) for model in (pair.model_a, pair.model_b)]
            rows.append(_delong_row(pair, placed[patient_ids], position, confidence=confidence))
    return rows


def _delong_row(pair: _Pair, placements: Placements, position: Sequence[int], *, confidence: float) -> Comparison:
    difference, variance = placements.difference(*position)
    n = len(pair.a)
    if math.isnan(variance):
        row = _not_computed(pair, "auc", n, "a single common patient of one grade, and so no variance")
        return replace(row, difference=difference)
    if variance == 0.0 and difference != 0.0:
        row = _not_computed(pair, "auc", n, "the difference is the same in every patient, and so its variance 0")
        return replace(row, difference=difference)
    error = math.sqrt(variance)
    reach = normal_quantile(confidence) * error
    z = difference / error if error else 0.0
    method = f"paired DeLong, {100 * confidence:g} % CI; {pair.remark}"
    if not error:
        method += "; both models rank the patients alike"
    elif np.isin(placements.aucs()[list(position)], (0.0, 1.0)).any():
        method += "; one AUC is exactly 0 or 1: unreliable"
    return Comparison(
        pair.model_a,
        pair.model_b,
        "auc",
        difference,
        low=difference - reach,
        high=difference + reach,
        statistic=z,
        p_value=two_sided_p(z),
        p_adjusted=math.nan,
        n=n,
        method=method,
    )


def _compare_calls(pair: _Pair, thresholds: Mapping[str, float], *, measure: str, of_high: bool) -> Comparison:
    """McNemar's exact test on the patients of one grade: right by a only, against right by b only."""
    from statsmodels.stats.contingency_tables import mcnemar

    a, b = pair.a, pair.b
    grade = a.is_high == of_high
    n = int(grade.sum())
    if n == 0:
        kind = f"no common patients of {'high' if of_high else 'low'} grade" if len(a) else "no common patients"
        return _not_computed(pair, measure, n, kind)
    right_a = (a.p_high[grade] >= thresholds[pair.model_a]) == of_high
    right_b = (b.p_high[grade] >= thresholds[pair.model_b]) == of_high
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    both, neither = int((right_a & right_b).sum()), int((~right_a & ~right_b).sum())
    test = mcnemar([[both, only_a], [only_b, neither]], exact=True)
    return Comparison(
        pair.model_a,
        pair.model_b,
        measure,
        difference=(only_a - only_b) / n,
        low=math.nan,
        high=math.nan,
        statistic=float(test.statistic),
        p_value=float(test.pvalue),
        p_adjusted=math.nan,
        n=n,
        method=f"exact McNemar, right by a only {only_a}, by b only {only_b}; {pair.remark}",
    )


def _not_computed(pair: _Pair, measure: str, n: int, reason: str) -> Comparison:
    nan = math.nan
    method = f"not computed: {reason}; {pair.remark}"
    return Comparison(pair.model_a, pair.model_b, measure, nan, nan, nan, nan, nan, nan, n, method)


def _adjusted(rows: Sequence[Comparison]) -> tuple[Comparison, ...]:
    adjusted: dict[int, float] = {}
    for measure in dict.fromkeys(row.measure for row in rows):
        family = [k for k, row in enumerate(rows) if row.measure == measure]
        adjusted.update(zip(family, holm([rows[k].p_value for k in family]), strict=True))
    return tuple(replace(row, p_adjusted=adjusted[k]) for k, row in enumerate(rows))
