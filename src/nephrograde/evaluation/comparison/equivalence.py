"""Whether one model is better or not worse than another, and how many patients are needed to show it.

A large p value in a test for a difference does not show that two models are equal: a small test set rarely finds
anything. So the question is reversed. A margin says how much AUC may be lost; the null hypothesis is that the loss is
at least that large. If it is rejected in one direction, a model is *not worse*; if it is rejected in both, the two are
*equivalent* (two one-sided tests, TOST). Each test is at 2.5 %, which is the same as the two-sided 95 % interval of the
difference lying above minus the margin, or between minus and plus the margin; above 0, a model is *better*. The
smallest difference that these patients could have shown, and the number of patients that would have been enough, are
given as well.

The interval is that of :func:`nephrograde.evaluation.performance.interval.paired_bounds`. At the margin, DeLong's
symmetric interval errs in the direction of "not worse", and the more so the closer the AUCs are to 1. Where a grade has
so few patients that no interval holds its level, there is no verdict (:func:`judge`); ``bench/coverage.py`` measures
this.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from nephrograde.evaluation.comparison.pairs import AucDifference, auc_differences, pair_models
from nephrograde.evaluation.performance.delong import normal_quantile
from nephrograde.evaluation.performance.interval import paired_bounds, tail_beyond
from nephrograde.evaluation.remarks import FEWEST_FOR_VERDICT, Caution, Judged, Reason, Verdict
from nephrograde.evaluation.sample_size.power import check_margin, detectable_difference, patients_for_noninferiority

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nephrograde.evaluation.performance.interval import Area
    from nephrograde.evaluation.scores.scores import ModelScores, SplitName

LEVEL = 0.025
"""Significance level of each one-sided test."""

RAREST = 0.15
"""Proportion of the rarer grade below which there is no verdict on AUCs above ``HIGHEST``."""

HIGHEST = 0.95
"""AUC up to which a verdict holds its level however rare a grade is."""


@dataclass(frozen=True, slots=True)
class Equivalence(Judged):
    """Non-inferiority and equivalence of a pair of models; a row of ``statistics/equivalence.csv``.

    ``difference`` is the AUC of a minus that of b, ``low`` and ``high`` its two-sided 95 % interval, which
    corresponds to both one-sided tests at 2.5 %. ``p_a_not_worse`` tests whether a is not worse than b by ``margin`` or
    more, ``p_b_not_worse`` the reverse, ``p_equivalent`` both (TOST, the larger of the two); NaN where the verdict is
    withheld. ``verdict`` is about a; None if nothing could be tested. ``detectable`` is the smallest true difference
    detected with 80 % power at n patients (NaN above 1); ``patients_needed`` is how many patients with this mix of
    grades would show non-inferiority with 80 % power if the models were truly equal (0: not computed, as where the data
    speak against equality: a difference of the margin or more, or an interval without 0). ``dropped_a`` and
    ``dropped_b`` count patients scored by one model only.
    """

    model_a: str
    model_b: str
    margin: float
    difference: float
    low: float
    high: float
    p_a_not_worse: float
    p_b_not_worse: float
    p_equivalent: float
    detectable: float
    patients_needed: int
    n: int
    n_high: int
    method: str
    verdict: Verdict | None = None
    dropped_a: int = 0
    dropped_b: int = 0
    reason: Reason | None = None
    caution: Caution | None = None
    is_reliable: bool = field(init=False)

    def swapped(self) -> Self:
        """The same pair with b in the place of a; the verdict is then about b.

        >>> row = Equivalence("a", "b", 0.05, 0.1, 0.02, 0.18, 0.001, 0.9, 0.9, 0.11, 0, 90, 41, "", Verdict.BETTER)
        >>> row.swapped().difference, row.swapped().verdict.value
        (-0.1, 'undecided')
        """
        verdict = self.verdict
        if verdict is not None and not verdict.is_withheld:
            verdict = verdict_of(-self.high, -self.low, margin=self.margin)
        return replace(
            self,
            model_a=self.model_b,
            model_b=self.model_a,
            difference=-self.difference,
            low=-self.high,
            high=-self.low,
            p_a_not_worse=self.p_b_not_worse,
            p_b_not_worse=self.p_a_not_worse,
            verdict=verdict,
            dropped_a=self.dropped_b,
            dropped_b=self.dropped_a,
        )


def compare_equivalence(
    models: Mapping[str, ModelScores], *, margin: float, split: SplitName = "test"
) -> tuple[Equivalence, ...]:
    """Test every pair of models for non-inferiority in each direction and for equivalence.

    Args:
        models: The scores of each model in one split, by model id; the order decides which model is a and which b.
        margin: The smallest difference in AUC that would matter; fixed before the scores are seen.
        split: The split of the scores; given in ``method``.

    Returns:
        One row per pair, on the patients that both models have scored. A pair that cannot be tested (no common
        patients, one grade only, a variance of 0) keeps its row, with a reason instead of the tests; one with too few
        patients of a grade has an interval, but neither P nor verdict.

    Raises:
        ScoresError: Two models disagree on a patient's truth, or the margin is not between 0 and 1.

    Source:
        Obuchowski 1997, AJR 168:13; Liu 2006, Stat Med 25:1219; interval of the difference: Zou & Donner 2008, Stat Med
        27:1693, with DeLong's covariance.

    >>> import numpy as np
    >>> from nephrograde.evaluation.scores.scores import ModelScores
    >>> truth = np.arange(80) % 2 == 0
    >>> ids = tuple(f"P{k:02}" for k in range(80))
    >>> models = {
    ...     name: ModelScores(ids, truth, truth * 0.25 + np.random.default_rng(seed).random(80) / 2)
    ...     for name, seed in (("a", 1), ("b", 2))
    ... }
    >>> row = compare_equivalence(models, margin=0.05)[0]
    >>> row.p_equivalent == max(row.p_a_not_worse, row.p_b_not_worse)
    True
    """
    check_margin(margin)
    return tuple(_row(difference, margin=margin) for difference in auc_differences(pair_models(models, split=split)))


def judge(a: Area, b: Area, low: float, high: float, *, margin: float) -> Verdict:
    """Judge a pair of models by the interval of their difference, where that holds its level.

    No verdict is given with fewer than 30 patients of a grade, and none on AUCs above 0.95 if the rarer grade has fewer
    than 15 % of the patients. Elsewhere, "not worse" of a model that is worse by exactly the margin is given in at
    most 6 % of samples, and mostly in fewer than 4 % (``bench/coverage.py``).

    Args:
        a: The AUC of the first model.
        b: The AUC of the second.
        low: The lower bound of the two-sided 95 % interval of their difference.
        high: Its upper bound.
        margin: The smallest difference in AUC that would matter.

    >>> from nephrograde.evaluation.performance.interval import Area
    >>> few, many = Area(0.8, 0.01, 12, 80), Area(0.8, 0.01, 41, 51)
    >>> judge(few, few, 0.02, 0.2, margin=0.05).value, judge(many, many, 0.02, 0.2, margin=0.05).value
    ('too-few', 'better')
    """
    rarer = min(a.n_high, a.n_low)
    if rarer < FEWEST_FOR_VERDICT:
        return Verdict.TOO_FEW
    if max(a.value, b.value) > HIGHEST and rarer < RAREST * (a.n_high + a.n_low):
        return Verdict.TOO_RARE
    return verdict_of(low, high, margin=margin)


def verdict_of(low: float, high: float, *, margin: float) -> Verdict:
    """Name what an interval of a difference shows about a margin.

    "Worse" requires the whole interval to lie below minus the margin, just as "not worse" requires it to lie above;
    anything else is undecided, however large P is.

    Args:
        low: The lower bound of the interval.
        high: The upper bound.
        margin: The smallest difference in AUC that would matter.

    Source:
        Piaggio 2012, CONSORT for non-inferiority and equivalence trials (JAMA 308:2594), figure 1.

    >>> [verdict_of(low, low + 0.06, margin=0.05).value for low in (0.01, -0.03, -0.045, -0.07, -0.2)]
    ['better', 'equivalent', 'equivalent', 'undecided', 'worse']
    """
    if low > 0.0:
        return Verdict.BETTER
    if -margin < low and high < margin:
        return Verdict.EQUIVALENT
    if low > -margin:
        return Verdict.NOT_WORSE
    return Verdict.WORSE if high < -margin else Verdict.UNDECIDED


def _row(difference: AucDifference, *, margin: float) -> Equivalence:
    pair = difference.pair
    n, n_high = difference.n, difference.n_high
    reason, reason_text = difference.reason, difference.reason_text
    if reason is None and difference.variance == 0.0:
        reason, reason_text = Reason.RANKED_ALIKE, "both models rank the patients alike, and so no variance"
    low, high, p_a_not_worse, p_b_not_worse = math.nan, math.nan, math.nan, math.nan
    verdict: Verdict | None = None
    how = f"not computed: {reason_text}"
    if reason is None and difference.areas is not None:
        a, b = difference.areas
        low, high = paired_bounds(a, b, difference.covariance, z=normal_quantile(1.0 - 2.0 * LEVEL))
        verdict = judge(a, b, low, high, margin=margin)
        how = "MOVER of the intervals of both AUCs, two one-sided tests at 2.5 %, 95 % CI"
        if verdict.is_withheld:
            how = f"MOVER of the intervals of both AUCs, 95 % CI; {_withheld(verdict)}"
        else:
            p_a_not_worse = tail_beyond(a, b, difference.covariance, limit=-margin, level=LEVEL)
            p_b_not_worse = tail_beyond(b, a, difference.covariance, limit=-margin, level=LEVEL)
    # The variance of a perfect AUC is 0 by lack of information, so a variance that it is a part of is too small.
    variance = math.nan if reason or difference.is_perfect else difference.variance
    may_be_equal = abs(difference.value) < margin and low <= 0.0 <= high
    return Equivalence(
        pair.model_a,
        pair.model_b,
        margin,
        difference.value,
        low,
        high,
        p_a_not_worse,
        p_b_not_worse,
        p_equivalent=max(p_a_not_worse, p_b_not_worse),
        detectable=detectable_difference(variance),
        patients_needed=patients_for_noninferiority(variance, n, margin=margin, alpha=LEVEL) if may_be_equal else 0,
        n=n,
        n_high=n_high,
        method="; ".join(part for part in (how, pair.remark, difference.warning) if part),
        verdict=verdict,
        dropped_a=pair.dropped_a,
        dropped_b=pair.dropped_b,
        reason=reason,
        caution=difference.caution,
    )


def _withheld(verdict: Verdict) -> str:
    if verdict is Verdict.TOO_FEW:
        return f"no verdict: fewer than {FEWEST_FOR_VERDICT} patients of a grade"
    return f"no verdict: an AUC above {HIGHEST:g}, and the rarer grade below {100 * RAREST:g} % of the patients"
