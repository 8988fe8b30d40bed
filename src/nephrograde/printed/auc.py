"""The uncertainty of printed AUCs: the interval of one, and what "P > 0.05" between two of them can hide.

Without the scores, neither interval can be computed. Both can be modelled from the AUC and the number of patients in
each class (Hanley & McNeil); for a paired difference, over a range of correlations between the two AUCs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nephrograde.evaluation.delong import normal_quantile
from nephrograde.evaluation.power import detectable_difference, difference_variance, hanley_mcneil_variance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nephrograde.printed.values import Printed

CORRELATIONS = (0.0, 0.3, 0.5, 0.7)
"""Correlations between the AUCs of two models on the same patients; two readings of the same scans are in between."""

MOST_POSITIVES = 20
"""Up to this many numbers of positives each get an interval; of more, only the smallest, the middle and the largest."""


@dataclass(frozen=True, slots=True)
class Positives:
    """Numbers of positives for which a printed AUC is examined, and where they come from."""

    counts: tuple[int, ...]
    source: str


@dataclass(frozen=True, slots=True)
class AucInterval:
    """The 95 % interval that a printed AUC would have with a given number of positives."""

    positives: int
    n: int
    low: float
    high: float

    def as_dict(self) -> dict[str, Any]:
        """Return the interval in its JSON form."""
        return {"positives": self.positives, "low": self.low, "high": self.high}

    def as_text(self) -> str:
        """Write the interval with the numbers of patients that it assumes."""
        return f"{self.low:.3f} to {self.high:.3f} with {self.positives} of {self.n} positive"


@dataclass(frozen=True, slots=True)
class AucDifference:
    """The 95 % interval of the difference of two printed AUCs, for an assumed correlation.

    ``detectable`` is the smallest true difference that a two-sided test at 5 % finds with 80 % power.
    """

    positives: int
    correlation: float
    difference: float
    low: float
    high: float
    detectable: float

    @property
    def holds_zero(self) -> bool:
        """Whether a test at this correlation would print P > 0.05."""
        return self.low <= 0 <= self.high

    def as_dict(self) -> dict[str, Any]:
        """Return the difference in its JSON form."""
        return {
            "positives": self.positives,
            "correlation": self.correlation,
            "difference": self.difference,
            "low": self.low,
            "high": self.high,
            "detectable": self.detectable,
        }

    def as_text(self) -> str:
        """Write the interval and the detectable difference on one line.

        >>> AucDifference(41, 0.5, -0.015, -0.0776, 0.0476, 0.0896).as_text()
        'correlation 0.5: -0.078 to 0.048; detectable 0.090'
        """
        return f"correlation {self.correlation}: {self.low:.3f} to {self.high:.3f}; detectable {self.detectable:.3f}"


@dataclass(frozen=True, slots=True)
class PairedAucs:
    """Two printed AUCs compared at several numbers of positives and correlations."""

    first: str
    second: str
    source: str
    differences: tuple[AucDifference, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the pair in its JSON form."""
        rows = [row.as_dict() for row in self.differences]
        return {"first": self.first, "second": self.second, "positives_from": self.source, "differences": rows}

    def as_text(self, n: int) -> list[str]:
        """Write the pair as lines; ``n`` is the number of patients."""
        difference = self.differences[0].difference
        lines = [f"AUC of {self.first} minus that of {self.second}: {difference:.3f}; 95 % CI (Hanley & McNeil 1982)"]
        for positives in dict.fromkeys(row.positives for row in self.differences):
            lines.append(f"  with {positives} of {n} positive ({self.source}), if the AUCs have")
            lines += [f"    {row.as_text()}" for row in self.differences if row.positives == positives]
        if any(row.holds_zero for row in self.differences):
            lines += [
                "  P > 0.05 says that such an interval holds 0, not that the models are equal: every difference in it",
                "  agrees with the printed AUCs. Detectable is the smallest true difference found with 80 % power.",
            ]
        return lines


def choose_positives(given: int | None, fitting: Sequence[int], n: int) -> Positives:
    """Choose the numbers of positives for which to examine a printed AUC.

    Args:
        given: The number that the paper prints; None if it prints none.
        fitting: The numbers in the tables that yield the printed values; 0 and n do not occur.
        n: Number of test patients, at least 2.

    Returns:
        The given number; otherwise the fitting ones, thinned out if there are many; otherwise half of n, which gives
        nearly the shortest interval and so favours the paper.

    >>> choose_positives(None, (35, 42, 49), 92)
    Positives(counts=(35, 42, 49), source='from the tables that fit')
    """
    if given is not None:
        return Positives((given,), "as given")
    if not fitting:
        return Positives((n // 2,), "half of n, as no number is given or fits")
    if len(fitting) > MOST_POSITIVES:
        few = (fitting[0], fitting[len(fitting) // 2], fitting[-1])
        return Positives(few, f"smallest, middle and largest of the {len(fitting)} that fit")
    return Positives(tuple(fitting), "from the tables that fit")


def auc_intervals(printed: Printed, positives: Positives) -> tuple[AucInterval, ...]:
    """Compute the intervals that a printed AUC would have.

    Args:
        printed: The model, with an AUC.
        positives: The numbers of positives to assume.

    Returns:
        AUC ± 1.96 standard errors, clipped to [0, 1]; an AUC of exactly 0 or 1 gets an interval of zero width.

    Source:
        Hanley & McNeil 1982, Radiology 143:29.

    >>> from nephrograde.printed.reading import parse_printed
    >>> auc_intervals(parse_printed({"n": "92", "auc": "0.907"}), Positives((41,), "as given"))[0].as_text()
    '0.841 to 0.973 with 41 of 92 positive'
    """
    area, intervals = printed.values["auc"].value, []
    for count in positives.counts:
        reach = normal_quantile(0.95) * math.sqrt(hanley_mcneil_variance(area, count, printed.n - count))
        intervals.append(AucInterval(count, printed.n, low=max(0.0, area - reach), high=min(1.0, area + reach)))
    return tuple(intervals)


def auc_differences(first: Printed, second: Printed, positives: Positives) -> PairedAucs:
    """Compute what the difference of two printed AUCs could be, over a range of correlations.

    Args:
        first: The model whose AUC is the minuend.
        second: The model whose AUC is subtracted, with the same number of patients.
        positives: The numbers of positives to assume.

    Returns:
        One interval per number of positives and correlation.

    Source:
        Hanley & McNeil 1982 for the variances and 1983, Radiology 148:839, for the correlation.
    """
    areas = [model.values["auc"].value for model in (first, second)]
    # Rounded to the printed decimals, so that 0.907 - 0.922 is -0.015 in JSON as well.
    difference = round(areas[0] - areas[1], max(model.values["auc"].decimals for model in (first, second)))
    rows = []
    for count in positives.counts:
        variances = [hanley_mcneil_variance(area, count, first.n - count) for area in areas]
        for correlation in CORRELATIONS:
            variance = difference_variance(*variances, correlation=correlation)
            reach = normal_quantile(0.95) * math.sqrt(variance)
            low, high = difference - reach, difference + reach
            rows.append(AucDifference(count, correlation, difference, low, high, detectable_difference(variance)))
    return PairedAucs(first.name, second.name, positives.source, tuple(rows))
