"""The uncertainty of printed AUCs: the interval of one, and what "P > 0.05" between two of them can hide.

Without the scores, neither interval can be computed. Both can be modelled from the AUC and the number of patients in
each class (Hanley & McNeil); for a paired difference, over a range of correlations between the two AUCs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

from nephrograde.evaluation.performance.delong import normal_quantile
from nephrograde.evaluation.performance.interval import difference_bounds, newcombe_bounds
from nephrograde.evaluation.sample_size.power import detectable_difference, difference_variance, hanley_mcneil_variance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nephrograde.printed.bounds import PrintedP
    from nephrograde.printed.numbers import PrintedNumber
    from nephrograde.printed.values import Printed, Span

CORRELATIONS = (0.0, 0.3, 0.5, 0.7)
"""Correlations between the AUCs of two models on the same patients; two readings of the same scans are in between."""

MOST_POSITIVES = 20
"""Up to this many numbers of positives each get an interval; of more, only the smallest, the middle and the largest."""


class PositivesSource(StrEnum):
    """Where the numbers of positives come from: the paper, its limits, the tables that fit, or half of n."""

    GIVEN = "given"
    LIMITS = "limits"
    TABLES = "tables"
    THINNED = "thinned"
    HALF = "half"


@dataclass(frozen=True, slots=True)
class Positives:
    """Numbers of positives for which a printed AUC is examined, and where they come from; ``n_fitting`` of them fit."""

    counts: tuple[int, ...]
    source: PositivesSource
    n_fitting: int = 0


@dataclass(frozen=True, slots=True)
class AucInterval:
    """The 95 % interval that a printed AUC would have with a given number of positives."""

    positives: int
    n: int
    low: float
    high: float
    method: Literal["hanley_mcneil", "newcombe"] = "hanley_mcneil"

    def as_dict(self) -> dict[str, Any]:
        """Return the interval in its JSON form."""
        return {"positives": self.positives, "low": self.low, "high": self.high, "method": self.method}


@dataclass(frozen=True, slots=True)
class AucDifference:
    """The 95 % interval of the difference of two printed AUCs, for an assumed correlation.

    ``detectable`` is the smallest true difference that a two-sided test at 5 % finds with 80 % power; NaN above 1.
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
            "detectable": None if math.isnan(self.detectable) else self.detectable,
        }


@dataclass(frozen=True, slots=True)
class ImpliedCorrelation:
    """The correlation of two AUCs that a printed P value implies, with a given number of positives.

    ``low`` and ``high`` take the rounding of the AUCs and of P into account; they are outside −1 to 1 if no correlation
    gives this P. A P printed as a limit, or as 1, leaves one side open (infinite); ``value`` is the correlation at the
    limit.
    """

    positives: int
    low: float
    value: float
    high: float

    @property
    def is_possible(self) -> bool:
        """Whether any correlation from −1 to 1 gives the printed P."""
        return self.low <= 1.0 and self.high >= -1.0

    def as_dict(self) -> dict[str, Any]:
        """Return the correlation in its JSON form, in which an open side is None."""
        limits = {"low": self.low, "value": self.value, "high": self.high}
        return {
            "positives": self.positives,
            **{name: limit if math.isfinite(limit) else None for name, limit in limits.items()},
            "is_possible": self.is_possible,
        }


