"""One scale for the networks of a model and for their mean, so that a threshold means the same on both.

The threshold of a model is chosen on training patients, each scored by the one network that has not seen the patient,
and applied to new patients, who are scored by all networks. Two things would move it. The networks of the folds differ
in level and spread. And a mean of several networks is closer to the base rate than each of them, because part of their
differences between patients is noise of their own, which averages out.

So the log odds of every network are (1) corrected for balanced batches, (2) brought to the level and spread that the
networks of the model have in common, without looking at the truth, and (3) calibrated: one intercept and one slope for
the model, fitted to all out-of-fold patients. The mean of the networks is (4) stretched about the base rate by as much
as averaging has narrowed it, which the disagreement of the networks on new patients shows, again without their truth.
Every step is a line on the scale of log odds: no network ranks its patients differently afterwards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, variance
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nephrograde.evaluation.scores.prevalence import log_odds, prior_shift, probability

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nephrograde.vocabulary import BoolVector, FloatVector

FEW_PATIENTS = 5
"""A network with as many held-out patients goes half of the way to the common level and spread."""
WIDEST = 3.0
"""No network is stretched or narrowed by more than this to reach the common spread."""
INTERCEPT_SD = 2.0
"""Standard deviation of the prior of the calibration intercept, about 0: with few patients, little is changed."""
SLOPE_SD = 1.0
"""Standard deviation of the prior of the logarithm of the calibration slope, about 0."""
_BOUNDS: Any = [(-20.0, 20.0), (-5.0, 5.0)]
_PRECISE: Any = {"ftol": 1e-14, "gtol": 1e-9}
_ALIKE = 1e-9  # log odds that differ less than this are one value with rounding errors


@dataclass(frozen=True, slots=True)
class ScaleRow:
    """How the log odds of a network, or of the mean of a model's networks, are rescaled: a row of ``scale.csv``.

    Attributes:
        model: The model id, such as ``weak-1-cmp``.
        fold: The network; None for the mean of all networks.
        prevalence: The share of high grade among the patients that the network learnt from; for the mean, among all
            out-of-fold patients.
        prior_shift: What is added first, because the network learnt from balanced batches; otherwise 0.
        intercept: What is added last.
        slope: What ``log odds + prior_shift`` is multiplied by.
        n: Out-of-fold patients of the network; for the mean, new patients whose scores show the disagreement.
    """

    model: str
    fold: int | None
    prevalence: float
    prior_shift: float
    intercept: float
    slope: float
    n: int

    def apply(self, log_odds: float) -> float:
        """Rescale log odds.

        >>> ScaleRow("weak-1-cmp", 0, 0.5, prior_shift=0.5, intercept=1.0, slope=2.0, n=40).apply(0.25)
        2.5
        """
        return self.intercept + self.slope * (log_odds + self.prior_shift)


@dataclass(frozen=True, slots=True)
class ModelScale:
    """How the probabilities of a model's networks become those in ``scores.csv``.

    Attributes:
        networks: A row per network, by fold.
        ensemble: The row of their mean.
    """

    networks: tuple[ScaleRow, ...]
    ensemble: ScaleRow

    @property
    def rows(self) -> tuple[ScaleRow, ...]:
        """All rows, the ensemble last."""
        return (*self.networks, self.ensemble)

    def of_networks(self, p_high: Sequence[float]) -> tuple[float, ...]:
        """Rescale the probabilities that all networks give one patient.

        Args:
            p_high: What each network gives, by fold.

        Returns:
            A probability per network, on the scale of the out-of-fold scores.
        """
        return tuple(map(probability, self._log_odds(p_high)))

    def of_ensemble(self, p_high: Sequence[float]) -> float:
        """Average the networks for one patient, on the scale of the out-of-fold scores.

        Args:
            p_high: What each network gives, by fold.

        >>> row = ScaleRow("weak-1-cmp", 0, 0.5, prior_shift=0.0, intercept=0.0, slope=1.0, n=40)
        >>> round(ModelScale((row, row), row).of_ensemble([0.5, 0.9]), 4)
        0.75
        """
        return probability(self.ensemble.apply(fmean(self._log_odds(p_high))))

    def of_held_out(self, p_high: float, fold: int) -> float:
        """Rescale the probability that one network gives a patient whom it has not learnt from.

        Args:
            p_high: What the network gives.
            fold: The network.
        """
        row = next(row for row in self.networks if row.fold == fold)
        return probability(row.apply(log_odds(p_high)))

    def _log_odds(self, p_high: Sequence[float]) -> list[float]:
        return [row.apply(log_odds(one)) for row, one in zip(self.networks, p_high, strict=True)]


class NetworkScores(NamedTuple):
    """What one network gives the patients that it has not learnt from.

    Attributes:
        fold: The network.
        prevalence: The share of high grade among the patients that it learnt from.
        is_balanced: Whether it learnt from balanced batches.
        p_high: The probabilities of its held-out patients.
        is_high: Their truths, in the same order.
        new: The probabilities of new patients, whose truth is not needed; the same patients in every network.
    """

    fold: int
    prevalence: float
    is_balanced: bool
    p_high: Sequence[float] | FloatVector
    is_high: Sequence[bool] | BoolVector
    new: Sequence[float] | FloatVector


def fit_scale(model: str, networks: Sequence[NetworkScores]) -> ModelScale:
    """Find the scale of a model from its out-of-fold patients, and from new patients without their truth.

    With few patients little is changed beyond the correction for balanced batches; with out-of-fold patients of one
    grade only, nothing.

    Args:
        model: The model id, such as ``weak-1-cmp``.
        networks: What each network gives, by fold.

    Source:
        Step 2 is ours. Step 3: Cox 1958, Biometrika 45:562; a prior on the logarithm of the slope keeps it positive.
        Step 4: in a normal model with equal variances, log odds are calibrated if they are proportional to the signal
        over its variance within a grade, and averaging divides the part of that variance that is noise by the number
        of networks. Simulated in ``bench/scale.py``.

    >>> rng = np.random.default_rng(1)
    >>> is_high = np.arange(100) % 2 == 1
    >>> def scores(level): return 1 / (1 + np.exp(-(level + 2 * is_high - 1 + rng.normal(size=100))))
    >>> networks = [NetworkScores(k, 0.5, True, scores(3 * k), is_high, scores(3 * k)) for k in range(2)]
    >>> scale = fit_scale("weak-1-cmp", networks)
    >>> [round(scale.of_held_out(1 / (1 + np.exp(-odds)), k), 1) for k, odds in enumerate((1.0, 4.0))]
    [0.9, 0.9]
    """
    shifts = [prior_shift(one.prevalence) if one.is_balanced else 0.0 for one in networks]
    odds = [_log_odds_of(one.p_high) + shift for one, shift in zip(networks, shifts, strict=True)]
    new = [_log_odds_of(one.new) + shift for one, shift in zip(networks, shifts, strict=True)]
    truths = np.concatenate([np.asarray(one.is_high, dtype=np.bool_) for one in networks])
    is_informative = bool(truths.any()) and not bool(truths.all())
    lines = _common_scale(odds) if is_informative else [(0.0, 1.0)] * len(networks)
    aligned = np.concatenate([level + slope * one for (level, slope), one in zip(lines, odds, strict=True)])
    intercept, factor = _calibrate(aligned, truths) if is_informative else (0.0, 1.0)
    rows = tuple(
        ScaleRow(model, one.fold, one.prevalence, shift, intercept + factor * level, factor * slope, len(one.p_high))
        for one, shift, (level, slope) in zip(networks, shifts, lines, strict=True)
    )
    of_networks = np.array([row.intercept + row.slope * one for row, one in zip(rows, new, strict=True)])
    stretch = _stretch(intercept + factor * aligned, truths, of_networks) if is_informative else 1.0
    prevalence = float(truths.mean()) if truths.size else math.nan
    center = prior_shift(prevalence) if is_informative else 0.0
    n_new = of_networks.shape[1] if len(networks) > 1 else 0
    return ModelScale(rows, ScaleRow(model, None, prevalence, 0.0, center * (1.0 - stretch), stretch, n_new))


def _log_odds_of(p_high: Sequence[float] | FloatVector) -> FloatVector:
    return np.array([log_odds(float(one)) for one in p_high], dtype=np.float64)


def _common_scale(odds: Sequence[FloatVector]) -> list[tuple[float, float]]:
    """Intercept and slope that bring each network to the level and spread that they have in common."""
    known = [one for one in odds if one.size > 1 and np.ptp(one) > _ALIKE]
    if not known:
        return [(0.0, 1.0)] * len(odds)
    level = fmean(float(one.mean()) for one in known)
    spread = math.exp(fmean(math.log(float(one.std(ddof=1))) for one in known))
    lines = []
    for one in odds:
        if one.size < 2 or np.ptp(one) <= _ALIKE:
            lines.append((0.0, 1.0))
            continue
        way = one.size / (one.size + FEW_PATIENTS)
        full = min(max(spread / float(one.std(ddof=1)), 1.0 / WIDEST), WIDEST)
        own, slope = float(one.mean()), full**way
        lines.append((own + way * (level - own) - slope * own, slope))
    return lines


def _calibrate(odds: FloatVector, truths: BoolVector) -> tuple[float, float]:
    """Intercept and slope of the truths on log odds, the most probable ones under a prior around no change."""
    from scipy.optimize import minimize
    from scipy.special import expit

    def cost(at: Any) -> Any:
        slope = math.exp(at[1])
        found = at[0] + slope * odds
        excess = expit(found) - truths
        value = np.logaddexp(0.0, found).sum() - found[truths].sum()
        value += 0.5 * (at[0] / INTERCEPT_SD) ** 2 + 0.5 * (at[1] / SLOPE_SD) ** 2
        gradient = [
            excess.sum() + at[0] / INTERCEPT_SD**2,
            slope * (excess * odds).sum() + at[1] / SLOPE_SD**2,
        ]
        return float(value), np.array(gradient)

    found: Any = minimize(cost, [0.0, 0.0], jac=True, method="L-BFGS-B", bounds=_BOUNDS, options=_PRECISE)
    return float(found.x[0]), math.exp(float(found.x[1]))


def _stretch(odds: FloatVector, truths: BoolVector, of_networks: FloatVector) -> float:
    """How much the mean of the networks has to be stretched to be as informative as it is."""
    count = len(of_networks)
    if count < 2 or not of_networks.shape[1] or odds.size <= count + 1:
        return 1.0
    within = [((odds[one] - odds[one].mean()) ** 2).sum() for one in (truths, ~truths)]
    spread = float(sum(within)) / (odds.size - count - 1)  # each network has been given a level
    if spread <= _ALIKE:
        return 1.0
    noise = fmean(variance(column) for column in of_networks.T.tolist()) / spread
    noise -= 2 * count / odds.size  # levels and spreads that few patients have set differ in new ones, not out of fold
    lost = max(noise, 0.0) * (count - 1) / count
    return 1.0 / max(1.0 - lost, 1.0 / count)
