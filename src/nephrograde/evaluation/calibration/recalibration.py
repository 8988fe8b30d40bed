"""Recalibration: maps from the probabilities of a model to probabilities that agree with the outcomes.

A map is learnt on scored patients with known outcomes and applied to others. None of them ranks two patients the other
way round. Three are offered: Platt's logistic curve with two parameters, isotonic regression, which follows any
increasing shape and needs more patients, and Venn–Abers prediction, an isotonic regression under either assumption
about the new patient's outcome, which gives two probabilities and merges them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nephrograde.arguments import NUMBERS, VALUES, checked, choice
from nephrograde.errors import ScoresError
from nephrograde.evaluation.calibration.calibration import probability_vectors
from nephrograde.evaluation.calibration.logistic import ALIKE, clipped_log_odds, fit_logistic
from nephrograde.evaluation.calibration.maps import IsotonicMap, PlattMap, VennAbersMap
from nephrograde.evaluation.calibration.minorant import isotonic_with_one_more
from nephrograde.evaluation.remarks import Reason

if TYPE_CHECKING:
    from nephrograde.evaluation.calibration.maps import Map
    from nephrograde.vocabulary import BoolVector, FloatVector

FEWEST_TO_LEARN = 5
"""Patients of each grade below which no map is learnt."""


class Way(StrEnum):
    """How probabilities are recalibrated."""

    PLATT = "platt"
    ISOTONIC = "isotonic"
    VENN_ABERS = "venn-abers"


@checked(p_high=NUMBERS, is_high=VALUES, way=choice(*Way))
def learn_map(p_high: npt.ArrayLike, is_high: npt.ArrayLike, way: Way | str) -> Map:
    """Learn how to recalibrate the probabilities of a model.

    The patients must not be those whose recalibrated probabilities are evaluated.

    Args:
        p_high: The probabilities that the model gives patients on whom it was not trained.
        is_high: The truths of the same patients, in the same order.
        way: ``platt``, ``isotonic`` or ``venn-abers``.

    Returns:
        The map; ``apply`` recalibrates the probabilities of other patients.

    Raises:
        InputError: An argument is of another kind.
        ScoresError: Patients of one grade only, fewer than five of a grade, scores that are all equal, a value outside
            0 to 1, a value that is not finite, or different lengths.

    Source:
        Platt 1999, as in Lin 2007, Mach Learn 68:267 (targets moved inwards, so that the curve is finite where the
        grades are separated); Zadrozny & Elkan 2002, KDD 8:694; Vovk, Petej & Fedorova 2015, NIPS 28:892, algorithms 1
        and 2.

    >>> p_high, is_high = np.linspace(0.05, 0.95, 19), np.arange(19) >= 6
    >>> learn_map(p_high, is_high, "isotonic").apply(np.array([0.1, 0.9])).tolist()
    [0.0, 1.0]
    >>> learn_map(p_high, is_high, "venn-abers").apply(np.array([0.1, 0.9])).round(2).tolist()
    [0.14, 0.93]
    """
    probabilities, truths = probability_vectors(p_high, is_high)
    reason = why_not_learnt(probabilities, truths)
    if reason is not None:
        raise _not_learnt(reason)
    asked = Way(way)
    if asked is Way.PLATT:
        return _learn_platt(clipped_log_odds(probabilities), truths)
    at, where = np.unique(probabilities, return_inverse=True)
    counts = np.bincount(where).astype(np.float64)
    highs = np.bincount(where, weights=truths).astype(np.float64)
    if asked is Way.ISOTONIC:
        from scipy.optimize import isotonic_regression

        return IsotonicMap(at, np.asarray(isotonic_regression(highs / counts, weights=counts).x))
    if_high = isotonic_with_one_more(counts, highs)
    if_low = 1.0 - isotonic_with_one_more(counts[::-1], (counts - highs)[::-1])[::-1]
    return VennAbersMap(at, if_low, if_high)


NOT_LEARNT = {
    Reason.NO_OUT_OF_FOLD: "there are no out-of-fold scores",
    Reason.ONE_GRADE: "patients of one grade only",
    Reason.TOO_FEW_PATIENTS: f"fewer than {FEWEST_TO_LEARN} patients of a grade",
    Reason.PREDICTIONS_ALIKE: "all predictions are alike",
    Reason.NOT_CONVERGED: "the logistic model did not converge",
}
"""Why no map is learnt, in English."""


def why_not_learnt(p_high: FloatVector, is_high: BoolVector) -> Reason | None:
    """Tell why no map can be learnt from patients; None if it can.

    Args:
        p_high: The probabilities of a model.
        is_high: The truths of the same patients, in the same order.
    """
    if not is_high.size:
        return Reason.NO_OUT_OF_FOLD
    if is_high.all() or not is_high.any():
        return Reason.ONE_GRADE
    if min(is_high.sum(), (~is_high).sum()) < FEWEST_TO_LEARN:
        return Reason.TOO_FEW_PATIENTS
    if np.ptp(clipped_log_odds(p_high)) <= ALIKE:
        return Reason.PREDICTIONS_ALIKE
    return None


def _not_learnt(reason: Reason) -> ScoresError:
    return ScoresError(f"No recalibration can be learnt: {NOT_LEARNT[reason]}. Add patients.", reason)


def _learn_platt(log_odds: FloatVector, truths: BoolVector) -> PlattMap:
    """Maximise Platt's likelihood, finite with these targets; the slope is 0 if the scores rank the wrong way."""
    from scipy.special import logit

    n_high, n = int(truths.sum()), truths.size
    targets = np.where(truths, (n_high + 1.0) / (n_high + 2.0), 1.0 / (n - n_high + 2.0))
    centre, spread = float(log_odds.mean()), float(log_odds.std())
    fit = fit_logistic(np.column_stack([np.ones(n), (log_odds - centre) / spread]), targets)
    if fit is None:
        raise _not_learnt(Reason.NOT_CONVERGED)
    intercept, slope = float(fit.coefficients[0]), float(fit.coefficients[1]) / spread
    if slope <= 0.0:
        return PlattMap(float(logit(targets.mean())), 0.0)
    return PlattMap(intercept - slope * centre, slope)
