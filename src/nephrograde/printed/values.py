"""What a paper prints about one model on one test set."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from nephrograde.printed.measures import AVERAGED, PER_FOLD, SHARES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nephrograde.printed.bounds import PrintedInterval, PrintedP
    from nephrograde.printed.numbers import PrintedNumber


class Span(NamedTuple):
    """Whole numbers from ``low`` to ``high``, both included."""

    low: int
    high: int

    def __str__(self) -> str:
        return f"{self.low}" if self.low == self.high else f"{self.low}-{self.high}"


@dataclass(frozen=True, slots=True)
class Printed:
    """What a paper prints about one model on one test set.

    Attributes:
        name: The model.
        n: Number of test patients; the lowest one if several are to be tried.
        values: Measure to number: any of ``SHARES``, and ``auc``.
        positives: Number of test patients in the positive class, or its limits, if the paper states them.
        group: Models of one group are reported to be scored on the same patients.
        n_to: The highest number of test patients to be tried; None for ``n`` alone.
        mean_of: Number of tables of these patients whose mean is printed, such as those of the networks of the folds.
        folds: Number of folds that divide these patients and over which the printed values are means.
        intervals: Measure to printed confidence interval.
        p: The printed P value of the comparison of this AUC with that of the first model of the group.
    """

    name: str
    n: int
    values: Mapping[str, PrintedNumber] = field(default_factory=dict)
    positives: Span | None = None
    group: str = ""
    n_to: int | None = None
    mean_of: int = 1
    folds: int = 1
    intervals: Mapping[str, PrintedInterval] = field(default_factory=dict)
    p: PrintedP | None = None

    @property
    def patients(self) -> Span:
        """The numbers of patients to be tried."""
        return Span(self.n, self.n if self.n_to is None else self.n_to)

    @property
    def shares(self) -> dict[str, PrintedNumber]:
        """The values that depend on the confusion table."""
        return {measure: self.values[measure] for measure in SHARES if measure in self.values}

    @property
    def checked(self) -> dict[str, PrintedNumber]:
        """The values that constrain the confusion table; of means only those that are linear in the counts."""
        allowed = PER_FOLD if self.folds > 1 else AVERAGED if self.mean_of > 1 else SHARES
        return {measure: number for measure, number in self.shares.items() if measure in allowed}

    @property
    def is_mean(self) -> bool:
        """Whether the values are means over several tables."""
        return self.mean_of > 1 or self.folds > 1

    @property
    def constraining(self) -> tuple[str, ...]:
        """The measures that constrain the tables or their classes, the AUC among them."""
        return (*self.checked, *(("auc",) if "auc" in self.values and self.folds == 1 else ()))

    def possible_positives(self) -> range:
        """Return the numbers of positives within the printed limits; an AUC requires both classes."""
        low, high = self.positives or Span(0, self.n)
        has_auc = "auc" in self.values
        return range(max(low, int(has_auc)), min(high, self.n - int(has_auc)) + 1)

    def with_n(self, n: int) -> Printed:
        """Return the same values printed for another, single number of patients."""
        return replace(self, n=n, n_to=None)

    def without(self, measure: str) -> Printed:
        """Return the same model as if one value were not printed; classes that an AUC requires stay required."""
        kept = {name: number for name, number in self.values.items() if name != measure}
        possible = self.possible_positives()
        positives = Span(possible.start, possible.stop - 1) if measure == "auc" else self.positives
        return replace(self, values=kept, positives=positives)
