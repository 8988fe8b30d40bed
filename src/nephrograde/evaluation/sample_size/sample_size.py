"""How many patients a test set needs, before the study is done.

Every requirement is computed from what is expected: an AUC, the proportion of high grade, and what is to be shown. The
largest of those that a study wants to meet decides. For the development and the validation of a prediction model, see
:mod:`~nephrograde.evaluation.sample_size.model_size`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from nephrograde.errors import ScoresError
from nephrograde.evaluation.performance.delong import normal_quantile
from nephrograde.evaluation.sample_size.power import (
    check_margin,
    difference_variance,
    patients_for_noninferiority,
)

if TYPE_CHECKING:
    from collections.abc import Callable

MOST = 10_000_000
"""A requirement beyond this many patients is not a plan."""


class Criterion(StrEnum):
    """What a number of patients is needed for."""

    AUC_PRECISION = "auc-precision"
    AUC_DIFFERENCE = "auc-difference"
    NON_INFERIORITY = "non-inferiority"
    EQUIVALENCE = "equivalence"
    OVERALL_RISK = "overall-risk"
    MEAN_ERROR = "mean-error"
    SHRINKAGE = "shrinkage"
    OPTIMISM = "optimism"
    OBSERVED_EXPECTED = "observed-expected"
    CALIBRATION_SLOPE = "calibration-slope"
    NET_BENEFIT = "net-benefit"


@dataclass(frozen=True, slots=True)
class Requirement:
    """The patients that one criterion needs; ``target`` is what is to be reached, in the criterion's own unit.

    >>> Requirement(Criterion.OVERALL_RISK, 73, 4, 0.05).n
    73
    """

    criterion: Criterion
    n: int
    n_high: int
    target: float


def auc_precision(auc: float, high: float, *, width: float = 0.1, confidence: float = 0.95) -> Requirement:
    """Compute how many patients give an AUC an interval no wider than wanted.

    Args:
        auc: The expected AUC.
        high: The proportion of high grade.
        width: The width of the interval, from its lower to its upper bound.
        confidence: Coverage probability of the interval.

    Raises:
        ScoresError: A value out of range.

    Source:
        Riley 2021, with Newcombe's 2006 variance of a C statistic.

    >>> auc_precision(0.8, 0.018).n
    4252
    """
    _check_area(auc)
    check_share("proportion of high grade", high)
    check_positive("width", width)
    error = width / 2.0 / normal_quantile(confidence)

    def enough(n: int) -> bool:
        half = n / 2.0 - 1.0
        spread = 1.0 + half * (1.0 - auc) / (2.0 - auc) + half * auc / (1.0 + auc)
        return auc * (1.0 - auc) * spread / (n**2 * high * (1.0 - high)) <= error**2

    return required(Criterion.AUC_PRECISION, _fewest(enough), high, width)


def auc_difference(
    auc: float,
    high: float,
    *,
    difference: float,
    correlation: float = 0.5,
    power: float = 0.8,
    alpha: float = 0.05,
) -> Requirement:
    """Compute how many patients, scored by both models, show that one AUC is higher than the other.

    Args:
        auc: The expected AUC of the better model.
        high: The proportion of high grade.
        difference: By how much it is expected to be better.
        correlation: Correlation of the two AUCs over new patients.
        power: The probability of showing it.
        alpha: Significance level of the two-sided test.

    Raises:
        ScoresError: A value out of range.

    Source:
        The normal approximation, with the variances of :func:`normal_scores_variance` and the correlation as in Hanley
        & McNeil 1983, Radiology 148:839.

    >>> auc_difference(0.85, 0.4, difference=0.05).n
    546
    """
    from scipy.special import ndtri

    _check_area(auc)
    check_share("proportion of high grade", high)
    if not 0.0 < difference < auc:
        raise ScoresError(f"The difference is {difference}. Give a number between 0 and the AUC, such as 0.05.")
    if not (0.5 <= power < 1.0 and 0.0 < alpha < 1.0):
        raise ScoresError(f"A power of {power} at the level {alpha}. Give a power of at least 0.5 and a level below 1.")
    reach = float(ndtri(1.0 - alpha / 2.0) + ndtri(power))

    def enough(n: int) -> bool:
        if n * min(high, 1.0 - high) < 1.0:
            return False
        own, other = (normal_scores_variance(one, n * high, n * (1.0 - high)) for one in (auc, auc - difference))
        return reach * math.sqrt(difference_variance(own, other, correlation=correlation)) <= difference

    return required(Criterion.AUC_DIFFERENCE, _fewest(enough), high, difference)


def normal_scores_variance(auc: float, n_high: float, n_low: float) -> float:
    """Compute the variance of an AUC whose scores are normal with equal variance in both grades.

    The exact variance of a Mann–Whitney statistic for such scores. Hanley and McNeil's, for exponential scores, is
    larger by 10 to 70 % where 20 to 40 % are high grade, and would ask for as many more patients.

    Args:
        auc: The area, between 0 and 1.
        n_high: High-grade patients; need not be an integer.
        n_low: Low-grade patients.

    Source:
        Bamber 1975, J Math Psychol 12:387; the probability that two patients of one grade both score beyond one of the
        other follows from Owen's T.

    >>> round(normal_scores_variance(0.5, 10, 20), 6) == round((10 + 20 + 1) / 12 / (10 * 20), 6)
    True
    """
    from scipy.special import ndtri, owens_t

    both = auc - 2.0 * float(owens_t(float(ndtri(auc)), 1.0 / math.sqrt(3.0)))
    spread = auc * (1.0 - auc) + (n_high + n_low - 2.0) * (both - auc**2)
    return spread / (n_high * n_low)


def auc_noninferiority(
    auc: float,
    high: float,
    *,
    margin: float,
    correlation: float = 0.5,
    power: float = 0.8,
    alpha: float = 0.025,
) -> Requirement:
    """Compute how many patients show that a model is not worse by a margin, if it is as good as the other.

    Args:
        auc: The expected AUC of both models.
        high: The proportion of high grade.
        margin: The loss of AUC that still counts as "not worse".
        correlation: Correlation of the two AUCs over new patients.
        power: The probability of showing it.
        alpha: Significance level of the one-sided test.

    Raises:
        ScoresError: A value out of range.

    Source:
        Obuchowski 1997, AJR 168:13, with the variance of :func:`normal_scores_variance`.

    >>> auc_noninferiority(0.85, 0.4, margin=0.05).n
    463
    """
    n = _patients_for_margin(auc, high, margin, correlation=correlation, power=power, alpha=alpha)
    return required(Criterion.NON_INFERIORITY, n, high, margin)


def auc_equivalence(
    auc: float,
    high: float,
    *,
    margin: float,
    correlation: float = 0.5,
    power: float = 0.8,
    alpha: float = 0.025,
) -> Requirement:
    """Compute how many patients show that two models differ by less than a margin, if they are equally good.

    Args:
        auc: The expected AUC of both models.
        high: The proportion of high grade.
        margin: The difference of AUC that still counts as none, in either direction.
        correlation: Correlation of the two AUCs over new patients.
        power: The probability of showing it.
        alpha: Significance level of each of the two one-sided tests.

    Raises:
        ScoresError: A value out of range.

    Source:
        Two one-sided tests; both have to reject, so each has the power (1 + power) / 2.

    >>> auc_equivalence(0.85, 0.4, margin=0.05).n
    618
    """
    if not 0.5 <= power < 1:
        raise ScoresError(f"The power is {power}. Give a number from 0.5 to 1, such as 0.8.")
    n = _patients_for_margin(auc, high, margin, correlation=correlation, power=(1.0 + power) / 2.0, alpha=alpha)
    return required(Criterion.EQUIVALENCE, n, high, margin)


def required(criterion: Criterion, n: float, high: float, target: float) -> Requirement:
    """Round a number of patients up, and say how many of them are expected to be high grade.

    Args:
        criterion: What they are needed for.
        n: How many, before rounding.
        high: The proportion of high grade.
        target: What is to be reached.

    Raises:
        ScoresError: More than ten million patients.

    >>> required(Criterion.OVERALL_RISK, 72.99, 0.05, 0.05)
    Requirement(criterion=<Criterion.OVERALL_RISK: 'overall-risk'>, n=73, n_high=4, target=0.05)
    """
    if not n <= MOST:
        raise ScoresError("More than ten million patients would be needed. Ask for less.")
    whole = math.ceil(n - 1e-9)
    return Requirement(criterion, whole, math.ceil(whole * high - 1e-9), target)


def check_share(name: str, value: float) -> None:
    """Reject a number that is not between 0 and 1.

    Args:
        name: What it is, for the message.
        value: The number.

    Raises:
        ScoresError: It is not.

    >>> check_share("threshold", 0.4)
    """
    if not 0.0 < value < 1.0:
        raise ScoresError(f"The {name} is {value}. Give a number between 0 and 1.")


def check_positive(name: str, value: float) -> None:
    """Reject a number that is not above 0.

    Args:
        name: What it is, for the message.
        value: The number.

    Raises:
        ScoresError: It is not.

    >>> check_positive("width", 0.1)
    """
    if not value > 0.0:
        raise ScoresError(f"The {name} is {value}. Give a number above 0.")


def _patients_for_margin(
    auc: float, high: float, margin: float, *, correlation: float, power: float, alpha: float
) -> int:
    """Patients for a margin; the variance falls not quite as 1 / n, so the number is found by search."""
    _check_area(auc)
    check_share("proportion of high grade", high)
    check_margin(margin)
    low_share = min(high, 1.0 - high)

    def enough(n: int) -> bool:
        if n * low_share < 1.0:
            return False
        alone = normal_scores_variance(auc, n * high, n * (1.0 - high))
        variance = difference_variance(alone, alone, correlation=correlation)
        return variance == 0 or patients_for_noninferiority(variance, n, margin=margin, power=power, alpha=alpha) <= n

    return _fewest(enough)


def _fewest(enough: Callable[[int], bool]) -> int:
    """The fewest patients that are enough, where more always are."""
    most = 2
    while not enough(most):
        most *= 2
        if most > MOST:
            raise ScoresError("More than ten million patients would be needed. Ask for less.")
    fewest = most // 2
    while fewest < most:
        middle = (fewest + most) // 2
        fewest, most = (fewest, middle) if enough(middle) else (middle + 1, most)
    return most


def _check_area(auc: float) -> None:
    if not 0.0 < auc < 1.0:
        raise ScoresError(f"The AUC is {auc}. Give a number between 0 and 1.")
