"""Logistic models: by maximum likelihood, with Wald intervals, and by Firth's penalised likelihood."""

from __future__ import annotations

import math
import threading
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeAlias

import numpy as np
import numpy.typing as npt

from nephrograde.evaluation.performance.delong import normal_quantile

if TYPE_CHECKING:
    from nephrograde.vocabulary import BoolVector, FloatVector

Columns: TypeAlias = Annotated[npt.NDArray[np.float64], "patient term"]

CLIP = 1e-6
"""Probabilities closer to 0 or 1 than this are moved inwards to this distance before taking log odds."""

ALIKE = 1e-9
"""Log odds that span less than this are one value with rounding errors."""

_FIRTH_STEPS = 100
_FIRTH_SOLVED = 1e-9
_MANY = 5000
"""Patients from which on Newton's steps are taken here: statsmodels copies the columns several times in every step."""
_NEWTON_STEPS = 25
_NEWTON_SOLVED = 1e-11
_quiet_lock = threading.Lock()  # the filters of warnings belong to all threads
_SOLVED = 1e-5  # largest gradient of the log-likelihood per patient at which a fit counts as converged


@dataclass(frozen=True, slots=True, eq=False)
class LogisticFit:
    """A logistic model: coefficients and their covariance."""

    coefficients: npt.NDArray[np.float64]
    covariance: npt.NDArray[np.float64]

    def interval(self, row: npt.NDArray[np.float64], confidence: float) -> tuple[float, float, float]:
        """Compute a weighted sum of the coefficients with its Wald interval: value, low and high."""
        value = float(row @ self.coefficients)
        reach = normal_quantile(confidence) * math.sqrt(float(row @ self.covariance @ row))
        return value, value - reach, value + reach


def clipped_log_odds(p_high: FloatVector) -> FloatVector:
    """Compute log odds of probabilities, of which those closer to 0 or 1 than :data:`CLIP` are moved inwards.

    Args:
        p_high: The probabilities, 0 to 1.

    >>> clipped_log_odds(np.array([0.0, 0.5, 1.0])).round(2).tolist()
    [-13.82, 0.0, 13.82]
    """
    clipped = np.clip(p_high, CLIP, 1.0 - CLIP)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))


def fit_logistic(
    columns: Columns, truths: BoolVector | FloatVector, *, offset: FloatVector | None = None, start: float | None = None
) -> LogisticFit | None:
    """Fit a logistic model without warnings.

    Args:
        columns: The terms of the model, one row for each patient.
        truths: The outcomes of the same patients, in the same order, or the probabilities that the model is to meet.
        offset: Log odds that are added with a coefficient of 1.
        start: Starting value of a single coefficient.

    Returns:
        The fit; None if it does not converge. From 5,000 patients on, it equals that of statsmodels to 1e-9 of a
        standard error.

    >>> fit = fit_logistic(np.ones((4, 1)), np.array([False, True, True, True]))
    >>> round(float(fit.coefficients[0]), 4)
    1.0986
    """
    if truths.size >= _MANY:
        found = _newton(columns, truths, 0.0 if offset is None else offset, start)
        if found is not None:
            return found
    return _fit_with_statsmodels(columns, truths, offset=offset, start=start)


def _newton(
    columns: Columns, truths: BoolVector | FloatVector, offset: FloatVector | float, start: float | None
) -> LogisticFit | None:
    """Maximise the likelihood by Newton's steps; None if they do not settle within a few."""
    from scipy.special import expit

    terms = np.ascontiguousarray(columns.T)  # one term after the other: several times faster
    coefficients = np.zeros(len(terms)) if start is None else np.array([start])
    for _ in range(_NEWTON_STEPS):
        shares = expit(coefficients @ terms + offset)
        information = (terms * (shares * (1.0 - shares))) @ terms.T
        try:
            covariance = np.asarray(np.linalg.inv(information), dtype=np.float64)
        except np.linalg.LinAlgError:
            return None
        step = covariance @ (terms @ (truths - shares))
        coefficients = coefficients + step
        if not np.isfinite(coefficients).all():
            return None
        if (np.abs(step) <= _NEWTON_SOLVED * np.sqrt(np.diag(covariance))).all():
            return LogisticFit(coefficients, covariance)
    return None


