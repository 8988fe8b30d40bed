"""The learning curve of a model: its AUC by the number of patients that it learnt from.

Learning curves of classifiers are described well by an inverse power law, AUC(n) = a - b n^-c: the gain from further
patients shrinks, and a is the AUC that no number of patients exceeds. It is fitted to the mean AUC of each size.
Beyond the largest size it is an extrapolation, and an honest one only a short way.

Source: Figueroa 2012, BMC Med Inform Decis Mak 12:8.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from nephrograde.evaluation.comparison.repeats import RepeatedAuc

    Values = npt.NDArray[np.float64]

FEWEST_SIZES = 3
"""Sizes from which the power law, which has three parameters, is fitted."""
FARTHEST = 2.0
"""How far the curve is extrapolated: to twice the patients that there are."""
_EXPONENTS = np.linspace(0.05, 2.0, 40)
_REPLICATES = 500


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """AUC(n) = ``limit`` - ``gain`` n^-``exponent``, with 0.5 <= limit <= 1 and gain >= 0.

    >>> round(PowerLaw(limit=0.9, gain=1.0, exponent=0.5).at(100), 3)
    0.8
    """

    limit: float
    gain: float
    exponent: float

    def at(self, n: float) -> float:
        """Return the AUC with n patients to learn from."""
        return float(self.limit - self.gain * n**-self.exponent)


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The mean AUC of ``folds`` folds whose models learnt from ``n_learn`` patients on average, and their SD."""

    share: float
    n_learn: float
    mean: float
    sd: float
    folds: int


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """The learning curve of one model.

    Attributes:
        model: The model's id.
        points: Out-of-fold AUCs by size, upwards; the last is that of all training patients.
        law: The power law; None with fewer than three sizes.
        drawings: How many drawings of the folds the AUCs are the means of.
        farther: The law at twice the largest size; NaN without a law.
        farther_low: Lower bound of its interval.
        farther_high: Upper bound.
        confidence: Coverage probability of the interval, as far as the law holds.
    """

    model: str
    points: tuple[CurvePoint, ...]
    drawings: int
    law: PowerLaw | None
    farther: float
    farther_low: float
    farther_high: float
    confidence: float

    def patients_for(self, auc: float) -> int | None:
        """Return how many patients to learn from give an AUC by the law; None if more than twice as many as there are.

        Args:
            auc: The wanted AUC.

        >>> point, law = CurvePoint(1.0, 160, 0.8, 0.05, 5), PowerLaw(0.9, 2.0, 0.5)
        >>> curve = LearningCurve("m", (point,), 1, law, 0.79, 0.7, 0.88, 0.95)
        >>> curve.patients_for(0.78), curve.patients_for(0.85)
        (278, None)
        """
        if self.law is None or self.law.at(self.farther_n) < auc:
            return None
        if not self.law.gain:
            return math.ceil(self.points[0].n_learn)
        return math.ceil(float((self.law.gain / (self.law.limit - auc)) ** (1.0 / self.law.exponent)))

    @property
    def farther_n(self) -> float:
        """The size at which ``farther`` holds: twice the largest."""
        return FARTHEST * self.points[-1].n_learn


def fit_power_law(sizes: Sequence[float], aucs: Sequence[float]) -> PowerLaw:
    """Fit an inverse power law by least squares.

    Args:
        sizes: Numbers of patients, at least three different ones.
        aucs: The AUC at each.

    Returns:
        The law of smallest squared error among exponents from 0.05 to 2.

    Source:
        Figueroa 2012, BMC Med Inform Decis Mak 12:8, with bounds on the parameters.

    >>> law = fit_power_law([40, 80, 160], [0.9 - 2 / n for n in (40, 80, 160)])
    >>> round(law.limit, 3), round(law.gain, 3), round(law.exponent, 3)
    (0.9, 2.0, 1.0)
    """
    limits, gains, exponents = _fit_all(sizes, np.asarray([aucs], dtype=np.float64))
    return PowerLaw(float(limits[0]), float(gains[0]), float(exponents[0]))


