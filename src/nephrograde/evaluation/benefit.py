"""Net benefit of a model's calls, compared with calling everyone or no one high.

Calling a patient high at a probability of pt or more implies that a missed high grade is (1 − pt) / pt times as bad as
a false alarm. So, at a *threshold probability* pt, a true positive counts 1 and a false alarm −pt / (1 − pt):

    net benefit = tp / n − fp / n · pt / (1 − pt)

A model is useful over the range of pt in which its curve lies above both the curve of calling everyone high and 0,
the net benefit of calling no one high. Probabilities are taken at face value: a poorly calibrated model loses net
benefit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.errors import ScoresError
from nephrograde.evaluation.calibration import probability_vectors

if TYPE_CHECKING:
    import numpy.typing as npt

STEP = 0.01
"""Approximate spacing of the threshold probabilities of a curve."""


@dataclass(frozen=True, slots=True)
class BenefitPoint:
    """One point of a decision curve; a row of ``statistics/net_benefit.csv``.

    At the threshold probability ``threshold``: the net benefit of the model and of calling everyone high, in true
    positives per patient. Calling no one high has net benefit 0.
    """

    model: str
    split: str
    threshold: float
    net_benefit: float
    treat_all: float
    n: int
    n_high: int


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
