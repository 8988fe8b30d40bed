"""How much readers agree: weighted kappa for pairs of readers, and intraclass correlations for all of them.

The weights of kappa are quadratic: a disagreement counts with the square of its distance. Kappa is for a few ordered
levels, such as 1 to 5. The intraclass correlation also fits scores from 0 to 100. ICC(2,1) is the agreement of single
reads of readers drawn from many, in which a reader who always scores higher counts as disagreeing; in ICC(3,1), their
consistency, it does not.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from nephrograde.evaluation.performance.delong import normal_quantile

if TYPE_CHECKING:
    from nephrograde.vocabulary import FloatVector

TargetMatrix: TypeAlias = Annotated[npt.NDArray[np.float64], "reader patient"]
MOST_LEVELS = 10
"""With more different scores than this, kappa depends on how finely they are written, and is not computed."""


class Agreement(NamedTuple):
    """A measure of agreement with its interval; NaN means "not computed"."""

    value: float
    low: float
    high: float


NOT_COMPUTED = Agreement(math.nan, math.nan, math.nan)


def weighted_kappa(first: FloatVector, second: FloatVector, *, confidence: float = 0.95) -> Agreement:
    """Estimate the quadratically weighted kappa of two readers.

    Args:
        first: The scores of one reader; the distance of two levels is the difference of their numbers.
        second: Those of the other, of the same patients.
        confidence: Coverage probability of the interval.

    Returns:
        Kappa with its normal interval, cut to −1–1; no interval where its standard error is 0, as with perfect
        agreement. Not computed if both gave one and the same score throughout, or with more than ten different scores.

    Source:
        Cohen 1968, Psychol Bull 70:213; the interval of Fleiss, Cohen & Everitt 1969, as computed by statsmodels.

    >>> kappa = weighted_kappa(np.array([1.0, 2, 3, 3]), np.array([1.0, 2, 2, 3]))
    >>> round(kappa.value, 3)
    0.8
    """
    levels = np.unique(np.concatenate([first, second]))
    return _kappa(first, second, levels, weights=(levels[:, None] - levels[None, :]) ** 2, confidence=confidence)


def nominal_kappa(first: FloatVector, second: FloatVector, *, confidence: float = 0.95) -> Agreement:
    """Estimate Cohen's kappa of two readers for categories without an order: every disagreement counts alike.

    Args:
        first: The categories that one reader chose, as numbers.
        second: Those of the other, of the same patients.
        confidence: Coverage probability of the interval.

    Returns:
        As :func:`weighted_kappa`.

    Source:
        Cohen 1960, Educ Psychol Meas 20:37; the interval of Fleiss, Cohen & Everitt 1969.

    >>> kappa = nominal_kappa(np.array([1.0, 2, 3, 3]), np.array([1.0, 2, 2, 3]))
    >>> round(kappa.value, 3)
    0.636
    """
    levels = np.unique(np.concatenate([first, second]))
    return _kappa(first, second, levels, weights=1.0 - np.eye(levels.size), confidence=confidence)


def _kappa(
    first: FloatVector,
    second: FloatVector,
    levels: FloatVector,
    *,
    weights: npt.NDArray[np.float64],
    confidence: float,
) -> Agreement:
    from statsmodels.stats.inter_rater import cohens_kappa

    if not 1 < levels.size <= MOST_LEVELS:
        return NOT_COMPUTED
    table = np.zeros((levels.size, levels.size))
    np.add.at(table, (np.searchsorted(levels, first), np.searchsorted(levels, second)), 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):  # a standard error of 0
        found = cohens_kappa(table, weights=weights)
    value, reach = float(found.kappa), normal_quantile(confidence) * float(found.std_kappa)
    if not reach > 0:
        return Agreement(value, math.nan, math.nan)
    return Agreement(value, max(-1.0, value - reach), min(1.0, value + reach))


def icc_agreement(scores: TargetMatrix, *, confidence: float = 0.95) -> Agreement:
    """Estimate ICC(2,1): the absolute agreement of single reads, for readers drawn from many.

    Args:
        scores: ``reader × patient``, with no value missing.
        confidence: Coverage probability of the interval.

    Returns:
        The coefficient with McGraw and Wong's interval; no interval where readers differ by constants only, and no
        coefficient where all scores are equal.

    Source:
        Shrout & Fleiss 1979, Psychol Bull 86:420; McGraw & Wong 1996, Psychol Methods 1:30.

    >>> shrout_fleiss = np.array([[9, 6, 8, 7, 10, 6], [2, 1, 4, 1, 5, 2], [5, 3, 6, 2, 6, 4], [8, 2, 8, 6, 9, 7.0]])
    >>> [round(value, 2) for value in icc_agreement(shrout_fleiss)]
    [0.29, 0.02, 0.76]
    """
    from scipy import stats

    k, n = scores.shape
    of_patient, of_reader, rest = _mean_squares(scores)
    spread = of_patient + (k - 1) * rest + k * (of_reader - rest) / n
    if not spread > 0:
        return NOT_COMPUTED
    value = (of_patient - rest) / spread
    if not rest > 0:
        return Agreement(value, math.nan, math.nan)
    of_readers = k * value / (n * (1.0 - value))
    of_rest = 1.0 + k * value * (n - 1) / (n * (1.0 - value))
    df = (of_readers * of_reader + of_rest * rest) ** 2 / (
        (of_readers * of_reader) ** 2 / (k - 1) + (of_rest * rest) ** 2 / ((n - 1) * (k - 1))
    )
    above = float(stats.f.ppf((1.0 + confidence) / 2.0, n - 1, df))
    below = float(stats.f.ppf((1.0 + confidence) / 2.0, df, n - 1))
    others = k * of_reader + (k * n - k - n) * rest
    low = n * (of_patient - above * rest) / (above * others + n * of_patient)
    high = n * (below * of_patient - rest) / (others + n * below * of_patient)
    return Agreement(value, low, high)


def icc_consistency(scores: TargetMatrix, *, confidence: float = 0.95) -> Agreement:
    """Estimate ICC(3,1): the consistency of single reads of these readers.

    Args:
        scores: ``reader × patient``, with no value missing.
        confidence: Coverage probability of the interval.

    Returns:
        The coefficient with its exact interval; no interval where readers differ by constants only, and no coefficient
        where all scores of a reader are equal.

    Source:
        Shrout & Fleiss 1979.

    >>> shrout_fleiss = np.array([[9, 6, 8, 7, 10, 6], [2, 1, 4, 1, 5, 2], [5, 3, 6, 2, 6, 4], [8, 2, 8, 6, 9, 7.0]])
    >>> [round(value, 2) for value in icc_consistency(shrout_fleiss)]
    [0.71, 0.34, 0.95]
    """
    from scipy import stats

    k, n = scores.shape
    of_patient, _, rest = _mean_squares(scores)
    if not rest > 0:
        return Agreement(1.0, math.nan, math.nan) if of_patient > 0 else NOT_COMPUTED
    ratio, tail = of_patient / rest, (1.0 + confidence) / 2.0
    lowest = ratio / float(stats.f.ppf(tail, n - 1, (n - 1) * (k - 1)))
    highest = ratio * float(stats.f.ppf(tail, (n - 1) * (k - 1), n - 1))
    return Agreement(*((one - 1.0) / (one + k - 1.0) for one in (ratio, lowest, highest)))


def _mean_squares(scores: TargetMatrix) -> tuple[float, float, float]:
    """Mean squares between patients, between readers, and of the rest; NaN with a single reader or patient."""
    k, n = scores.shape
    if min(k, n) < 2:
        return math.nan, math.nan, math.nan
    of_patient, of_reader = scores.mean(axis=0), scores.mean(axis=1)
    rest = scores - of_patient[None, :] - of_reader[:, None] + scores.mean()
    squares = (k * float(of_patient.var(ddof=1)), n * float(of_reader.var(ddof=1)), float((rest**2).sum()))
    floor = 1e-12 * float((scores**2).sum())  # what rounding leaves of differences that are 0
    left = squares[2] if squares[2] > floor else 0.0
    return squares[0], squares[1], left / ((n - 1) * (k - 1))
