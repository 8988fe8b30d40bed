"""Calibration: whether a probability of 0.3 means three in ten.

A model may rank patients well and still predict 0.9 where six in ten are high grade. The estimates and the curve
compare the probabilities with the outcomes; none of them uses a threshold.

Intercept, slope and curve work on log odds, which are infinite at 0 and 1: such probabilities are moved inwards by
``CLIP``, and the estimates report how many were moved.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nephrograde.errors import ScoresError
from nephrograde.evaluation.calibration.logistic import ALIKE, CLIP, clipped_log_odds, fit_intercept, fit_logistic
from nephrograde.evaluation.performance.delong import normal_quantile
from nephrograde.evaluation.performance.metrics import Estimate
from nephrograde.evaluation.remarks import Caution, Reason
from nephrograde.evaluation.scores.scores import paired_vectors

if TYPE_CHECKING:
    from nephrograde.evaluation.calibration.logistic import Columns
    from nephrograde.vocabulary import BoolVector, FloatVector

ECE_BINS = 10
CURVE_POINTS = 51

# Positions of the knots as quantiles of the patients, after Harrell; five knots from 200 patients on.
_FEW_KNOTS = (0.1, 0.5, 0.9)
_MANY_KNOTS = (0.05, 0.275, 0.5, 0.725, 0.95)
_MANY_PATIENTS = 200
# A larger standard error, on columns of unit variance, means that the fit diverges to infinity.
_RUNAWAY = 1e4
_REASONS = {
    Reason.ONE_GRADE: "patients of one grade only",
    Reason.NOT_CONVERGED: "the logistic model did not converge",
    Reason.PREDICTIONS_ALIKE: "all predictions are alike",
    Reason.SEPARATED: "the predictions separate the grades without error, and the slope is infinite",
}


@dataclass(frozen=True, slots=True)
class CalibrationPoint:
    """One point of a smoothed calibration curve; a row of ``statistics/calibration.csv``.

    ``observed`` is the smoothed share of high grade among patients with the probability ``predicted``; ``low`` and
    ``high`` bound its band.
    """

    model: str
    split: str
    predicted: float
    observed: float
    low: float
    high: float


def probability_vectors(p_high: npt.ArrayLike, is_high: npt.ArrayLike) -> tuple[FloatVector, BoolVector]:
    """Check that predictions are probabilities and match the truths, and return both as vectors.

    Args:
        p_high: The probabilities of high grade, 0 to 1.
        is_high: The truths of the same patients, in the same order.

    Returns:
        Both as numpy vectors of one length.

    Raises:
        ScoresError: A value outside 0 to 1, no patient, a value that is not finite, or different lengths.

    >>> probability_vectors([0.25, 1], [0, 1])[0]
    array([0.25, 1.  ])
    """
    probabilities, truths = paired_vectors(p_high, is_high)
    outside = np.flatnonzero((probabilities < 0.0) | (probabilities > 1.0))
    if outside.size:
        where = int(outside[0])
        raise ScoresError(
            f"Prediction {where + 1} is {probabilities[where]:g}, which is not a probability. Give values from 0 to 1."
        )
    return probabilities, truths


def brier(p_high: npt.ArrayLike, is_high: npt.ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Estimate the Brier score, the mean squared difference between probability and truth.

    0 is perfect, and predicting 0.5 for everyone gives 0.25. The score reflects both ranking and calibration, and
    depends on the proportion of high grade, so scores of different groups cannot be compared. The interval is normal,
    based on the variance of the patients' squared errors, and truncated to [0, 1].

    Args:
        p_high: The probabilities of high grade.
        is_high: The truths of the same patients, in the same order.
        confidence: Coverage probability of the interval.

    Returns:
        The estimate; without an interval if there is only one patient.

    Raises:
        ScoresError: A value outside 0 to 1, no patient, a value that is not finite, or different lengths.

    Source:
        Brier 1950, Mon Weather Rev 78:1.

    >>> print(brier([0.0, 0.5, 0.5, 1.0], [0, 0, 1, 1]))
    0.125 (0.000–0.266)
    """
    probabilities, truths = probability_vectors(p_high, is_high)
    errors = (probabilities - truths) ** 2
    n, value = truths.size, float(errors.mean())
    method = f"mean squared error, normal {100 * confidence:g} % CI from the patients' squared errors"
    n_high = int(truths.sum())
    if n < 2:
        note = "no interval: one patient"
        return Estimate("brier", value, math.nan, math.nan, n, n_high, method, note, caution=Caution.ONE_PATIENT)
    reach = normal_quantile(confidence) * float(errors.std(ddof=1)) / math.sqrt(n)
    is_constant = np.ptp(errors) == 0.0
    return Estimate(
        "brier",
        value,
        low=max(0.0, value - reach),
        high=min(1.0, value + reach),
        n=n,
        n_high=n_high,
        method=method,
        note="interval unreliable: the error is the same in every patient" if is_constant else "",
        confidence=confidence,
        caution=Caution.CONSTANT_ERROR if is_constant else None,
    )


