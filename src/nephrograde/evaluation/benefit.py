"""Net benefit: what calling by a model is worth, against calling everyone or no one high.

Whoever calls a patient high from the probability pt on holds a missed high grade for (1 − pt) / pt times as bad as a
false alarm. So at a *threshold probability* pt a false alarm takes pt / (1 − pt) from the one that a true positive
gives:

    net benefit = tp / n − fp / n · pt / (1 − pt)

A model is of use over the range of pt in which its curve is above both that of calling everyone high and 0, which is
that of calling no one high. The probabilities are taken at their word: a badly calibrated model loses net benefit.
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
"""How far the threshold probabilities of a curve are apart, about; our choice."""


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

    The frozen threshold of the model has no part in it: at every point ``p_high >= threshold`` is the call "high".

    Args:
        p_high: The probabilities of high grade.
        is_high: The truths of the same patients, in the same order.
        model: The model's id, for the rows.
        split: Where the patients are from, for the rows.
        low: The least threshold probability, above 0.
        high: The largest, below 1.

    Returns:
        Points 0.01 apart, or a little more or less where the range asks for it; both ends are among them.

    Raises:
        ScoresError: A range that does not run upwards within 0 to 1, a value outside 0 to 1, no patient, a value that
            is not finite, or different lengths.

    Source:
        Vickers & Elkin 2006, Med Decis Making 26:565. The step: our choice; the range: the study file.

    >>> points = net_benefit_curve([0.1, 0.3, 0.6, 0.9], [0, 1, 0, 1], model="size", split="test", low=0.2, high=0.5)
    >>> len(points), points[-1].threshold, points[-1].net_benefit, points[-1].treat_all
    (31, 0.5, 0.0, 0.0)
    """
    probabilities, truths = probability_vectors(p_high, is_high)
    if not 0.0 < low < high < 1.0:
        raise ScoresError(
            f"Threshold probabilities from {low:g} to {high:g} are no range. Give two values that run upwards, "
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
