"""Which of two models is better: paired comparisons on the same patients.

Two models evaluated on the same patients tend to be right and wrong on the same ones, and only the patients on whom
they disagree distinguish them. So every comparison is paired by patient id: DeLong's test for the AUC, McNemar's exact
test for the calls on all patients (accuracy), on the high-grade ones (sensitivity) and on the low-grade ones
(specificity). Each difference has an interval: DeLong's for the AUC, Tango's score interval for the proportions.

One comparison may be named beforehand. It is tested alone, and P needs no adjustment. All other pairs are secondary:
with many of them, chance findings are likely, so P is adjusted by Holm's method within each measure and family, that is
among the pairs that ask the same question.

A large p value does not show that two models are equal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.evaluation.comparison.family import Family, adjust_in_families, family_of
from nephrograde.evaluation.comparison.pairs import auc_differences, pair_models
from nephrograde.evaluation.performance.delong import normal_quantile, two_sided_p
from nephrograde.evaluation.performance.interval import difference_bounds
from nephrograde.evaluation.performance.paired_shares import share_difference_interval
from nephrograde.evaluation.remarks import Caution, Judged, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nephrograde.evaluation.comparison.family import Arms, Primary
    from nephrograde.evaluation.comparison.pairs import AucDifference, Pair
    from nephrograde.evaluation.scores.scores import ModelScores, SplitName


@dataclass(frozen=True, slots=True)
class Comparison(Judged):
    """One measure of model a minus that of model b, with the test of whether they differ.

    ``n`` counts the patients that the test is based on: all common patients for the AUC and the accuracy, the
    high-grade ones for the sensitivity, the low-grade ones for the specificity. NaN means "not computed", and
    ``reason`` says why. ``low`` and ``high`` bound the difference. ``only_a`` and ``only_b`` count the patients that
    only one of the models called correctly. ``family`` is the group of comparisons in which P is adjusted, and
    ``family_size`` the number of its tests; P of the primary comparison is not adjusted. ``dropped_a`` and
    ``dropped_b`` count patients scored by one model only; ``method`` describes all this in words.

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
    confidence: float | None = None
    family: Family = Family.OTHER
    family_size: int | None = None
    only_a: int | None = None
    only_b: int | None = None
    dropped_a: int = 0
    dropped_b: int = 0
    reason: Reason | None = None
    caution: Caution | None = None
    is_reliable: bool = field(init=False)

    def reversed(self) -> Comparison:
        """Compare the other way round: b minus a."""
        return replace(
            self,
            model_a=self.model_b,
            model_b=self.model_a,
            difference=-self.difference,
            low=-self.high,
            high=-self.low,
            statistic=-self.statistic,
            only_a=self.only_b,
            only_b=self.only_a,
            dropped_a=self.dropped_b,
            dropped_b=self.dropped_a,
        )


def compare_models(
    models: Mapping[str, ModelScores],
    thresholds: Mapping[str, float],
    *,
    split: SplitName = "test",
    confidence: float = 0.95,
    arms: Arms | None = None,
    primary: Primary | None = None,
) -> tuple[Comparison, ...]:
    """Compare every pair of models on the patients that both have scored.

    Args:
        models: The scores of each model in one split, by model id; the order decides which model is a and which b.
        thresholds: The frozen threshold of each model.
        split: The split of the scores; given in ``method``.
        confidence: Coverage probability of the intervals.
        arms: The arm and the phase of each network, which decide the families.
        primary: The two models whose AUCs are the primary comparison; None if none was named beforehand.

    Returns:
        All pairs for the AUC, then for the accuracy, the sensitivity and the specificity. A pair that cannot be
        compared (no common patients, one grade only) keeps its row, without numbers and with the reason.

    Raises:
        ScoresError: Two models disagree on a patient's truth.

    Source:
        DeLong 1988; McNemar 1947, Psychometrika 12:153 (exact form); Tango 1998, Stat Med 17:891; Holm 1979, Scand J
        Stat 6:65.

    >>> from nephrograde.evaluation.scores.scores import ModelScores
    >>> truth = np.array([False, False, True, True])
    >>> a = ModelScores(("A", "B", "C", "D"), truth, np.array([0.1, 0.6, 0.4, 0.9]))
    >>> b = ModelScores(("A", "B", "C", "D"), truth, np.array([0.2, 0.3, 0.6, 0.5]))
    >>> first = compare_models({"a": a, "b": b}, {"a": 0.5, "b": 0.5})[0]
    >>> first.measure, first.difference, round(first.p_value, 3)
    ('auc', -0.25, 0.48)
    """
    pairs = pair_models(models, split=split)
    rows = [auc_row(difference, confidence=confidence) for difference in auc_differences(pairs)]
    for measure in ("accuracy", "sensitivity", "specificity"):
        rows += [_compare_calls(pair, thresholds, measure=measure, confidence=confidence) for pair in pairs]
    return adjust(rows, arms=arms, primary=primary)


