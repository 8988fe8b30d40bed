"""Whether one model is not worse than another, and how many patients are needed to show it.

A large p value in a test for a difference does not show that two models are equal: a small test set rarely finds
anything. So the question is reversed. A margin says how much AUC may be lost; the null hypothesis is that the loss is
at least that large. If it is rejected in one direction, a model is *not worse*; if it is rejected in both, the two are
*equivalent* (two one-sided tests, TOST). This is the same as the two-sided 90 % interval of the difference lying above
minus the margin, or between minus and plus the margin. The smallest difference that these patients could have shown,
and the number of patients that would have been enough, are given as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nephrograde.evaluation.compare import AucDifference, auc_differences, pair_models
from nephrograde.evaluation.delong import normal_quantile
from nephrograde.evaluation.power import check_margin, detectable_difference, patients_for_noninferiority
from nephrograde.evaluation.remarks import Caution, Reason, is_trusted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nephrograde.evaluation.scores import ModelScores, SplitName

LEVEL = 0.05
"""Significance level of each one-sided test."""


@dataclass(frozen=True, slots=True)
class Equivalence:
    """Non-inferiority and equivalence of a pair of models; a row of ``statistics/equivalence.csv``.

    ``difference`` is the AUC of a minus that of b, ``low`` and ``high`` its two-sided 90 % interval, which
    corresponds to both one-sided tests at 5 %. ``p_a_not_worse`` tests whether a is not worse than b by ``margin`` or
    more, ``p_b_not_worse`` the reverse, ``p_equivalent`` both (TOST, the larger of the two). ``detectable`` is the
    smallest true difference detected with 80 % power at n patients; ``patients_needed`` is how many patients with this
    mix of grades would show non-inferiority with 80 % power if the models were truly equal (0: unknown). ``dropped_a``
    and ``dropped_b`` count patients scored by one model only.
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
    dropped_a: int = 0
    dropped_b: int = 0
    reason: Reason | None = None
    caution: Caution | None = None
    is_reliable: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_reliable", is_trusted(self.reason, self.caution))


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
        patients, one grade only, a variance of 0) keeps its row, with a reason instead of the tests.

    Raises:
        ScoresError: Two models disagree on a patient's truth, or the margin is not between 0 and 1.

    Source:
        Obuchowski 1997, AJR 168:13; Liu 2006, Stat Med 25:1219; variance of the difference: DeLong 1988.

    >>> import numpy as np
    >>> from nephrograde.evaluation.scores import ModelScores
    >>> truth = np.arange(60) % 2 == 0
    >>> ids = tuple(f"P{k:02}" for k in range(60))
    >>> models = {
    ...     name: ModelScores(ids, truth, truth * 0.25 + np.random.default_rng(seed).random(60) / 2)
    ...     for name, seed in (("a", 1), ("b", 2))
    ... }
    >>> row = compare_equivalence(models, margin=0.05)[0]
    >>> row.p_equivalent == max(row.p_a_not_worse, row.p_b_not_worse)
    True
    """
    check_margin(margin)
    return tuple(_row(difference, margin=margin) for difference in auc_differences(pair_models(models, split=split)))


def _row(difference: AucDifference, *, margin: float) -> Equivalence:
    from scipy.special import ndtr

    pair = difference.pair
    n, n_high = len(pair.a), int(pair.a.is_high.sum())
    reason, reason_text = difference.reason, difference.reason_text
    if reason is None and difference.variance == 0.0:
        reason, reason_text = Reason.RANKED_ALIKE, "both models rank the patients alike, and so no variance"
    variance = math.nan if reason else difference.variance
    error = math.sqrt(variance)
    reach = normal_quantile(1.0 - 2.0 * LEVEL) * error
    p_a_not_worse = float(ndtr(-(difference.value + margin) / error))
    p_b_not_worse = float(ndtr((difference.value - margin) / error))
    how = f"not computed: {reason_text}" if reason else "paired DeLong, two one-sided tests at 5 %, 90 % CI"
    return Equivalence(
        pair.model_a,
        pair.model_b,
        margin,
        difference.value,
        low=difference.value - reach,
        high=difference.value + reach,
        p_a_not_worse=p_a_not_worse,
        p_b_not_worse=p_b_not_worse,
        p_equivalent=math.nan if reason else max(p_a_not_worse, p_b_not_worse),
        detectable=detectable_difference(variance),
        patients_needed=patients_for_noninferiority(variance, n, margin=margin),
        n=n,
        n_high=n_high,
        method="; ".join(part for part in (how, pair.remark, difference.warning) if part),
        dropped_a=pair.dropped_a,
        dropped_b=pair.dropped_b,
        reason=reason,
        caution=Caution.PERFECT_AUC if difference.is_perfect else None,
    )
