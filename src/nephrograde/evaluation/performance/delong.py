"""DeLong's covariance of AUCs: how the AUCs of several models would vary together over new patients.

Each high-grade patient has a *placement* in each model: the proportion of low-grade patients scored below it, ties
counting half. Likewise, each low-grade patient has one among the high-grade ones. The mean of either set of placements
is the AUC; their variances and covariances over patients give those of the AUCs. A placement is the difference of two
midranks, found by sorting, so the cost for n patients is O(n log n).

Source: DeLong, DeLong & Clarke-Pearson 1988, Biometrics 44:837; Sun & Xu 2014, IEEE SPL 21:1389.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from nephrograde.errors import ScoresError
from nephrograde.evaluation.performance.interval import Area
from nephrograde.evaluation.remarks import Reason

if TYPE_CHECKING:
    from nephrograde.vocabulary import BoolVector, FloatVector

ModelMatrix: TypeAlias = Annotated[npt.NDArray[np.float64], "model patient"]
Covariance: TypeAlias = Annotated[npt.NDArray[np.float64], "model model"]


@dataclass(frozen=True, slots=True, eq=False)
class Placements:
    """The placements of every patient in every model, stored as counts, which are exact.

    Attributes:
        of_high: ``model × high-grade patient``: low-grade patients scored below, ties half.
        of_low: ``model × low-grade patient``: high-grade patients scored above, ties half.
    """

    of_high: ModelMatrix
    of_low: ModelMatrix

    @property
    def n_high(self) -> int:
        """Number of high-grade patients."""
        return int(self.of_high.shape[1])

    @property
    def n_low(self) -> int:
        """Number of low-grade patients."""
        return int(self.of_low.shape[1])

    def aucs(self) -> FloatVector:
        """Compute the area under the ROC curve of every model.

        Returns:
            The proportion of pairs (high, low) that the model ranks correctly; 0 and 1 are exact.

        >>> place(np.array([[0.1, 0.6, 0.4, 0.9]]), np.array([False, False, True, True])).aucs()
        array([0.75])
        """
        shares: FloatVector = self.of_high.sum(axis=1) / (self.n_high * self.n_low)
        return shares

    def covariance(self) -> Covariance:
        """Compute DeLong's covariance matrix of the AUCs of all models at once.

        Returns:
            ``model × model``, with the variances on the diagonal. NaN if a class has a single patient, except that a
            model with AUC 0 or 1 always has variance 0.

        >>> place(np.array([[0.1, 0.6, 0.4, 0.9]]), np.array([False, False, True, True])).covariance()
        array([[0.125]])
        """
        covariance = _spread(self.of_high, self.n_low) + _spread(self.of_low, self.n_high)
        certain = np.isin(self.aucs(), (0.0, 1.0))
        covariance[certain, :] = 0.0
        covariance[:, certain] = 0.0
        return covariance

    def area(self, model: int) -> Area:
        """The AUC of a model with its variance, which is NaN if a class has a single patient.

        Args:
            model: Row of the model.

        >>> place(np.array([[0.1, 0.6, 0.4, 0.9]]), np.array([False, False, True, True])).area(0)
        Area(value=0.75, variance=0.125, n_high=2, n_low=2)
        """
        chosen = Placements(self.of_high[[model]], self.of_low[[model]])
        value, variance = float(chosen.aucs()[0]), float(chosen.covariance()[0, 0])
        if 1 in {self.n_high, self.n_low}:
            variance = math.nan
        return Area(value, variance, self.n_high, self.n_low)

    def shared(self, first: int, second: int) -> float:
        """Compute the covariance of two AUCs.

        Args:
            first: Row of the first model.
            second: Row of the second.
        """
        both = Placements(self.of_high[[first, second]], self.of_low[[first, second]])
        return float(both.covariance()[0, 1])

    def difference(self, first: int, second: int) -> tuple[float, float]:
        """Compute the difference of two AUCs and its variance.

        Computed from the differences of each patient, so that two models with the same ranking give exactly 0 and 0.

        Args:
            first: Row of the first model.
            second: Row of the model whose AUC is subtracted.

        Returns:
            AUC of the first minus AUC of the second, and its DeLong variance (NaN with one patient in a class).
        """
        of_high = self.of_high[[first]] - self.of_high[[second]]
        of_low = self.of_low[[first]] - self.of_low[[second]]
        variance = _spread(of_high, self.n_low) + _spread(of_low, self.n_high)
        return float(of_high.sum() / (self.n_high * self.n_low)), float(variance[0, 0])


def place(p_high: ModelMatrix, is_high: BoolVector) -> Placements:
    """Find the placements of all patients in all models.

    Args:
        p_high: ``model × patient``; finite, and increasing with the suspicion of high grade.
        is_high: The truth of the same patients, in the same order.

    Returns:
        The placements, from which AUCs, their covariance and their differences follow.

    Raises:
        ScoresError: Only one class is present.

    >>> place(np.array([[0.1, 0.6, 0.4, 0.9]]), np.array([False, False, True, True])).of_high
    array([[1., 2.]])
    """
    high = p_high[:, is_high]
    low = p_high[:, ~is_high]
    if not high.shape[1] or not low.shape[1]:
        there = "high" if high.shape[1] else "low"
        raise ScoresError(
            f"All {is_high.size} patients are {there} grade. An AUC needs patients of both grades.", Reason.ONE_GRADE
        )
    of_high = np.stack([_count_below(others, own) for own, others in zip(high, low, strict=True)])
    of_low = np.stack([others.size - _count_below(others, own) for own, others in zip(low, high, strict=True)])
    return Placements(of_high, of_low)


def normal_quantile(confidence: float) -> float:
    """Compute the half-width of a two-sided normal interval in standard errors.

    Args:
        confidence: Coverage probability of the interval, 0 to 1.

    Returns:
        The quantile, 1.96 for 0.95.

    >>> round(normal_quantile(0.95), 6)
    1.959964
    """
    from scipy.special import ndtri

    return float(ndtri((1.0 + confidence) / 2.0))


def two_sided_p(z: float) -> float:
    """Compute the probability that a standard normal variable is at least as far from 0 as z.

    Args:
        z: The statistic.

    Returns:
        The p value; accurate far into the tails.

    >>> round(two_sided_p(-1.959963984540054), 12)
    0.05
    """
    return math.erfc(abs(z) / math.sqrt(2.0))


def _count_below(others: npt.NDArray[Any], own: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """For each value, the number of others below it, ties counting half: the midrank among the others."""
    order, ordered = np.argsort(own), np.sort(others)
    ranked = own[order]  # values in order are found several times faster among the others
    found = np.empty(own.size, dtype=np.float64)
    found[order] = (
        np.searchsorted(ordered, ranked, side="left") + np.searchsorted(ordered, ranked, side="right")
    ) / 2.0
    return found


def _spread(counts: ModelMatrix, others: int) -> Covariance:
    """The covariance of the mean placements; counts become proportions only here, after exact centring."""
    models, patients = counts.shape
    if patients < 2:
        return np.full((models, models), np.nan)
    centred = counts - counts.mean(axis=1, keepdims=True)
    return np.asarray(centred @ centred.T / (patients - 1) / patients / others**2, dtype=np.float64)