def _fit_with_statsmodels(
    columns: Columns, truths: BoolVector | FloatVector, *, offset: FloatVector | None, start: float | None
) -> LogisticFit | None:
    # statsmodels.api would bring all of statsmodels, which takes longer than the fit.
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    with _quiet_lock, warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        # Whether a column is constant changes no coefficient, and finding out takes a third of the fit.
        model = GLM(truths.astype(float), columns, family=Binomial(), offset=offset, hasconst=False)
        try:
            result = model.fit(None if start is None else [start], tol=1e-10, tol_criterion="params")
        except (np.linalg.LinAlgError, ValueError):
            return None
        coefficients, covariance = np.asarray(result.params), np.asarray(result.cov_params())
        score = columns.T @ (truths - np.asarray(result.fittedvalues))
    # statsmodels calls a fit converged once it stops moving, even far from the solution.
    if not (np.isfinite(covariance).all() and np.abs(score).max() <= _SOLVED * truths.size):
        return None
    return LogisticFit(coefficients, covariance)


def firth_likelihood(columns: Columns, truths: BoolVector, *, free: int) -> float:
    """Maximise Firth's penalised log-likelihood of a logistic model in which only the first coefficients are free.

    The penalty, half the logarithm of the determinant of the information of all columns, removes the bias of small
    samples, and a maximum exists even where the columns separate the outcomes. Twice the difference between all
    coefficients free and the last one at 0 is the penalised likelihood ratio statistic, with one degree of freedom.

    Args:
        columns: The terms of the model, one row for each patient, of full rank.
        truths: The outcomes of the same patients, in the same order; both occur.
        free: Number of free coefficients; the others are 0.

    Returns:
        The maximum; NaN if it was not found.

    Source:
        Firth 1993, Biometrika 80:27; Heinze & Schemper 2002, Stat Med 21:2409.

    >>> columns = np.array([[1.0, -1.0], [1.0, 0.0], [1.0, 0.5], [1.0, 1.0]])
    >>> truths = np.array([False, False, True, True])
    >>> round(2 * (firth_likelihood(columns, truths, free=2) - firth_likelihood(columns, truths, free=1)), 3)
    1.881
    """
    coefficients = np.zeros(columns.shape[1])
    best = _firth(columns, truths, coefficients)
    for _ in range(_FIRTH_STEPS):
        shares, information = _information(columns, coefficients)
        leverages = shares * (1 - shares) * np.einsum("np,np->n", columns, np.linalg.solve(information, columns.T).T)
        score = (columns.T @ (truths - shares + leverages * (0.5 - shares)))[:free]
        step = np.linalg.solve(information[:free, :free], score)
        while True:  # halved until the likelihood rises
            moved = coefficients.copy()
            moved[:free] += step
            value = _firth(columns, truths, moved)
            if value >= best or np.abs(step).max() < _FIRTH_SOLVED:
                break
            step = step / 2.0
        if np.abs(step).max() < _FIRTH_SOLVED:
            return max(best, value)
        coefficients, best = moved, value
    return math.nan


def _firth(columns: Columns, truths: BoolVector, coefficients: npt.NDArray[np.float64]) -> float:
    log_odds = columns @ coefficients
    likelihood = float((truths * log_odds - np.logaddexp(0.0, log_odds)).sum())
    sign, log_determinant = np.linalg.slogdet(_information(columns, coefficients)[1])
    return likelihood + 0.5 * float(log_determinant) if sign > 0 else -math.inf


def _information(
    columns: Columns, coefficients: npt.NDArray[np.float64]
) -> tuple[FloatVector, npt.NDArray[np.float64]]:
    """The probabilities and the information matrix."""
    from scipy.special import expit

    shares = expit(columns @ coefficients)
    return shares, (columns * (shares * (1 - shares))[:, np.newaxis]).T @ columns


def fit_intercept(log_odds: FloatVector, truths: BoolVector) -> LogisticFit | None:
    """Fit a single coefficient that is added to given log odds.

    Args:
        log_odds: The offset of each patient.
        truths: The outcomes of the same patients, in the same order; both occur.

    Returns:
        The fit; None if it does not converge.
    """
    from scipy.optimize import brentq
    from scipy.special import expit, logit

    def excess(shift: float) -> float:
        return float(expit(log_odds + shift).sum() - truths.sum())

    # Probabilities near 0 and 1 make the usual starting value fail; bounds of the estimate are known beforehand.
    middle = float(logit(truths.mean()))
    least, most = middle - float(log_odds.max()), middle - float(log_odds.min())
    start = brentq(excess, least - 1.0, most + 1.0)
    return fit_logistic(np.ones((truths.size, 1)), truths, offset=log_odds, start=start)
