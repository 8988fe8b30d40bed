"""AUCs within folds: patients are compared only with patients of their own fold, and the folds are averaged.

:mod:`nephrograde.evaluation.comparison.out_of_fold` says why. The covariance of the means is that of LeDell's influence
curve, with the spread of the placements estimated without bias: sums of squares within folds are divided by the number
of patients minus the number of folds. With one fold, it is DeLong's.

Source: LeDell, Petersen & van der Laan 2015, Electron J Stat 9:1583, for equal weights of the folds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nephrograde.errors import ScoresError
from nephrograde.evaluation.performance.delong import place
from nephrograde.evaluation.performance.interval import Area
from nephrograde.evaluation.remarks import Reason

if TYPE_CHECKING:
    from nephrograde.evaluation.performance.delong import Covariance, ModelMatrix
    from nephrograde.vocabulary import BoolVector, FloatVector


@dataclass(frozen=True, slots=True, eq=False)
class FoldAreas:
    """The AUCs of models in every fold that has patients of both grades.

    Attributes:
        of_folds: The AUCs, ``fold × model``.
        of_high: ``fold × model × model``: sums of products of the high-grade patients' placements about the AUCs (see
            :mod:`nephrograde.evaluation.performance.delong`).
        of_low: The same of the low-grade patients.
        n_high: High-grade patients of each fold.
        n_low: Low-grade patients of each fold.
        left_out: Number of folds with patients of one grade.
    """

    of_folds: npt.NDArray[np.float64]
    of_high: npt.NDArray[np.float64]
    of_low: npt.NDArray[np.float64]
    n_high: npt.NDArray[np.int64]
    n_low: npt.NDArray[np.int64]
    left_out: int

    def __len__(self) -> int:
        return len(self.of_folds)

    def aucs(self) -> FloatVector:
        """Compute the mean AUC of every model."""
        means: FloatVector = self.of_folds.mean(axis=0)
        return means

    def covariance(self) -> Covariance:
        """Compute the covariance of the mean AUCs; NaN if no fold has two patients of each grade.

        >>> fold_areas(np.array([[0.1, 0.6, 0.4, 0.9]]), np.array([False, False, True, True]), [0] * 4).covariance()
        array([[0.125]])
        """
        spare_high, spare_low = (self.n_high - 1).sum(), (self.n_low - 1).sum()
        if not spare_high or not spare_low:
            return np.full(self.of_high.shape[1:], np.nan)
        high, low = self.of_high.sum(axis=0) / spare_high, self.of_low.sum(axis=0) / spare_low
        covariance: Covariance = (high * (1.0 / self.n_high).sum() + low * (1.0 / self.n_low).sum()) / len(self) ** 2
        return covariance

    def area(self, model: int) -> Area:
        """The mean AUC of a model with its variance.

        Args:
            model: Its column.
        """
        variance = float(self.covariance()[model, model])
        return Area(float(self.aucs()[model]), variance, int(self.n_high.sum()), int(self.n_low.sum()))

    def shared(self, first: int, second: int) -> float:
        """Return the covariance of two mean AUCs.

        Args:
            first: Column of the first model.
            second: Column of the second.
        """
        return float(self.covariance()[first, second])

    def difference(self, first: int, second: int) -> tuple[float, float]:
        """Compute the difference of two mean AUCs and its variance, which is 0 if both rank all patients alike.

        Args:
            first: Column of the first model.
            second: Column of the model whose AUC is subtracted.
        """
        covariance = self.covariance()
        variance = covariance[first, first] + covariance[second, second] - 2.0 * covariance[first, second]
        return float((self.of_folds[:, first] - self.of_folds[:, second]).mean()), max(float(variance), 0.0)


def fold_areas(p_high: ModelMatrix, is_high: BoolVector, folds: npt.ArrayLike) -> FoldAreas:
    """Find the AUCs of models in every fold.

    Args:
        p_high: ``model × patient``; finite, and increasing with the suspicion of high grade.
        is_high: The truth of the same patients, in the same order.
        folds: The fold of each of them.

    Raises:
        ScoresError: No fold has patients of both grades, or the number of folds differs from that of truths.

    >>> fold_areas(np.array([[0.1, 0.4, 0.7, 0.6]]), np.array([False, True, False, True]), [0, 0, 1, 1]).aucs()
    array([0.5])
    """
    numbers = np.asarray(folds)
    if numbers.shape != is_high.shape:
        raise ScoresError(f"{numbers.shape} folds for {is_high.shape} truths. Give the fold of each patient.")
    names = np.unique(numbers)
    chosen = [own for name in names if is_high[own := numbers == name].any() and not is_high[own].all()]
    if not chosen:
        raise ScoresError(
            "No fold has patients of both grades, and so none has an AUC. Use fewer folds.", Reason.ONE_GRADE
        )
    placed = [place(p_high[:, own], is_high[own]) for own in chosen]
    aucs = [one.aucs() for one in placed]
    return FoldAreas(
        np.stack(aucs),
        np.stack([_products(one.of_high / one.n_low, values) for one, values in zip(placed, aucs, strict=True)]),
        np.stack([_products(one.of_low / one.n_high, values) for one, values in zip(placed, aucs, strict=True)]),
        np.array([one.n_high for one in placed]),
        np.array([one.n_low for one in placed]),
        len(names) - len(chosen),
    )


def _products(placements: ModelMatrix, aucs: FloatVector) -> Covariance:
    about = placements - aucs[:, np.newaxis]
    products: Covariance = (about[:, np.newaxis] * about[np.newaxis]).sum(axis=2)
    return products
