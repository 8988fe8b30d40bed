"""How many patients the development of a prediction model needs, and its external validation.

Both are computed beforehand from the proportion of high grade and from how good the model is expected to be. They hold
for logistic regression; networks have no number of parameters in this sense.

Sources: Riley and others 2020, BMJ 368:m441, for the development; Riley and others 2021, Stat Med 40:4230, and 2024,
BMJ 384:e074821, for the validation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.errors import ScoresError
from nephrograde.evaluation.performance.delong import normal_quantile
from nephrograde.evaluation.sample_size.sample_size import (
    Criterion,
    Requirement,
    auc_precision,
    check_positive,
    check_share,
    required,
)

if TYPE_CHECKING:
    from nephrograde.vocabulary import FloatVector


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

    check_share("proportion of high grade", high)
    if not 0.5 < auc < 1.0:
        raise ScoresError(f"The AUC is {auc}. Give a number between 0.5 and 1.")
    apart = math.sqrt(2.0) * float(ndtri(auc))
    steps = apart * ndtri((np.arange(points) + 0.5) / points)
    start = math.log(high / (1.0 - high))
    return ScoreDistribution(start - apart**2 / 2.0 + steps, start + apart**2 / 2.0 + steps, high)


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
    check_share("proportion of high grade", high)
    check_share("shrinkage", shrinkage)
    check_share("error", error)
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
    found = [required(Criterion.OVERALL_RISK, risk, high, error)]
    if predictors <= 30:
        found.append(required(Criterion.MEAN_ERROR, math.exp(logarithm / 0.544), high, error))
    found.append(required(Criterion.SHRINKAGE, _for_shrinkage(predictors, r_squared, shrinkage), high, shrinkage))
    found.append(required(Criterion.OPTIMISM, _for_shrinkage(predictors, r_squared, optimism), high, error))
    return tuple(found)


def highest_cox_snell(high: float) -> float:
    """Compute the highest Cox–Snell R² that any model can have.

    Args:
        high: The proportion of high grade.

    >>> round(highest_cox_snell(0.174), 2)
    0.6
    """
    check_share("proportion of high grade", high)
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
        check_positive(f"width of {name}", width)
    z, high = normal_quantile(confidence), scores.share
    ratio_error = math.asinh(widths[0] / 2.0) / z  # the interval runs from exp(−z · error) to exp(z · error)
    found = [required(Criterion.OBSERVED_EXPECTED, (1.0 - high) / (high * ratio_error**2), high, widths[0])]
    slope = slope_variance(scores) / (widths[1] / 2.0 / z) ** 2
    found.append(required(Criterion.CALIBRATION_SLOPE, slope, high, widths[1]))
    found.append(auc_precision(auc, high, width=widths[2], confidence=confidence))
    if threshold is not None:
        check_share("threshold", threshold)
        cut = math.log(threshold / (1.0 - threshold))
        sensitivity, specificity = float((scores.high >= cut).mean()), float((scores.low < cut).mean())
        needed = benefit_variance(sensitivity, specificity, high, threshold) / (widths[3] / 2.0 / z) ** 2
        found.append(required(Criterion.NET_BENEFIT, needed, high, widths[3]))
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


def _for_shrinkage(predictors: int, r_squared: float, shrinkage: float) -> float:
    return predictors / ((shrinkage - 1.0) * math.log1p(-r_squared / shrinkage))