def adjust(
    rows: Sequence[Comparison], *, arms: Arms | None = None, primary: Primary | None = None
) -> tuple[Comparison, ...]:
    """Assign comparisons to families, and adjust P by Holm's method within each measure and family.

    Args:
        rows: The comparisons; rows without P are ignored.
        arms: The arm and the phase of each network.
        primary: The two models whose AUCs are the primary comparison; its P is not adjusted.

    Returns:
        The rows in the same order.

    Source:
        Holm 1979, Scand J Stat 6:65.
    """
    families = [
        family_of(row.model_a, row.model_b, measure=row.measure, arms=arms or {}, primary=primary) for row in rows
    ]
    tests = [(row.measure, family) for row, family in zip(rows, families, strict=True)]
    adjusted = adjust_in_families([row.p_value for row in rows], tests)
    return tuple(
        replace(row, p_adjusted=p, family=family, family_size=size)
        for row, family, (p, size) in zip(rows, families, adjusted, strict=True)
    )


def auc_row(difference: AucDifference, *, confidence: float) -> Comparison:
    """Test a difference of two AUCs; P is not adjusted.

    Args:
        difference: From :func:`~nephrograde.evaluation.comparison.pairs.auc_differences`.
        confidence: Coverage probability of the interval.
    """
    pair = difference.pair
    if difference.reason is not None:
        row = _not_computed(pair, "auc", len(pair.a), reason=difference.reason, text=difference.reason_text)
        return replace(row, difference=difference.value)
    error = math.sqrt(difference.variance)
    low, high = difference_bounds(difference.value, difference.variance, z=normal_quantile(confidence))
    z = difference.value / error if error else 0.0
    by_fold = "" if difference.folds is None else f", mean of {difference.folds} folds"
    remarks = [f"paired DeLong{by_fold}, {100 * confidence:g} % CI", pair.remark, difference.warning]
    caution = difference.caution
    if not error:
        remarks.append("both models rank the patients alike")
        caution = Caution.RANKED_ALIKE
    return Comparison(
        pair.model_a,
        pair.model_b,
        "auc",
        difference.value,
        low,
        high,
        statistic=z,
        p_value=two_sided_p(z),
        p_adjusted=math.nan,
        n=difference.n,
        method="; ".join(remark for remark in remarks if remark),
        confidence=confidence,
        dropped_a=pair.dropped_a,
        dropped_b=pair.dropped_b,
        caution=caution,
    )


def _compare_calls(pair: Pair, thresholds: Mapping[str, float], *, measure: str, confidence: float) -> Comparison:
    """McNemar's exact test on the patients of the measure: called correctly by a only versus by b only."""
    from statsmodels.stats.contingency_tables import mcnemar

    a, b = pair.a, pair.b
    counted = {"accuracy": np.ones_like(a.is_high), "sensitivity": a.is_high, "specificity": ~a.is_high}[measure]
    n = int(counted.sum())
    if n == 0:
        if not len(a):
            return _not_computed(pair, measure, n, reason=Reason.NO_COMMON_PATIENTS, text="no common patients")
        if measure == "sensitivity":
            return _not_computed(pair, measure, n, reason=Reason.NO_HIGH, text="no common patients of high grade")
        return _not_computed(pair, measure, n, reason=Reason.NO_LOW, text="no common patients of low grade")
    right_a = ((a.p_high >= thresholds[pair.model_a]) == a.is_high)[counted]
    right_b = ((b.p_high >= thresholds[pair.model_b]) == b.is_high)[counted]
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    both, neither = int((right_a & right_b).sum()), int((~right_a & ~right_b).sum())
    test = mcnemar([[both, only_a], [only_b, neither]], exact=True)
    low, high = share_difference_interval(only_a, only_b, n, confidence=confidence)
    counts = f"right by a only {only_a}, by b only {only_b}"
    return Comparison(
        pair.model_a,
        pair.model_b,
        measure,
        difference=(only_a - only_b) / n,
        low=low,
        high=high,
        statistic=float(test.statistic),
        p_value=float(test.pvalue),
        p_adjusted=math.nan,
        n=n,
        method=f"exact McNemar, {counts}; Tango score, {100 * confidence:g} % CI; {pair.remark}",
        confidence=confidence,
        only_a=only_a,
        only_b=only_b,
        dropped_a=pair.dropped_a,
        dropped_b=pair.dropped_b,
    )


def _not_computed(pair: Pair, measure: str, n: int, *, reason: Reason, text: str) -> Comparison:
    nan = math.nan
    return Comparison(
        pair.model_a,
        pair.model_b,
        measure,
        difference=nan,
        low=nan,
        high=nan,
        statistic=nan,
        p_value=nan,
        p_adjusted=nan,
        n=n,
        method=f"not computed: {text}; {pair.remark}",
        dropped_a=pair.dropped_a,
        dropped_b=pair.dropped_b,
        reason=reason,
    )
