"""Power and sample size: what a test set of a given size can and cannot show.

A paired difference of AUCs with variance V is detected at level alpha with the desired power if it is at least
(z of 1 − alpha/2 plus z of the power) · √V. V is inversely proportional to the number of patients, so this can be
solved for the difference (what could these patients have shown?) or for the number of patients (how many would show
it?).

If scores are available, V is DeLong's. If only a printed AUC is known, its variance has to come from a model of the
scores: Hanley and McNeil assume exponential scores, Obuchowski normal ones.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.errors import ScoresError
from nephrograde.evaluation.scores.scores import paired_vectors

if TYPE_CHECKING:
    import numpy.typing as npt

SMALLEST = 1e-6
"""Differences and proportions below one in a million count as 0: they would need more patients than there are."""


def detectable_difference(variance_of_difference: float, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """Compute the smallest true difference of two AUCs that the patients would have shown.

    Reported with every "no difference": if it is larger than what matters, the test set was too small to tell.

    Args:
        variance_of_difference: Variance of the paired difference in these patients.
        power: The probability of detecting it.
        alpha: Significance level of the two-sided test.

    Returns:
        The difference; NaN if the variance is NaN, which means "not computed", or if no difference of two AUCs, which
        is at most 1, would have been detected.

    Raises:
        ScoresError: A variance below 0 or above 2, or a power or level out of range.

    Source:
        The normal approximation.

    >>> round(detectable_difference(0.032**2), 3)
    0.09
    """
    _check_variance(variance_of_difference)
    detectable = _reach(power, alpha / 2.0) * math.sqrt(variance_of_difference)
    return detectable if detectable <= 1.0 else math.nan


def patients_for_noninferiority(
    variance_of_difference: float, n: int, *, margin: float, power: float = 0.8, alpha: float = 0.025
) -> int:
    """Compute how many patients would show non-inferiority if two models are truly equal.

    Args:
        variance_of_difference: Variance of the paired difference of AUCs with n patients.
        n: Number of patients behind the variance; further patients are assumed to have the same mix of grades.
        margin: The smallest loss of AUC that no longer counts as "not worse".
        power: The probability of showing it.
        alpha: Significance level of the one-sided test.

    Returns:
        The number of patients of both grades; 0 if it cannot be computed (a variance of 0 or NaN).

    Raises:
        ScoresError: A variance below 0 or above 2, a margin that is not positive, or a power or level out of range.

    Source:
        Obuchowski 1997, AJR 168:13; the variance is scaled by 1 / n.

    >>> patients_for_noninferiority(0.032**2, 92, margin=0.05)
    296
    """
    _check_variance(variance_of_difference)
    check_margin(margin)
    reach = _reach(power, alpha)
    if math.isnan(variance_of_difference) or variance_of_difference == 0:
        return 0
    return max(2, math.ceil(n * variance_of_difference * (reach / margin) ** 2))


def patients_for_difference(
    auc_a: float,
    auc_b: float,
    *,
    correlation: float,
    high_share: float,
    power: float = 0.8,
    alpha: float = 0.05,
) -> int:
    """Compute how many patients, scored by both models, are needed to detect the difference of two AUCs.

    Args:
        auc_a: The AUC of one model.
        auc_b: The AUC of the other.
        correlation: Correlation of the two AUCs over new patients; about 0.5 if both models read the same scans.
        high_share: The proportion of high-grade patients, 0 to 1.
        power: The probability of detecting the difference.
        alpha: Significance level of the two-sided test.

    Returns:
        The number of patients of both grades.

    Raises:
        ScoresError: Equal AUCs, which no number of patients can distinguish, or a value out of range.

    Source:
        Hanley & McNeil 1982 for the variances and 1983, Radiology 148:839, for the correlation.

    >>> patients_for_difference(0.907, 0.922, correlation=0.5, high_share=41 / 92)
    3324
    """
    if not SMALLEST <= high_share <= 1 - SMALLEST:
        raise ScoresError(f"The proportion of high-grade patients is {high_share}. Give a number between 0 and 1.")
    reach, difference = _reach(power, alpha / 2.0), abs(auc_a - auc_b)
    if difference < SMALLEST:
        raise ScoresError(f"Both AUCs are {auc_a:g}: no sample size can distinguish them. Test non-inferiority.")

    def enough(n: int) -> bool:
        high, low = max(1.0, n * high_share), max(1.0, n * (1.0 - high_share))
        variances = (hanley_mcneil_variance(area, high, low) for area in (auc_a, auc_b))
        return reach * math.sqrt(difference_variance(*variances, correlation=correlation)) <= difference

    fewest = math.ceil(1.0 / min(high_share, 1.0 - high_share) - SMALLEST)  # one patient of each grade
    most = fewest
    while not enough(most):
        fewest, most = most, 2 * most
    while fewest < most:
        middle = (fewest + most) // 2
        fewest, most = (fewest, middle) if enough(middle) else (middle + 1, most)
    return most


def difference_variance(variance_a: float, variance_b: float, *, correlation: float) -> float:
    """Compute the variance of a paired difference of two AUCs from their variances and correlation.

    Args:
        variance_a: Variance of one AUC.
        variance_b: Variance of the other, on the same patients.
        correlation: Correlation of the two AUCs, −1 to 1.

    Returns:
        The variance of the difference, not below 0.

    Raises:
        ScoresError: A correlation outside −1 to 1.

    Source:
        Hanley & McNeil 1983.

    >>> round(difference_variance(0.0009, 0.0009, correlation=0.5), 6)
    0.0009
    """
    if not -1 <= correlation <= 1:
        raise ScoresError(f"The correlation of the AUCs is {correlation}. Give a number from −1 to 1.")
    return max(0.0, variance_a + variance_b - 2.0 * correlation * math.sqrt(variance_a * variance_b))


def hanley_mcneil_variance(auc: float, n_high: float, n_low: float) -> float:
    """Approximate the variance of an AUC from its value alone.

    For printed results whose scores are not available. With scores, DeLong's variance needs no such assumption.

    Args:
        auc: The area, 0 to 1; at 0 and 1 the variance is 0 and not informative.
        n_high: High-grade patients; need not be an integer.
        n_low: Low-grade patients.

    Returns:
        The variance.

    Raises:
        ScoresError: An AUC outside 0 to 1, or less than one patient of a grade.

    Source:
        Hanley & McNeil 1982, Radiology 143:29, which assumes exponential scores in both grades.

    >>> round(hanley_mcneil_variance(0.907, 41, 51) ** 0.5, 4)
    0.0337
    """
    _check_area(auc, n_high, n_low)
    two_high = auc / (2.0 - auc)  # probability that two high-grade patients both score above a low-grade one
    two_low = 2.0 * auc**2 / (1.0 + auc)
    spread = auc * (1.0 - auc) + (n_high - 1.0) * (two_high - auc**2) + (n_low - 1.0) * (two_low - auc**2)
    return max(0.0, spread / (n_high * n_low))


def obuchowski_variance(auc: float, n_high: float, n_low: float) -> float:
    """Approximate the variance of an AUC from its value alone, assuming normal scores.

    Larger than Hanley and McNeil's for good models, and so the conservative choice when planning a study.

    Args:
        auc: The area, between 0 and 1.
        n_high: High-grade patients; need not be an integer.
        n_low: Low-grade patients.

    Returns:
        The variance; NaN at an AUC of 0 or 1, where the formula has no value.

    Raises:
        ScoresError: An AUC outside 0 to 1, or less than one patient of a grade.

    Source:
        Obuchowski 1998, Stat Methods Med Res 7:371; Obuchowski, Lieber & Wians 2004, Clin Chem 50:1118, formula 3,
        with √2 where pROC writes 1.414.

    >>> round(obuchowski_variance(0.907, 41, 51) ** 0.5, 4)
    0.0382
    """
    _check_area(auc, n_high, n_low)
    if auc in {0.0, 1.0}:
        return math.nan
    separation_squared = 2.0 * _quantile(auc) ** 2
    of_high = 5.0 * separation_squared + 8.0
    of_low = (separation_squared + 8.0) * n_high / n_low
    return 0.0099 * math.exp(-separation_squared / 2.0) * (of_high + of_low) / n_high


def binormal_variance(p_high: npt.ArrayLike, is_high: npt.ArrayLike) -> float:
    """Compute the variance of an AUC from a straight line fitted to its ROC curve on probit axes.

    The variance that pROC calls "obuchowski", for agreement with it. As there, specificity is regressed on
    sensitivity, and the covariance of the line's two parameters is omitted, which makes the variance too large: by a
    third at an AUC of 0.8. Report DeLong's instead.

    Args:
        p_high: The predictions.
        is_high: The truths of the same patients, in the same order.

    Returns:
        The variance; NaN if fewer than two points of the curve lie strictly inside the unit square.

    Raises:
        ScoresError: One class only, no patient, a value that is not finite, or different lengths.

    Source:
        Obuchowski & McClish 1997, Stat Med 16:1529, formula 4, as in pROC 1.18.0.

    >>> round(binormal_variance([0.1, 0.3, 0.6, 0.5, 0.8, 0.9, 0.2], [0, 0, 0, 1, 1, 1, 1]), 4)
    0.041
    """
    from scipy.special import ndtri

    predictions, truths = paired_vectors(p_high, is_high)
    high, low = np.sort(predictions[truths]), np.sort(predictions[~truths])
    if not high.size or not low.size:
        raise ScoresError("A binormal variance needs patients of both grades. Add the missing grade.")
    cuts = np.unique(predictions)
    sensitivity = ndtri(1.0 - np.searchsorted(high, cuts) / high.size)
    specificity = ndtri(np.searchsorted(low, cuts) / low.size)
    inside = np.isfinite(sensitivity) & np.isfinite(specificity)
    x, y = sensitivity[inside], specificity[inside]
    if np.unique(x).size < 2:
        return math.nan
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    intercept = float(y.mean()) - slope * float(x.mean())
    # The AUC is Φ(intercept / √(1 + slope²)); f and g are its partial derivatives with respect to them.
    widening = 1.0 + slope**2
    f = math.exp(-(intercept**2) / (2.0 * widening)) / math.sqrt(2.0 * math.pi * widening)
    g = -f * intercept * slope / widening
    low_per_high = low.size / high.size
    of_intercept = 1.0 + slope**2 / low_per_high + intercept**2 / 2.0
    of_slope = slope**2 * (1.0 + low_per_high) / (2.0 * low_per_high)
    return (f**2 * of_intercept + g**2 * of_slope) / high.size


def check_margin(margin: float) -> None:
    """Reject an equivalence margin that is not a positive difference of AUCs.

    Args:
        margin: The difference of AUCs that still counts as "not worse".

    Raises:
        ScoresError: It is not between 0 and 1.

    >>> check_margin(0.05)
    """
    if not SMALLEST <= margin < 1:
        raise ScoresError(f"The margin is {margin}. Give a difference of AUCs between 0 and 1, such as 0.05.")


def _check_variance(variance_of_difference: float) -> None:
    """NaN passes, as "not computed"; with two patients of each grade the variance is at most 2."""
    if variance_of_difference < 0 or variance_of_difference > 2:
        raise ScoresError(f"The variance of the difference is {variance_of_difference}. Give a number from 0 to 2.")


def _check_area(auc: float, n_high: float, n_low: float) -> None:
    if not 0 <= auc <= 1:
        raise ScoresError(f"The AUC is {auc}. Give a number from 0 to 1.")
    if not (n_high >= 1 and n_low >= 1):
        raise ScoresError(f"{n_high} high-grade and {n_low} low-grade patients. Give at least one of each.")


def _reach(power: float, tail: float) -> float:
    """Number of standard errors between no difference and one that is detected with that power."""
    if not (0.5 <= power < 1 and 0 < tail < 0.5):
        raise ScoresError(
            f"A power of {power} with a tail probability of {tail}. Give a power of at least 0.5 and a level below it."
        )
    return _quantile(1.0 - tail) + _quantile(power)


def _quantile(probability: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(probability))
