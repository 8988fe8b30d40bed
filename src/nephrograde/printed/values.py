"""What a paper prints about one model on one test set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nephrograde.printed.numbers import PrintedNumber

SHARES = ("accuracy", "sensitivity", "specificity", "ppv", "npv")
"""Measures that are a ratio of two counts, and so constrain the confusion table."""


@dataclass(frozen=True, slots=True)
class Printed:
    """What a paper prints about one model on one test set.

    Attributes:
        name: The model.
        n: Number of test patients.
        values: Measure to number: any of accuracy, sensitivity, specificity, ppv, npv and auc.
        positives: Number of test patients in the positive class, if the paper states it.
        group: Models of one group are reported to be scored on the same patients.
    """

    name: str
    n: int
    values: Mapping[str, PrintedNumber] = field(default_factory=dict)
    positives: int | None = None
    group: str = ""

    @property
    def shares(self) -> dict[str, PrintedNumber]:
        """The values that constrain the confusion table."""
        return {measure: self.values[measure] for measure in SHARES if measure in self.values}

    def as_text(self) -> str:
        """Write the printed values of the model on one line."""
        words = [f"{'AUC' if measure == 'auc' else measure} {number}" for measure, number in self.values.items()]
        given = [f"{self.positives} positive"] if self.positives is not None else []
        return f"{self.name}: {', '.join([patients_in_words(self.n), *given, *words])}"


def patients_in_words(n: int) -> str:
    """Write a number of patients."""
    return f"{n} patient" if n == 1 else f"{n} patients"