def learning_curves(rows: Iterable[RepeatedAuc], *, confidence: float = 0.95, seed: int = 0) -> list[LearningCurve]:
    """Compute the learning curve of every model that was fitted on several shares of its training patients.

    Drawings of the folds count alike. The interval of the extrapolation comes from 500 resamples of the folds, in which
    a fold keeps its AUCs of all sizes. Because the folds share their training patients, it is widened by the factor by
    which Nadeau and Bengio widen that of a mean (see :mod:`nephrograde.evaluation.comparison.repeats`). It says nothing
    about whether the law holds; ``bench/repeats.py`` measures how often it contains the truth where it does.

    Args:
        rows: The AUCs of all repeats.
        confidence: Coverage probability of the interval, as far as the law holds.
        seed: Seed of the resamples.
    """
    by_model: dict[str, dict[float, dict[tuple[int, int], RepeatedAuc]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        if row.fold is not None and not row.seed and not math.isnan(row.auc):
            by_model[row.model][row.share][row.drawing, row.fold] = row
    return [
        _curve(model, by_share, confidence=confidence, seed=seed)
        for model, by_share in by_model.items()
        if len(by_share) > 1
    ]


def _curve(
    model: str, by_share: dict[float, dict[tuple[int, int], RepeatedAuc]], *, confidence: float, seed: int
) -> LearningCurve:
    shares = sorted(by_share)
    points = tuple(_point(share, list(by_share[share].values())) for share in shares)
    places = sorted(set.intersection(*(set(by_share[share]) for share in shares)))
    drawings = len({drawing for drawing, _ in by_share[shares[-1]]})
    nan = math.nan
    if len(shares) < FEWEST_SIZES or len(places) < 2:
        return LearningCurve(model, points, drawings, None, nan, nan, nan, confidence)
    sizes = [point.n_learn for point in points]
    law = fit_power_law(sizes, [point.mean for point in points])
    aucs = np.array([[by_share[share][place].auc for place in places] for share in shares])
    farther = FARTHEST * sizes[-1]
    drawn = np.random.default_rng(seed).integers(len(places), size=(_REPLICATES, len(places)))
    limits, gains, exponents = _fit_all(sizes, aucs[:, drawn].mean(axis=2).T)
    values = limits - gains * farther**-exponents
    tested = sum(row.n for row in by_share[shares[-1]].values())
    ratio = tested / sum(row.n_learn for row in by_share[shares[-1]].values())
    widened = math.sqrt(1.0 + len(places) * ratio)
    middle = law.at(farther)
    low, high = np.quantile(values, [0.5 - confidence / 2.0, 0.5 + confidence / 2.0])
    bounds = np.clip([middle - widened * (middle - low), middle + widened * (high - middle)], 0.0, 1.0)
    return LearningCurve(
        model, points, drawings, law, middle, float(min(bounds[0], middle)), float(max(bounds[1], middle)), confidence
    )


def _point(share: float, rows: Sequence[RepeatedAuc]) -> CurvePoint:
    aucs = [row.auc for row in rows]
    sd = float(np.std(aucs, ddof=1)) if len(aucs) > 1 else math.nan
    return CurvePoint(share, float(np.mean([row.n_learn for row in rows])), float(np.mean(aucs)), sd, len(rows))


def _fit_all(sizes: Sequence[float], aucs: Values) -> tuple[Values, Values, Values]:
    """Fit a law to each row of AUCs: limits, gains and exponents; a limit or a gain out of bounds is set to the bound.

    For each exponent, limit and gain are those of a straight line through AUC against n^-c.
    """
    powers = np.asarray(sizes, dtype=np.float64)[np.newaxis] ** -_EXPONENTS[:, np.newaxis]  # exponent × size
    centred = powers - powers.mean(axis=1, keepdims=True)
    gains = -(aucs @ centred.T) / (centred**2).sum(axis=1)  # row × exponent
    rises = gains > 0.0
    middle = aucs.mean(axis=1, keepdims=True)
    limits = np.where(rises, np.clip(middle + gains * powers.mean(axis=1), 0.5, 1.0), middle)
    missing = limits[:, :, np.newaxis] - aucs[:, np.newaxis]  # row × exponent × size
    gains = np.where(rises, np.maximum((missing * powers).sum(axis=2) / (powers**2).sum(axis=1), 0.0), 0.0)
    errors = ((missing - gains[:, :, np.newaxis] * powers) ** 2).sum(axis=2)
    best = errors.argmin(axis=1)
    rows = np.arange(len(aucs))
    return limits[rows, best], gains[rows, best], _EXPONENTS[best]
