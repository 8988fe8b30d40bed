"""Codes for remarks on the numbers in ``statistics/``: threshold rules, verdicts, missing values, and cautions.

The ``method`` of a row says the same in English for human readers. Programs read the codes; the report translates them
into the language of the page.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING


class Rule(StrEnum):
    """How the threshold of a model was chosen."""

    YOUDEN = "youden"
    SENSITIVITY = "sensitivity"
    SPECIFICITY = "specificity"
    COST = "cost"
    FIXED = "fixed"


class Reason(StrEnum):
    """Why a number, or the test of a difference, was not computed."""

    NO_PATIENTS = "no-patients"
    NOT_FINITE = "not-finite"
    ONE_GRADE = "one-grade"
    NO_HIGH = "no-high"
    NO_LOW = "no-low"
    NONE_CALLED_HIGH = "none-called-high"
    NONE_CALLED_LOW = "none-called-low"
    NOT_CONVERGED = "not-converged"
    PREDICTIONS_ALIKE = "predictions-alike"
    SEPARATED = "separated"
    NO_COMMON_PATIENTS = "no-common-patients"
    SINGLE_PATIENT = "single-patient"
    CONSTANT_DIFFERENCE = "constant-difference"
    RANKED_ALIKE = "ranked-alike"
    TOO_MANY_VALUES = "too-many-values"
    NO_OUT_OF_FOLD = "no-out-of-fold"
    TOO_FEW_PATIENTS = "too-few-patients"


class Verdict(StrEnum):
    """What a pair of models shows about a margin; the last two withhold a verdict because it would err too often."""

    BETTER = "better"
    EQUIVALENT = "equivalent"
    NOT_WORSE = "not-worse"
    WORSE = "worse"
    UNDECIDED = "undecided"
    TOO_FEW = "too-few"
    TOO_RARE = "too-rare"

    @property
    def is_withheld(self) -> bool:
        """Whether there are too few patients of a grade for a verdict.

        >>> Verdict.TOO_FEW.is_withheld, Verdict.UNDECIDED.is_withheld
        (True, False)
        """
        return self in {Verdict.TOO_FEW, Verdict.TOO_RARE}


class Caution(StrEnum):
    """What a reader has to know about a number that was computed."""

    PERFECT_AUC = "perfect-auc"
    SCORE_INTERVAL = "score-interval"
    TOO_FEW = "too-few"
    SINGLE_PATIENT = "single-patient"
    ONE_PATIENT = "one-patient"
    CONSTANT_ERROR = "constant-error"
    ZERO_VARIANCE = "zero-variance"
    CLIPPED = "clipped"
    UNSTABLE = "unstable"
    OPTIMISTIC = "optimistic"
    ALL_CALLED_HIGH = "all-called-high"
    ALL_CALLED_LOW = "all-called-low"
    RANKED_ALIKE = "ranked-alike"
    NO_OUT_OF_FOLD = "no-out-of-fold"
    OUT_OF_FOLD_ONE_GRADE = "out-of-fold-one-grade"
    POOLED = "pooled"
    NO_FOLDS = "no-folds"
    FOLDS_LEFT_OUT = "folds-left-out"
    FITTED_FOLDS = "fitted-folds"
    CONSTANT_SCORES = "constant-scores"
    CROSS_FITTED = "cross-fitted"


FEWEST_FOR_VERDICT = 30
"""Patients of each grade below which no verdict is given, on non-inferiority or anything else."""

_UNRELIABLE = {
    Caution.PERFECT_AUC,
    Caution.TOO_FEW,
    Caution.SINGLE_PATIENT,
    Caution.ONE_PATIENT,
    Caution.CONSTANT_ERROR,
    Caution.ZERO_VARIANCE,
    Caution.CONSTANT_SCORES,
}


def is_trusted(reason: Reason | None, caution: Caution | None) -> bool:
    """Tell whether a number was computed and its interval or test holds.

    Args:
        reason: Why it was not computed; None if it was.
        caution: What a reader has to know about it; None if there is nothing.

    >>> is_trusted(None, None), is_trusted(None, Caution.CLIPPED), is_trusted(None, Caution.PERFECT_AUC)
    (True, True, False)
    """
    return reason is None and caution not in _UNRELIABLE


class Judged:
    """A row that says whether it can be relied on: ``is_reliable`` follows from its ``reason`` and its ``caution``."""

    __slots__ = ()

    if TYPE_CHECKING:  # fields of the row

        @property
        def reason(self) -> Reason | None:
            """Why it was not computed."""

        @property
        def caution(self) -> Caution | None:
            """What a reader has to know about it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_reliable", is_trusted(self.reason, self.caution))