def calibration_intercept(p_high: npt.ArrayLike, is_high: npt.ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Estimate calibration in the large: how much too low the log odds are overall.

    0 is perfect; above 0 the probabilities are too low on average, below 0 too high. It is the intercept of a logistic
    model of the truth with the log odds of ``p_high`` as offset, that is, with a slope of 1.

    Args:
        p_high: The probabilities of high grade.
        is_high: The truths of the same patients, in the same order.
        confidence: Coverage probability of the interval.

    Returns:
        The estimate with Wald's interval. With patients of one grade only it is NaN, and ``method`` says so.

    Raises:
        ScoresError: A value outside 0 to 1, no patient, a value that is not finite, or different lengths.

    Source:
        Van Calster 2019, BMC Med 17:230; the logistic model as fitted by statsmodels.

    >>> print(calibration_intercept([0.5, 0.5, 0.5, 0.5], [0, 1, 1, 1]))
    1.099 (-1.165–3.362)
    """
    probabilities, truths = probability_vectors(p_high, is_high)
    name = "calibration_intercept"
    if truths.all() or not truths.any():
        return _not_computed(name, truths, Reason.ONE_GRADE)
    fit = fit_intercept(clipped_log_odds(probabilities), truths)
    if fit is None:
        return _not_computed(name, truths, Reason.NOT_CONVERGED)
    method = f"logistic model with the log odds as offset, Wald {100 * confidence:g} % CI"
    interval = fit.interval(np.ones(1), confidence)
    return _of_log_odds(name, interval, probabilities, truths, method=method, confidence=confidence)


def calibration_slope(p_high: npt.ArrayLike, is_high: npt.ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Estimate the calibration slope: the factor by which the log odds should be multiplied.

    1 is perfect. Below 1 the probabilities are too extreme, as with overfitting; above 1 they are not extreme enough.
    It is the coefficient of the log odds in a logistic model of the truth.

    Args:
        p_high: The probabilities of high grade.
        is_high: The truths of the same patients, in the same order.
        confidence: Coverage probability of the interval.

    Returns:
        The estimate with Wald's interval. It is NaN, and ``method`` says why, with patients of one grade only, with
        predictions that are all equal, and if a threshold separates the grades without error: the slope then has no
        finite estimate.

    Raises:
        ScoresError: A value outside 0 to 1, no patient, a value that is not finite, or different lengths.

    Source:
        Cox 1958, Biometrika 45:562; Van Calster 2019; the logistic model as fitted by statsmodels.

    >>> print(calibration_slope([0.2, 0.2, 0.4, 0.4, 0.6, 0.6], [0, 0, 0, 1, 0, 1]))
    1.546 (-1.483–4.575)
    """
    probabilities, truths = probability_vectors(p_high, is_high)
    name, log_odds = "calibration_slope", clipped_log_odds(probabilities)
    reason = _why_no_slope(log_odds, truths)
    if reason is not None:
        return _not_computed(name, truths, reason)
    spread = float(log_odds.std())
    # Fitted in units of the spread: otherwise, probabilities that differ little would make the model ill-conditioned.
    columns = np.column_stack([np.ones(truths.size), (log_odds - log_odds.mean()) / spread])
    fit = fit_logistic(columns, truths)
    if fit is None:
        return _not_computed(name, truths, Reason.NOT_CONVERGED)
    method = f"logistic model of the log odds, Wald {100 * confidence:g} % CI"
    interval = fit.interval(np.array([0.0, 1.0 / spread]), confidence)
    return _of_log_odds(name, interval, probabilities, truths, method=method, confidence=confidence)


def expected_calibration_error(p_high: npt.ArrayLike, is_high: npt.ArrayLike, *, bins: int = ECE_BINS) -> Estimate:
    """Estimate the expected calibration error, the mean gap between probability and proportion of high grade over bins.

    Given only as an extra. It depends on the bins, is above 0 even for a perfect model, and is unstable with few
    patients; intercept, slope and curve are more informative.

    Args:
        p_high: The probabilities of high grade.
        is_high: The truths of the same patients, in the same order.
        bins: Number of equal-width bins from 0 to 1; a probability on an edge belongs to the upper bin.

    Returns:
        The estimate "ece", without an interval.

    Raises:
        ScoresError: No bin, a value outside 0 to 1, no patient, a value that is not finite, or different lengths.

    Source:
        Naeini 2015, AAAI 29:2901.

    >>> print(expected_calibration_error([0.1, 0.3, 0.9, 0.9], [0, 0, 1, 1]))
    0.150
    """
    probabilities, truths = probability_vectors(p_high, is_high)
    if bins < 1:
        raise ScoresError(f"{bins} bins. Give at least 1.")
    bin_of = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(bin_of, weights=probabilities - truths, minlength=bins)
    value = float(np.abs(gaps).sum() / truths.size)
    method = f"{bins} bins of equal width"
    return Estimate(
        "ece",
        value,
        math.nan,
        math.nan,
        truths.size,
        int(truths.sum()),
        method,
        note="unstable at small n",
        caution=Caution.UNSTABLE,
    )


def calibration_curve(
    p_high: npt.ArrayLike, is_high: npt.ArrayLike, *, model: str, split: str, confidence: float = 0.95
) -> tuple[CalibrationPoint, ...]:
    """Compute the smoothed calibration curve with its band.

    A logistic model of the truth on a restricted cubic spline of the log odds, with three knots, or five from 200
    patients on. The band is a pointwise Wald band on log odds, and so stays within 0 to 1. With few distinct
    probabilities, or if the spline has no finite fit, the model is linear in the log odds instead. The curve runs from
    the lowest to the highest probability of the patients.

    Args:
        p_high: The probabilities of high grade.
        is_high: The truths of the same patients, in the same order.
        model: The model's id, for the rows.
        split: Where the patients are from, for the rows.
        confidence: Coverage probability of the band at each point.

    Returns:
        51 equally spaced points. Empty if ``calibration_slope`` cannot be computed, for the reasons given there.

    Raises:
        ScoresError: A value outside 0 to 1, no patient, a value that is not finite, or different lengths.

    Source:
        Van Calster 2019 (a flexible curve with its interval); knots: Harrell 2015, Regression Modeling Strategies,
        2.4.6.

    >>> points = calibration_curve([0.2, 0.2, 0.4, 0.4, 0.6, 0.6], [0, 0, 0, 1, 0, 1], model="size", split="test")
    >>> len(points), points[0].predicted, round(points[0].observed, 2)
    (51, 0.2, 0.09)
    """
    from scipy.special import expit

    probabilities, truths = probability_vectors(p_high, is_high)
    log_odds = clipped_log_odds(probabilities)
    if _why_no_slope(log_odds, truths) is not None:
        return ()
    shares = _MANY_KNOTS if truths.size >= _MANY_PATIENTS else _FEW_KNOTS
    knots = np.unique(np.quantile(log_odds, shares))
    grid = np.linspace(probabilities.min(), probabilities.max(), CURVE_POINTS)
    places = clipped_log_odds(grid)
    for terms in (knots, knots[:0]):
        drawn = _draw_curve(_spline(log_odds, terms), _spline(places, terms), truths, confidence=confidence)
        if drawn is not None:
            rows = zip(grid.tolist(), *expit(drawn).tolist(), strict=True)
            return tuple(CalibrationPoint(model, split, *row) for row in rows)
    return ()


def _draw_curve(
    columns: Columns, grid_columns: Columns, truths: BoolVector, *, confidence: float
) -> npt.NDArray[np.float64] | None:
    """Value, low and high of the fitted log odds on the grid; None if there is no finite fit."""
    # Terms are made orthogonal and of unit variance: the fit is the same, and its standard errors are comparable.
    centre = columns.mean(axis=0)
    _, turn = np.linalg.qr(columns - centre)
    if np.abs(np.diag(turn)).min() <= ALIKE:
        return None
    turn = turn / math.sqrt(truths.size)
    fitted, placed = (
        np.column_stack([np.ones(len(part)), np.linalg.solve(turn.T, (part - centre).T).T])
        for part in (columns, grid_columns)
    )
    fit = fit_logistic(fitted, truths)
    if fit is None or np.sqrt(np.diag(fit.covariance)).max() > _RUNAWAY:
        return None
    value = placed @ fit.coefficients
    variance = np.einsum("pi,ij,pj->p", placed, fit.covariance, placed)
    reach = normal_quantile(confidence) * np.sqrt(variance)
    return np.stack([value, value - reach, value + reach])


def _spline(values: FloatVector, knots: npt.NDArray[np.float64]) -> Columns:
    """The values and the terms of Harrell's restricted cubic spline, which is linear beyond the outermost knots.

    With fewer than three knots there are no spline terms.
    """
    if knots.size < 3:
        return values[:, np.newaxis]

    def cubed(knot: float) -> FloatVector:
        return np.asarray(np.maximum(values - knot, 0.0) ** 3)

    before_last, last = float(knots[-2]), float(knots[-1])
    width = last - before_last
    terms = [
        cubed(knot) - cubed(before_last) * (last - knot) / width + cubed(last) * (before_last - knot) / width
        for knot in knots[:-2].tolist()
    ]
    return np.column_stack([values, *(term / (last - knots[0]) ** 2 for term in terms)])


def _why_no_slope(log_odds: FloatVector, truths: BoolVector) -> Reason | None:
    if truths.all() or not truths.any():
        return Reason.ONE_GRADE
    if np.ptp(log_odds) <= ALIKE:
        return Reason.PREDICTIONS_ALIKE
    high, low = log_odds[truths], log_odds[~truths]
    # The estimate is finite if and only if the grades overlap (Albert & Anderson 1984, Biometrika 71:1).
    if high.min() >= low.max() or low.min() >= high.max():
        return Reason.SEPARATED
    return None


def _of_log_odds(
    measure: str,
    interval: tuple[float, float, float],
    probabilities: FloatVector,
    truths: BoolVector,
    *,
    method: str,
    confidence: float,
) -> Estimate:
    """An estimate on log odds, with the number of probabilities that were moved inwards."""
    value, low, high = interval
    moved = int(((probabilities < CLIP) | (probabilities > 1.0 - CLIP)).sum())
    return Estimate(
        measure,
        value,
        low,
        high,
        truths.size,
        int(truths.sum()),
        method,
        note=f"{moved} probabilities of 0 or 1 moved inwards by {CLIP:g}" if moved else "",
        confidence=confidence,
        caution=Caution.CLIPPED if moved else None,
        caution_value=moved or None,
    )


def _not_computed(measure: str, truths: BoolVector, reason: Reason) -> Estimate:
    method = f"not computed: {_REASONS[reason]}"
    return Estimate(measure, math.nan, math.nan, math.nan, truths.size, int(truths.sum()), method, reason=reason)
