"""The measures that a paper prints, each as one fraction of the four counts.

Numerator and denominator are whole numbers, and linear in the true positives as well as in the true negatives. So if
one of the two is known, a printed value confines the other to a range, which is found without trying every table.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable

Counts: TypeAlias = npt.NDArray[np.int64]
Number = TypeVar("Number", int, Counts)

PROPORTIONS = ("accuracy", "sensitivity", "specificity", "ppv", "npv")
"""Measures that are a number of patients out of a number of patients, and so may have a binomial interval."""

DERIVED = ("balanced_accuracy", "f1", "kappa", "youden", "lr_plus", "lr_minus", "dor")
"""Measures that combine the counts in other ways."""

SHARES = (*PROPORTIONS, *DERIVED)
"""Measures that constrain the confusion table."""

AVERAGED = ("accuracy", "sensitivity", "specificity", "balanced_accuracy", "youden")
"""Measures whose mean over tables with equal classes is the measure of the summed table."""

PER_FOLD = ("accuracy", "sensitivity", "specificity")
"""Measures of which a mean over folds of different sizes is examined."""

LIMITS = {
    "kappa": (-1.0, 1.0),
    "youden": (-1.0, 1.0),
    "lr_plus": (0.0, math.inf),
    "lr_minus": (0.0, math.inf),
    "dor": (0.0, math.inf),
}
"""Lowest and highest value of a measure; 0 and 1 for all others."""


def limits_of(measure: str) -> tuple[float, float]:
    """Return the lowest and the highest value of a measure.

    >>> limits_of("kappa"), limits_of("auc")
    ((-1.0, 1.0), (0.0, 1.0))
    """
    return LIMITS.get(measure, (0.0, 1.0))


def decimals_of(measure: str) -> int:
    """Return the largest number of decimals with which the whole-number form of a measure fits into 64 bits.

    >>> decimals_of("accuracy"), decimals_of("kappa")
    (12, 8)
    """
    return 12 if measure in {*PROPORTIONS, "f1"} else 8


@dataclass(frozen=True, slots=True)
class Calls(Generic[Number]):
    """The four counts of calls against truths, of one table or of many at once."""

    tp: Number
    fp: Number
    tn: Number
    fn: Number

    @property
    def positives(self) -> Number:
        """Patients of the positive class."""
        return self.tp + self.fn

    @property
    def negatives(self) -> Number:
        """Patients of the negative class."""
        return self.tn + self.fp


def fraction(measure: str, calls: Calls[Number]) -> tuple[Number, Number]:
    """Compute a measure as numerator and denominator; a denominator of 0 means that the table has no such value.

    Args:
        measure: One of ``SHARES``.
        calls: The counts.

    >>> fraction("kappa", Calls(tp=36, fp=7, tn=43, fn=6))
    (3012, 4208)
    """
    top, bottom = _FRACTIONS[measure](calls)
    return top, bottom


_FRACTIONS: dict[str, Callable[[Calls[Any]], tuple[Any, Any]]] = {
    "accuracy": lambda of: (of.tp + of.tn, of.positives + of.negatives),
    "sensitivity": lambda of: (of.tp, of.positives),
    "specificity": lambda of: (of.tn, of.negatives),
    "ppv": lambda of: (of.tp, of.tp + of.fp),
    "npv": lambda of: (of.tn, of.tn + of.fn),
    "f1": lambda of: (2 * of.tp, 2 * of.tp + of.fp + of.fn),
    "balanced_accuracy": lambda of: (
        of.tp * of.negatives + of.tn * of.positives,
        2 * of.positives * of.negatives,
    ),
    "youden": lambda of: (
        of.tp * of.negatives + of.tn * of.positives - of.positives * of.negatives,
        of.positives * of.negatives,
    ),
    "kappa": lambda of: (
        2 * (of.tp * of.tn - of.fp * of.fn),
        (of.tp + of.fp) * of.negatives + of.positives * (of.tn + of.fn),
    ),
    "lr_plus": lambda of: (of.tp * of.negatives, of.positives * of.fp),
    "lr_minus": lambda of: (of.fn * of.negatives, of.positives * of.tn),
    "dor": lambda of: (of.tp * of.tn, of.fp * of.fn),
}