@dataclass(frozen=True, slots=True)
class PairedAucs:
    """Two printed AUCs compared at several numbers of positives and correlations; ``p`` is the printed P value."""

    first: str
    second: str
    positives: Positives
    differences: tuple[AucDifference, ...]
    p: PrintedP | None = None
    implied: tuple[ImpliedCorrelation, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the pair in its JSON form."""
        return {
            "first": self.first,
            "second": self.second,
            "positives_from": self.positives.source.value,
            "differences": [row.as_dict() for row in self.differences],
            "printed_p": None if self.p is None else str(self.p),
            "implied_correlations": [row.as_dict() for row in self.implied],
        }


def choose_positives(given: Span | None, fitting: Sequence[int], n: int) -> Positives:
    """Choose the numbers of positives for which to examine a printed AUC.

    Args:
        given: The number that the paper prints, or its limits; None if it prints none.
        fitting: The numbers in the tables that yield the printed values; 0 and n do not occur.
        n: Number of test patients, at least 2.

    Returns:
        The given number; otherwise the fitting ones, thinned out if there are many; otherwise the limits and their
        middle; otherwise half of n, which gives nearly the shortest interval and so favours the paper.

    >>> choose_positives(None, (35, 42, 49), 92)
    Positives(counts=(35, 42, 49), source=<PositivesSource.TABLES: 'tables'>, n_fitting=3)
    """
    if given is not None and given.low == given.high:
        return Positives((given.low,), PositivesSource.GIVEN)
    if len(fitting) > MOST_POSITIVES:
        few = (fitting[0], fitting[len(fitting) // 2], fitting[-1])
        return Positives(few, PositivesSource.THINNED, len(fitting))
    if fitting:
        return Positives(tuple(fitting), PositivesSource.TABLES, len(fitting))
    if given is not None:
        low, high = max(given.low, 1), min(given.high, n - 1)
        return Positives(tuple(sorted({low, (low + high) // 2, high})), PositivesSource.LIMITS)
    return Positives((n // 2,), PositivesSource.HALF)


def auc_intervals(printed: Printed, positives: Positives) -> tuple[AucInterval, ...]:
    """Compute the intervals that a printed AUC would have.

    Args:
        printed: The model, with an AUC.
        positives: The numbers of positives to assume.

    Returns:
        AUC ± 1.96 standard errors, clipped to [0, 1]; Newcombe's method 5 for an AUC of exactly 0 or 1, which has no
        standard error.

    Source:
        Hanley & McNeil 1982, Radiology 143:29; Newcombe 2006, Stat Med 25:559.

    >>> from nephrograde.printed.reading import parse_printed
    >>> positives = Positives((41,), PositivesSource.GIVEN)
    >>> (found,) = auc_intervals(parse_printed({"n": "92", "auc": "0.907"}), positives)
    >>> round(found.low, 3), round(found.high, 3)
    (0.841, 0.973)
    """
    area, intervals, z = printed.values["auc"].value, [], normal_quantile(0.95)
    for count in positives.counts:
        if area in {0.0, 1.0}:
            low, high = newcombe_bounds(area, count, printed.n - count, z=z)
            intervals.append(AucInterval(count, printed.n, low, high, "newcombe"))
            continue
        reach = z * math.sqrt(hanley_mcneil_variance(area, count, printed.n - count))
        intervals.append(AucInterval(count, printed.n, low=max(0.0, area - reach), high=min(1.0, area + reach)))
    return tuple(intervals)


def auc_differences(first: Printed, second: Printed, positives: Positives) -> PairedAucs:
    """Compute what the difference of two printed AUCs could be, over a range of correlations.

    Args:
        first: The model whose AUC is the minuend.
        second: The model whose AUC is subtracted, with the same number of patients.
        positives: The numbers of positives to assume.

    Returns:
        One interval per number of positives and correlation; and for a printed P, the correlation that it implies.

    Source:
        Hanley & McNeil 1982 for the variances and 1983, Radiology 148:839, for the correlation.
    """
    areas = [model.values["auc"].value for model in (first, second)]
    # Rounded to the printed decimals, so that 0.907 - 0.922 is -0.015 in JSON as well.
    difference = round(areas[0] - areas[1], max(model.values["auc"].decimals for model in (first, second)))
    rows, implied = [], []
    for count in positives.counts:
        if second.p is not None:
            implied.append(
                implied_correlation(first.values["auc"], second.values["auc"], second.p, positives=count, n=first.n)
            )
        variances = [hanley_mcneil_variance(area, count, first.n - count) for area in areas]
        for correlation in CORRELATIONS:
            variance = difference_variance(*variances, correlation=correlation)
            low, high = difference_bounds(difference, variance, z=normal_quantile(0.95))
            rows.append(AucDifference(count, correlation, difference, low, high, detectable_difference(variance)))
    return PairedAucs(
        first.name,
        second.name,
        positives,
        tuple(rows),
        p=second.p,
        implied=tuple(each for each in implied if each is not None),
    )


def implied_correlation(
    first: PrintedNumber, second: PrintedNumber, p: PrintedP, *, positives: int, n: int
) -> ImpliedCorrelation | None:
    """Compute the correlation of two AUCs at which a test of their difference prints a P value.

    The test statistic is z = d / √(V₁ + V₂ − 2r√(V₁V₂)); it is solved for r. The variances are modelled, so the result
    is approximate: values far outside −1 to 1 show that P, the AUCs and the numbers of patients do not fit together.

    Args:
        first: The AUC of one model.
        second: The AUC of the other.
        p: The P value of a two-sided test.
        positives: Number of positives.
        n: Number of patients.

    Returns:
        The correlation with its limits; None if an AUC of 0 or 1 leaves no variance.

    Source:
        Hanley & McNeil 1982 for the variances and 1983, Radiology 148:839, for the correlation.

    >>> from nephrograde.printed.bounds import PrintedP
    >>> from nephrograde.printed.numbers import PrintedNumber
    >>> weak, size = PrintedNumber.of("0.907"), PrintedNumber.of("0.822")
    >>> found = implied_correlation(weak, size, PrintedP.of("0.06"), positives=41, n=92)
    >>> round(found.low, 2), round(found.value, 2), round(found.high, 2)
    (0.3, 0.38, 0.43)
    """
    variances = [hanley_mcneil_variance(number.value, positives, n - positives) for number in (first, second)]
    scale = 2.0 * math.sqrt(variances[0] * variances[1])
    if scale == 0.0:
        return None
    ends = [[float(end) for end in number.any_window().ends] for number in (first, second)]
    least, most = ends[0][0] - ends[1][1], ends[0][1] - ends[1][0]
    smallest = 0.0 if least <= 0.0 <= most else min(abs(least), abs(most))
    largest = max(abs(least), abs(most))

    def correlation(difference: float, p_value: float) -> float:
        if p_value >= 1.0:
            return -math.inf if difference > 0.0 else sum(variances) / scale
        z = normal_quantile(1.0 - p_value)
        return (sum(variances) - (difference / z) ** 2) / scale

    p_ends = p.number.any_window().ends if p.relation == "=" else (p.number.exact, p.number.exact)
    low_p, high_p = (max(0.0, min(1.0, float(end))) for end in p_ends)
    value = correlation(abs(first.value - second.value), p.number.value)
    low = -math.inf if p.relation == ">" else correlation(largest, high_p)
    high = math.inf if p.relation == "<" else correlation(smallest, low_p)
    return ImpliedCorrelation(positives, low, value, high)
