"""How many patients a study needs, before it is done: for a test set, for a prediction model, and for its validation.

Every requirement is computed from what is expected: an AUC, the proportion of high grade, and what is to be shown. The
largest of those that a study wants to meet decides.

Sources: for the AUC, Newcombe 2006, Stat Med 25:559, and :mod:`~nephrograde.evaluation.power`; for a prediction model
that is developed, Riley and others 2020, BMJ 368:m441; for its external validation, Riley and others 2021, Stat Med
40:4230, and 2024, BMJ 384:e074821.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.errors import ScoresError
from nephrograde.evaluation.delong import normal_quantile
from nephrograde.evaluation.power import (
    check_margin,
    difference_variance,
    patients_for_noninferiority,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from nephrograde.vocabulary import FloatVector

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


@dataclass(frozen=True, slots=True)
class ScoreDistribution:
    """The linear predictor (log odds) of a calibrated model: equally spaced quantiles of it in each grade.

    ``low`` and ``high`` are the values, ``share`` the proportion of high grade.
    """

    low: FloatVector
    high: FloatVector
    share: float

    def mean(self, of_low: FloatVector, of_high: FloatVector) -> float:
        """Average a quantity over patients, from its values in each grade."""
        return float((1.0 - self.share) * of_low.mean() + self.share * of_high.mean())


def scores_of_auc(auc: float, high: float, *, points: int = 20_001) -> ScoreDistribution:
    """Give the distribution of the log odds of a calibrated model with this AUC: normal in each grade.

    Args:
        auc: The AUC, 0.5 to 1.
        high: The proportion of high grade.
        points: How finely the distribution is described.

    Source:
        Riley 2021, Stat Med 40:4230: with normal scores of equal variance in both grades, the log odds are their linear
        function.

    >>> round(float(scores_of_auc(0.8, 0.4).high.mean()), 3)
    0.303
    """
    from scipy.special import ndtri

    _check_share("proportion of high grade", high)
    if not 0.5 < auc < 1.0:
        raise ScoresError(f"The AUC is {auc}. Give a number between 0.5 and 1.")
    apart = math.sqrt(2.0) * float(ndtri(auc))
    steps = apart * ndtri((np.arange(points) + 0.5) / points)
    start = math.log(high / (1.0 - high))
    return ScoreDistribution(start - apart**2 / 2.0 + steps, start + apart**2 / 2.0 + steps, high)


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
    _check_share("proportion of high grade", high)
    _check_positive("width", width)
    error = width / 2.0 / normal_quantile(confidence)

    def enough(n: int) -> bool:
        half = n / 2.0 - 1.0
        spread = 1.0 + half * (1.0 - auc) / (2.0 - auc) + half * auc / (1.0 + auc)
        return auc * (1.0 - auc) * spread / (n**2 * high * (1.0 - high)) <= error**2

    return _required(Criterion.AUC_PRECISION, _fewest(enough), high, width)


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
    _check_share("proportion of high grade", high)
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

    return _required(Criterion.AUC_DIFFERENCE, _fewest(enough), high, difference)


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
    return _required(Criterion.NON_INFERIORITY, n, high, margin)


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
    return _required(Criterion.EQUIVALENCE, n, high, margin)


def development(
    high: float, *, predictors: int, r_squared: float, shrinkage: float = 0.9, error: float = 0.05
) -> tuple[Requirement, ...]:
    """Compute how many patients a logistic regression needs to be developed.

    Args:
        high: The proportion of high grade.
        predictors: Candidate predictor parameters; a category with k levels counts k − 1, a spline its terms.
        r_squared: The Cox–Snell R² that is expected of the model; :func:`cox_snell_of_auc` gives it from an AUC.
        shrinkage: The expected shrinkage of the coefficients, at least this.
        error: Greatest error of the overall risk, of the predictions on average, and optimism of Nagelkerke's R².

    Returns:
        Four requirements: the overall risk, the mean absolute error of predictions (for up to 30 predictors),
        shrinkage, and optimism.

    Raises:
        ScoresError: A value out of range.

    Source:
        Riley 2020, BMJ 368:m441, boxes 1 to 4; van Smeden 2019, Stat Methods Med Res 28:2455 for the mean error.

    >>> [made.n for made in development(0.174, predictors=24, r_squared=0.288)]
    [221, 801, 623, 662]
    """
    _check_share("proportion of high grade", high)
    _check_share("shrinkage", shrinkage)
    _check_share("error", error)
    if predictors < 1:
        raise ScoresError(f"There are {predictors} predictors. Give at least 1.")
    most = highest_cox_snell(high)
    if not 0.0 < r_squared < min(most, shrinkage):
        raise ScoresError(
            f"The Cox–Snell R² is {r_squared:g}. With {high:g} high grade it lies between 0 and {most:.3f}."
        )
    risk = (normal_quantile(0.95) / error) ** 2 * high * (1.0 - high)
    logarithm = -0.508 + 0.259 * math.log(min(high, 1.0 - high)) + 0.504 * math.log(predictors) - math.log(error)
    optimism = r_squared / (r_squared + error * most)
    found = [_required(Criterion.OVERALL_RISK, risk, high, error)]
    if predictors <= 30:
        found.append(_required(Criterion.MEAN_ERROR, math.exp(logarithm / 0.544), high, error))
    found.append(_required(Criterion.SHRINKAGE, _for_shrinkage(predictors, r_squared, shrinkage), high, shrinkage))
    found.append(_required(Criterion.OPTIMISM, _for_shrinkage(predictors, r_squared, optimism), high, error))
    return tuple(found)


def highest_cox_snell(high: float) -> float:
    """Compute the highest Cox–Snell R² that any model can have.

    Args:
        high: The proportion of high grade.

    >>> round(highest_cox_snell(0.174), 2)
    0.6
    """
    _check_share("proportion of high grade", high)
    return 1.0 - math.exp(2.0 * (high * math.log(high) + (1.0 - high) * math.log(1.0 - high)))


def cox_snell_of_auc(auc: float, high: float) -> float:
    """Compute the Cox–Snell R² of a calibrated model from its AUC, for normal scores.

    Args:
        auc: The AUC.
        high: The proportion of high grade.

    Source:
        Riley, Van Calster & Collins 2021, Stat Med 40:859, who simulate what is integrated here.

    >>> round(cox_snell_of_auc(0.89, 0.174), 2)
    0.29
    """
    scores = scores_of_auc(auc, high)
    fitted = scores.mean(-np.logaddexp(0.0, scores.low), -np.logaddexp(0.0, -scores.high))
    without = high * math.log(high) + (1.0 - high) * math.log(1.0 - high)
    return 1.0 - math.exp(2.0 * (without - fitted))


def validation(
    scores: ScoreDistribution,
    auc: float,
    *,
    widths: tuple[float, float, float, float] = (0.2, 0.2, 0.1, 0.2),
    threshold: float | None = None,
    confidence: float = 0.95,
) -> tuple[Requirement, ...]:
    """Compute how many patients validate a model with intervals no wider than wanted, if it is calibrated.

    Args:
        scores: The distribution of its log odds, from :func:`scores_of_auc`.
        auc: Its AUC.
        widths: Widths of the intervals of observed / expected, calibration slope, AUC, and standardised net benefit.
        threshold: The probability at which the net benefit counts; None leaves it out.
        confidence: Coverage probability of the intervals.

    Raises:
        ScoresError: A value out of range.

    Source:
        Riley 2021 and 2024.

    >>> [made.n for made in validation(scores_of_auc(0.8, 0.4), 0.8, threshold=0.4)]
    [579, 1972, 315, 442]
    """
    for name, width in zip(("observed / expected", "slope", "AUC", "net benefit"), widths, strict=True):
        _check_positive(f"width of {name}", width)
    z, high = normal_quantile(confidence), scores.share
    ratio_error = math.asinh(widths[0] / 2.0) / z  # the interval runs from exp(−z · error) to exp(z · error)
    found = [_required(Criterion.OBSERVED_EXPECTED, (1.0 - high) / (high * ratio_error**2), high, widths[0])]
    slope = slope_variance(scores) / (widths[1] / 2.0 / z) ** 2
    found.append(_required(Criterion.CALIBRATION_SLOPE, slope, high, widths[1]))
    found.append(auc_precision(auc, high, width=widths[2], confidence=confidence))
    if threshold is not None:
        _check_share("threshold", threshold)
        cut = math.log(threshold / (1.0 - threshold))
        sensitivity, specificity = float((scores.high >= cut).mean()), float((scores.low < cut).mean())
        needed = benefit_variance(sensitivity, specificity, high, threshold) / (widths[3] / 2.0 / z) ** 2
        found.append(_required(Criterion.NET_BENEFIT, needed, high, widths[3]))
    return tuple(found)


def slope_variance(scores: ScoreDistribution) -> float:
    """Compute the variance of the calibration slope with one patient: of a slope of 1 and an intercept of 0.

    Args:
        scores: The distribution of the log odds.

    Source:
        Riley 2021, from Fisher's information of a logistic regression.
    """
    weights = [1.0 / (2.0 + 2.0 * np.cosh(values)) for values in (scores.low, scores.high)]  # p · (1 − p)
    values = (scores.low, scores.high)
    level = scores.mean(weights[0], weights[1])
    cross = scores.mean(*(weight * value for weight, value in zip(weights, values, strict=True)))
    square = scores.mean(*(weight * value**2 for weight, value in zip(weights, values, strict=True)))
    return level / (level * square - cross**2)


def benefit_variance(sensitivity: float, specificity: float, high: float, threshold: float) -> float:
    """Compute the variance of the standardised net benefit with one patient.

    Args:
        sensitivity: At the threshold.
        specificity: At the threshold.
        high: The proportion of high grade.
        threshold: The probability from which a patient is called high.

    Source:
        Riley 2021, from Marsh 2020, Stat Biosci 12:1.

    >>> round(benefit_variance(0.9, 0.8, 0.4, 0.4), 3)
    0.658
    """
    weight = (1.0 - high) / high * threshold / (1.0 - threshold)
    return (
        sensitivity * (1.0 - sensitivity) / high
        + weight**2 * specificity * (1.0 - specificity) / (1.0 - high)
        + weight**2 * (1.0 - specificity) ** 2 / (high * (1.0 - high))
    )


def _patients_for_margin(
    auc: float, high: float, margin: float, *, correlation: float, power: float, alpha: float
) -> int:
    """Patients for a margin; the variance falls not quite as 1 / n, so the number is found by search."""
    _check_area(auc)
    _check_share("proportion of high grade", high)
    check_margin(margin)
    low_share = min(high, 1.0 - high)

    def enough(n: int) -> bool:
        if n * low_share < 1.0:
            return False
        alone = normal_scores_variance(auc, n * high, n * (1.0 - high))
        variance = difference_variance(alone, alone, correlation=correlation)
        return variance == 0 or patients_for_noninferiority(variance, n, margin=margin, power=power, alpha=alpha) <= n

    return _fewest(enough)


def _for_shrinkage(predictors: int, r_squared: float, shrinkage: float) -> float:
    return predictors / ((shrinkage - 1.0) * math.log1p(-r_squared / shrinkage))


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


def _required(criterion: Criterion, n: float, high: float, target: float) -> Requirement:
    if not n <= MOST:
        raise ScoresError("More than ten million patients would be needed. Ask for less.")
    whole = math.ceil(n - 1e-9)
    return Requirement(criterion, whole, math.ceil(whole * high - 1e-9), target)


def _check_area(auc: float) -> None:
    if not 0.0 < auc < 1.0:
        raise ScoresError(f"The AUC is {auc}. Give a number between 0 and 1.")


def _check_share(name: str, value: float) -> None:
    if not 0.0 < value < 1.0:
        raise ScoresError(f"The {name} is {value}. Give a number between 0 and 1.")


def _check_positive(name: str, value: float) -> None:
    if not value > 0.0:
        raise ScoresError(f"The {name} is {value}. Give a number above 0.")
