"""Net benefit of a model's calls, compared with calling everyone or no one high.

Calling a patient high at a probability of pt or more implies that a missed high grade is (1 − pt) / pt times as bad as
a false alarm. So, at a *threshold probability* pt, a true positive counts 1 and a false alarm −pt / (1 − pt):

    net benefit = tp / n − fp / n · pt / (1 − pt)

A model is useful over the range of pt in which its curve lies above both the curve of calling everyone high and 0,
the net benefit of calling no one high. Probabilities are taken at face value: a poorly calibrated model loses net
benefit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.errors import ScoresError
from nephrograde.evaluation.calibration.calibration import probability_vectors
from nephrograde.evaluation.performance.resample import counts_up_to, drawn_counts, percentile_bounds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from nephrograde.evaluation.performance.resample import Contributions, Counts, Means, Positions
    from nephrograde.evaluation.scores.scores import ModelScores
    from nephrograde.vocabulary import FloatVector

STEP = 0.01
"""Approximate spacing of the threshold probabilities of a curve."""


@dataclass(frozen=True, slots=True)
class BenefitPoint:
    """One point of a decision curve; a row of ``statistics/net_benefit.csv``.

    At the threshold probability ``threshold``: the net benefit of the model and of calling everyone high, in true
    positives per patient. Calling no one high has net benefit 0. ``low`` and ``high`` bound the net benefit of the
    model at this point; NaN if no band was computed.
    """

    model: str
    split: str
    threshold: float
    net_benefit: float
    treat_all: float
    n: int
    n_high: int
    low: float = math.nan
    high: float = math.nan


def net_benefit_curve(
    p_high: npt.ArrayLike, is_high: npt.ArrayLike, *, model: str, split: str, low: float, high: float
) -> tuple[BenefitPoint, ...]:
    """Compute the decision curve of a model over a range of threshold probabilities.

    The model's frozen threshold plays no role here: at every point ``p_high >= threshold`` is the call "high".

    Args:
        p_high: The probabilities of high grade.
        is_high: The truths of the same patients, in the same order.
        model: The model's id, for the rows.
        split: Where the patients are from, for the rows.
        low: The lowest threshold probability, above 0.
        high: The highest, below 1.

    Returns:
        Points about 0.01 apart, evenly spaced over the range and including both ends.

    Raises:
        ScoresError: A range that is not increasing within 0 to 1, a value outside 0 to 1, no patient, a value that
            is not finite, or different lengths.

    Source:
        Vickers & Elkin 2006, Med Decis Making 26:565.

    >>> points = net_benefit_curve([0.1, 0.3, 0.6, 0.9], [0, 1, 0, 1], model="size", split="test", low=0.2, high=0.5)
    >>> len(points), points[-1].threshold, points[-1].net_benefit, points[-1].treat_all
    (31, 0.5, 0.0, 0.0)
    """
    probabilities, truths = probability_vectors(p_high, is_high)
    if not 0.0 < low < high < 1.0:
        raise ScoresError(
            f"Threshold probabilities from {low:g} to {high:g} are not a range. Give two increasing values "
            "above 0 and below 1."
        )
    steps = max(1, round((high - low) / STEP))
    # Rounded, so that a probability written as 0.3 is called high at 0.3.
    thresholds = np.round(np.linspace(low, high, steps + 1), 12)
    n, n_high = truths.size, int(truths.sum())
    true_positives = n_high - np.searchsorted(np.sort(probabilities[truths]), thresholds)
    false_positives = n - n_high - np.searchsorted(np.sort(probabilities[~truths]), thresholds)
    weights = thresholds / (1.0 - thresholds)
    net_benefits = (true_positives - false_positives * weights) / n
    treat_all = (n_high - (n - n_high) * weights) / n
    rows = zip(thresholds.tolist(), net_benefits.tolist(), treat_all.tolist(), strict=True)
    return tuple(BenefitPoint(model, split, *row, n=n, n_high=n_high) for row in rows)


def with_bands(
    curves: Mapping[str, Sequence[BenefitPoint]],
    models: Mapping[str, ModelScores],
    *,
    replicates: int,
    seed: int,
    confidence: float,
) -> dict[str, tuple[BenefitPoint, ...]]:
    """Add pointwise bands to decision curves: percentile bootstrap intervals over patients.

    A band tells how precisely a net benefit is known, not whether two models differ: their curves vary together over
    resamples. Models with as many patients share the resamples, which are drawn once.

    Args:
        curves: The curve of each model, from :func:`net_benefit_curve`.
        models: The scores of the patients from which each was computed.
        replicates: Number of resamples; in very large tables fewer are drawn.
        seed: Seed of the resamples.
        confidence: Coverage probability at each point.

    Returns:
        The points of each model with their bounds.

    Raises:
        ScoresError: As :func:`net_benefit_curve`.

    Source:
        Vickers 2008, BMC Med Inform Decis Mak 8:53 (bootstrap intervals of net benefit).

    >>> from nephrograde.evaluation.scores.scores import ModelScores
    >>> p_high, is_high = np.array([0.1, 0.3, 0.6, 0.9]), np.array([False, True, False, True])
    >>> points = net_benefit_curve(p_high, is_high, model="size", split="test", low=0.2, high=0.5)
    >>> scored = {"size": ModelScores(("A", "B", "C", "D"), is_high, p_high)}
    >>> last = with_bands({"size": points}, scored, replicates=200, seed=1, confidence=0.95)["size"][-1]
    >>> last.low, last.net_benefit, last.high
    (-0.75, 0.0, 0.75)
    """
    called = {model: _Called.at([one.threshold for one in points], models[model]) for model, points in curves.items()}
    resampled: dict[str, list[Means]] = {model: [] for model in curves}
    for size in dict.fromkeys(len(models[model]) for model in curves):
        for counts in drawn_counts(size, replicates=replicates, seed=seed):
            for model, parts in resampled.items():
                if len(models[model]) == size:
                    parts.append(called[model].net_benefits(counts))
    found = {}
    for model, points in curves.items():
        low, high = percentile_bounds(np.concatenate(resampled[model]), confidence=confidence)
        bounds = zip(low.tolist(), high.tolist(), strict=True)
        found[model] = tuple(replace(point, low=a, high=b) for point, (a, b) in zip(points, bounds, strict=True))
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Called:
    """The patients of either grade, ranked once for all resamples, and how many of them each threshold leaves out."""

    thresholds: FloatVector
    ranked: tuple[Positions, Positions]
    below: tuple[Positions, Positions]

    @classmethod
    def at(cls, thresholds: Sequence[float], patients: ModelScores) -> _Called:
        p_high, is_high = probability_vectors(patients.p_high, patients.is_high)
        of_grade = [np.flatnonzero(is_high), np.flatnonzero(~is_high)]
        high, low = (grade[np.argsort(p_high[grade])] for grade in of_grade)
        at = np.asarray(thresholds, dtype=np.float64)
        return cls(at, (high, low), (np.searchsorted(p_high[high], at), np.searchsorted(p_high[low], at)))

    def net_benefits(self, counts: Counts) -> Means:
        """``resample × threshold``, by the definition of net benefit."""
        up_to = [counts_up_to(counts, ranked) for ranked in self.ranked]
        true_positives, false_positives = (
            up[:, -1:] - np.take(up, below, axis=1) for up, below in zip(up_to, self.below, strict=True)
        )
        weights = self.thresholds / (1.0 - self.thresholds)
        return np.asarray((true_positives - false_positives * weights) / counts.shape[1], dtype=np.float64)


def benefit_contributions(
    p_high: npt.ArrayLike, is_high: npt.ArrayLike, *, thresholds: Sequence[float]
) -> Contributions:
    """Compute what each patient adds to the net benefit; the mean over patients is the net benefit.

    Args:
        p_high: The probabilities of high grade.
        is_high: The truths of the same patients, in the same order.
        thresholds: Threshold probabilities above 0 and below 1.

    Returns:
        ``patient × threshold``: 1 for a true positive, minus the odds of the threshold for a false positive, else 0.

    Raises:
        ScoresError: A value outside 0 to 1, no patient, a value that is not finite, or different lengths.

    >>> benefit_contributions([0.1, 0.6, 0.9], [0, 0, 1], thresholds=[0.5])[:, 0].tolist()
    [0.0, -1.0, 1.0]
    """
    probabilities, truths = probability_vectors(p_high, is_high)
    at = np.asarray(thresholds, dtype=np.float64)
    worth = np.where(truths[:, np.newaxis], 1.0, -at / (1.0 - at))
    return np.where(probabilities[:, np.newaxis] >= at, worth, 0.0)
