"""Conformal prediction sets: the grades that cannot be ruled out for a patient at a chosen error.

A grade is ruled out if the patient's score would be among the strangest of the calibration patients of that grade. With
two grades, a set comes down to two cutoffs of ``p_high``: high grade is plausible from one on, low grade up to the
other. Between them both grades are plausible, or, where the cutoffs are the other way round, neither is.

By class (Mondrian), each grade has its own calibration patients, and the error holds among the high-grade and among the
low-grade patients. Marginal sets pool the grades; their error holds on average over all patients only, and most of it
may fall on the rarer grade.

If the score of a new patient is exchangeable with those of the calibration patients, a set misses the truth with a
probability of at most the error. Ties make it smaller.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nephrograde.arguments import NUMBERS, SHARE, VALUES, checked, choice
from nephrograde.errors import ScoresError
from nephrograde.evaluation.remarks import Reason

if TYPE_CHECKING:
    from nephrograde.vocabulary import BoolVector, FloatVector

_ROUNDING = 1e-9  # keeps 0.1 × (29 + 1) from being more, or less, than 3


class SetKind(StrEnum):
    """Whom the error of a set holds for: each grade, or all patients together."""

    BY_CLASS = "by-class"
    MARGINAL = "marginal"


class GradeSet(StrEnum):
    """The grades that are plausible for a patient."""

    HIGH = "high"
    LOW = "low"
    BOTH = "both"
    NONE = "none"

    @property
    def is_decided(self) -> bool:
        """Whether one grade alone is plausible; otherwise, the patient is referred to biopsy.

        >>> GradeSet.HIGH.is_decided, GradeSet.BOTH.is_decided, GradeSet.NONE.is_decided
        (True, False, False)
        """
        return self in {GradeSet.HIGH, GradeSet.LOW}


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """High grade is plausible for ``p_high >= high_from``, low grade for ``p_high <= low_to``.

    >>> [str(Cutoffs(high_from=0.3, low_to=0.6).set_of(p_high)) for p_high in (0.2, 0.5, 0.7)]
    ['low', 'both', 'high']
    >>> str(Cutoffs(high_from=0.6, low_to=0.3).set_of(0.5))
    'none'
    """

    high_from: float
    low_to: float

    def set_of(self, p_high: float) -> GradeSet:
        """Return the grades that are plausible for a patient."""
        if p_high >= self.high_from:
            return GradeSet.BOTH if p_high <= self.low_to else GradeSet.HIGH
        return GradeSet.LOW if p_high <= self.low_to else GradeSet.NONE

    def sets_of(self, p_high: FloatVector) -> tuple[GradeSet, ...]:
        """Return the grades that are plausible for each patient."""
        is_high, is_low = p_high >= self.high_from, p_high <= self.low_to
        kinds = np.array([GradeSet.NONE, GradeSet.LOW, GradeSet.HIGH, GradeSet.BOTH], dtype=np.object_)
        return tuple(kinds[2 * is_high + is_low].tolist())


@checked(p_high=NUMBERS, is_high=VALUES, error=SHARE, kind=choice(*SetKind))
def conformal_cutoffs(
    p_high: npt.ArrayLike, is_high: npt.ArrayLike, *, error: float = 0.1, kind: SetKind | str = SetKind.BY_CLASS
) -> Cutoffs:
    """Find the cutoffs of conformal prediction sets.

    Args:
        p_high: The probabilities of calibration patients, on whom the model was not trained.
        is_high: The truths of the same patients, in the same order.
        error: The share of new patients whose set may miss their grade, between 0 and 1.
        kind: ``by-class`` or ``marginal``.

    Returns:
        The cutoffs.

    Raises:
        InputError: An argument is of another kind, or the error lies outside 0 to 1.
        ScoresError: Patients of one grade only; fewer patients than 1 / error − 1 (of either grade, for sets by class),
            so that no patient could be strange enough; a value outside 0 to 1, a value that is not finite, or different
            lengths.

    Source:
        Vovk, Gammerman & Shafer 2005, Algorithmic Learning in a Random World, chapters 2 and 4; p-values without
        smoothing, equal to those of crepes 0.9.1.

    >>> p_high, is_high = [0.1, 0.2, 0.3, 0.7, 0.4, 0.6, 0.8, 0.9], [0, 0, 0, 0, 1, 1, 1, 1]
    >>> conformal_cutoffs(p_high, is_high, error=0.4)
    Cutoffs(high_from=0.6, low_to=0.3)
    """
    from nephrograde.evaluation.calibration.calibration import probability_vectors

    probabilities, truths = probability_vectors(p_high, is_high)
    reason = why_no_sets(truths, error=error, kind=kind)
    if reason is not None:
        fewest = fewest_for(error)
        raise ScoresError(
            f"No prediction sets with an error of {error:g}: {no_sets_words(reason, error=error)}. Add patients, at "
            f"least {fewest} of each grade, or allow a larger error.",
            reason,
        )
    if SetKind(kind) is SetKind.BY_CLASS:
        return Cutoffs(
            high_from=_strangest(probabilities[truths], error),
            low_to=-_strangest(-probabilities[~truths], error),
        )
    return _pooled(probabilities, truths, error)


def why_no_sets(is_high: BoolVector, *, error: float, kind: SetKind | str) -> Reason | None:
    """Tell why there are no sets; None if there are.

    Args:
        is_high: The truths of the calibration patients.
        error: The error of the sets.
        kind: ``by-class`` or ``marginal``.
    """
    if not is_high.size:
        return Reason.NO_OUT_OF_FOLD
    if is_high.all() or not is_high.any():
        return Reason.ONE_GRADE
    n_high = int(is_high.sum())
    counted = min(n_high, is_high.size - n_high) if SetKind(kind) is SetKind.BY_CLASS else is_high.size
    return Reason.TOO_FEW_PATIENTS if counted < fewest_for(error) else None


def no_sets_words(reason: Reason, *, error: float) -> str:
    """Return why there are no sets, in English, as in the tables."""
    words = {
        Reason.NO_OUT_OF_FOLD: "there are no out-of-fold scores",
        Reason.ONE_GRADE: "patients of one grade only",
        Reason.TOO_FEW_PATIENTS: f"fewer than {fewest_for(error)} calibration patients",
    }
    return words[reason]


def fewest_for(error: float) -> int:
    """Return how many calibration patients an error needs: with fewer, no patient is ever strange enough.

    >>> fewest_for(0.1), fewest_for(0.05), fewest_for(0.3)
    (9, 19, 3)
    """
    return max(1, math.ceil(1.0 / error - 1.0 - _ROUNDING))


def coverage_range(calibrated: int, *, error: float, confidence: float) -> tuple[float, float]:
    """Compute how far the true coverage of future patients may lie from the nominal one, by the luck of calibration.

    Averaged over calibration sets, the coverage is at least 1 − error. One calibration set gives a coverage that varies
    about this as a beta distribution, if no scores are tied.

    Args:
        calibrated: Number of calibration patients, of one grade for sets by class.
        error: The error of the sets.
        confidence: The share of calibration sets whose coverage lies in the range.

    Source:
        Vovk 2012, "Conditional validity of inductive conformal predictors", ACML 25:475.

    >>> [round(bound, 3) for bound in coverage_range(60, error=0.1, confidence=0.95)]
    [0.816, 0.962]
    """
    from scipy.stats import beta

    beyond = _rank(calibrated, error)
    found = beta.interval(confidence, calibrated + 1 - beyond, beyond)
    return float(found[0]), float(found[1])


def _rank(calibrated: int, error: float) -> int:
    """The number of calibration patients, the new one included, among whom a patient is too strange, at most."""
    return math.floor(error * (calibrated + 1) + _ROUNDING)


def _pooled(probabilities: FloatVector, truths: BoolVector, error: float) -> Cutoffs:
    """Cutoffs at which the probability of the grade in question is the same."""
    fits = np.where(truths, probabilities, 1.0 - probabilities)  # the probability of the true grade
    fit = _strangest(fits, error)
    is_there = np.abs(fits - fit) <= _ROUNDING
    # The patients at the cutoff must be on its right side, although 1 − (1 − p) may differ from p.
    high_from = min([fit, *probabilities[is_there & truths].tolist()])
    return Cutoffs(high_from, low_to=max([1.0 - fit, *probabilities[is_there & ~truths].tolist()]))


def _strangest(fits: FloatVector, error: float) -> float:
    """The smallest value that is not too strange beside those of the calibration patients."""
    return float(np.sort(fits)[_rank(fits.size, error) - 1])
