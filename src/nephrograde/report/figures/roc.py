"""ROC curves and their bootstrap bands, as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nephrograde.vocabulary import BoolVector, FloatVector

BOOTSTRAPS = 500
GRID = np.linspace(0.0, 1.0, 101)


def roc_points(p_high: FloatVector, is_high: BoolVector) -> tuple[FloatVector, FloatVector]:
    """False and true positive rates at every distinct threshold, from (0, 0) to (1, 1).

    Tied scores give a slope, not a step.

    >>> roc_points(np.array([0.9, 0.4, 0.4, 0.1]), np.array([True, True, False, False]))[1].tolist()
    [0.0, 0.5, 1.0, 1.0]
    """
    order = np.argsort(-p_high, kind="stable")
    scores, truth = p_high[order], is_high[order]
    ends = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    true_positives = np.append(0, np.cumsum(truth)[ends])
    false_positives = np.append(0, np.cumsum(~truth)[ends])
    return false_positives / false_positives[-1], true_positives / true_positives[-1]


def roc_band(
    p_high: FloatVector, is_high: BoolVector, *, seed: int, confidence: float = 0.95
) -> tuple[FloatVector, FloatVector]:
    """Pointwise bootstrap band of the sensitivity at false positive rates 0, 0.01 … 1.

    Patients are resampled with replacement within each class, 500 times.

    Args:
        p_high: Probability of high grade, one per patient.
        is_high: The truth, in the same order.
        seed: Seed of the random numbers; the same seed gives the same band.
        confidence: The proportion of replicates inside the band at each point.

    Returns:
        The lower and the upper edge on the grid of false positive rates.

    Source:
        Stratified percentile bootstrap as in pROC (Robin 2011).
    """
    stream = np.random.default_rng(seed)
    highs, lows = p_high[is_high], p_high[~is_high]
    truth = np.repeat([True, False], [len(highs), len(lows)])
    curves = np.empty((BOOTSTRAPS, len(GRID)))
    for replicate in range(BOOTSTRAPS):
        drawn = np.concatenate([stream.choice(highs, len(highs)), stream.choice(lows, len(lows))])
        curves[replicate] = curve_at(GRID, *roc_points(drawn, truth))
    low, high = np.quantile(curves, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return low, high


def curve_at(grid: FloatVector, false_rate: FloatVector, true_rate: FloatVector) -> FloatVector:
    """Read a curve at given false positive rates: the upper end of a vertical step, linear along a slope.

    Args:
        grid: The false positive rates.
        false_rate: Those of the points of the curve, not decreasing.
        true_rate: The sensitivities of these points.

    >>> curve_at(np.array([0.0, 0.25]), np.array([0.0, 0.0, 0.5, 1.0]), np.array([0.0, 0.5, 1.0, 1.0])).tolist()
    [0.5, 0.75]
    """
    left = np.searchsorted(false_rate, grid, side="right") - 1
    right = np.minimum(left + 1, len(false_rate) - 1)
    run = false_rate[right] - false_rate[left]
    share = np.divide(grid - false_rate[left], run, out=np.zeros_like(grid), where=run > 0)
    return true_rate[left] + share * (true_rate[right] - true_rate[left])
